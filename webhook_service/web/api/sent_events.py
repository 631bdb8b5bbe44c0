"""The `webhooks` of the OpenAPI document: the requests that subscribers get, one for each type of event."""

from webhook_service.events import Json
from webhook_service.inbound.signature import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER
from webhook_service.subscribers.event_types import MEANINGS, VERSION, EventType
from webhook_service.web.api.described import JANE, NOON
from webhook_service.web.api.subscriber_schemas import SubscriberEvent

HEADERS = {
    ID_HEADER: (
        "The id of the event, which is the same in each attempt.",
        "evt_5f0c1d0e6a1b4a579b1a0e6f3b1f7c11_employee_linked",
    ),
    TIMESTAMP_HEADER: ("The time of the attempt, in seconds since 1970.", "1764763200"),
    SIGNATURE_HEADER: ("`v1,` and the signature of Standard Webhooks; two in the day after a rotation.", "v1,..."),
}
CHANGES = {
    EventType.EMPLOYEE_LINKED: ["auth_user_id"],
    EventType.EMPLOYEE_SYNCED: ["email"],
    EventType.EMPLOYEE_ORPHANED: ["auth_user_id"],
    EventType.EMPLOYEE_DEACTIVATED: ["is_active"],
    EventType.EMPLOYEE_ACTIVATED: ["is_active"],
    EventType.LOGIN_EMAIL_UPDATED: ["email"],
}


def webhooks() -> dict[str, Json]:
    """Return {type: the document's object of the request}."""
    return {str(each): {"post": request_of(each)} for each in EventType}


def request_of(type: EventType) -> Json:
    schema = {"$ref": f"#/components/schemas/{SubscriberEvent.__name__}"}
    return {
        "operationId": f"on {type}",
        "summary": f"{MEANINGS[type].capitalize()}.",
        "security": [],
        "parameters": [
            {"in": "header", "name": name, "required": True, "schema": {"type": "string"}, "description": text}
            | {"example": example}
            for name, (text, example) in HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": example_of(type)}},
        },
        "responses": {
            "2XX": {"description": "The event was accepted."},
            "410": {"description": "The subscriber is disabled, and gets no more events."},
            "default": {"description": "The event is sent again, for at least 72 hours."},
        },
    }


def example_of(type: EventType) -> Json:
    data = {"event_id": "evt-2", "employee_id": 7, "auth_user_id": JANE, "changes": CHANGES.get(type, [])}
    return {"type": str(type), "version": VERSION, "timestamp": NOON, "data": data}
