"""The schemas of the admin API's responses about subscribers, and of the events that subscribers get."""

from marshmallow import fields

from webhook_service.subscribers.event_types import TEST, EventType
from webhook_service.web.api.described import JANE, described, moment, number, one_of, text
from webhook_service.web.api.schemas import Answer

TYPES = tuple(str(each) for each in EventType)
CRM_URL = "https://crm.example.com/hooks/employees"


class Subscriber(Answer):
    id = number("The number of the subscriber.", 1, required=True)
    name = text("The name.", "crm", required=True)
    url = text("The address that gets the events.", CRM_URL, required=True)
    types = fields.List(
        one_of(TYPES, "A type."),
        required=True,
        allow_none=True,
        metadata=described("The types of its events; null for all.", ["employee.linked"]),
    )
    allow_private = fields.Boolean(
        required=True, metadata=described("Whether its URL may lead to a private address.", False)
    )
    created_at = moment("When it was created.")
    active_since = moment("It gets the events since this time.")
    disabled_at = moment("When it was disabled; null if it is enabled.", None, allow_none=True)
    disabled_reason = one_of(
        ("admin", "gone"), "admin: a person disabled it. gone: it answered 410.", required=True, allow_none=True
    )
    failures = number("The number of consecutive failed attempts.", 0, required=True)
    paused_until = moment("When relays try it again after a failed attempt.", None, allow_none=True)
    former_secret_until = moment("Until when its former secret also signs.", None, allow_none=True)
    pending = number("Its pending deliveries, up to 10000.", 0, required=True)
    dead = number("Its dead deliveries, up to 10000.", 2, required=True)


class SubscriberDelivery(Answer):
    id = number("The number of the delivery.", 17, required=True)
    type = one_of(TYPES, "The type of the event.", "employee.linked", required=True)
    status = one_of(("PENDING", "DEAD"), "PENDING: will be tried. DEAD: no longer retried.", "DEAD", required=True)
    attempts = number("The number of attempts.", 29, required=True)
    next_attempt_at = moment("When it is tried again; null if it is dead.", None, allow_none=True)
    status_code = number("The HTTP status of the last answer.", 500, required=True, allow_none=True)
    error = text("The reason of the last failure.", "status_500", required=True, allow_none=True)
    created_at = moment("When the delivery was made.")
    completed_at = moment("When it became dead.", allow_none=True)
    event_id = text("The event or action of the ledger.", "evt-2", required=True, allow_none=True)
    employee_id = number("The employee.", 7, required=True, allow_none=True)


class Subscribers(Answer):
    subscribers = fields.List(fields.Nested(Subscriber), required=True, metadata=described("All, by name."))


class SubscriberWithDeliveries(Subscriber):
    deliveries = fields.List(
        fields.Nested(SubscriberDelivery),
        required=True,
        metadata=described("The newest 100 deliveries that are not done, dead ones first."),
    )


class SubscriberSecret(Answer):
    name = text("The name of the subscriber.", "crm", required=True)
    secret = text("The secret that signs its events.", "whsec_EXAMPLE", required=True, allow_none=True)
    secret_was_shown = fields.Boolean(
        required=True, metadata=described("Whether an earlier response had the secret, which is null then.", False)
    )


class RemovedSubscriber(Answer):
    name = text("The name of the subscriber.", "crm", required=True)


class ReplayedDeliveries(Answer):
    name = text("The name of the subscriber.", "crm", required=True)
    replayed = number("The number of deliveries that are due again.", 2, required=True)


class TestedSubscriber(Answer):
    name = text("The name of the subscriber.", "crm", required=True)
    status_code = number("The HTTP status of its answer.", 204, required=True, allow_none=True)
    error = text("Why it did not accept the event; null if it did.", None, required=True, allow_none=True)


class SubscriberEventData(Answer):
    event_id = text("The event or action of the ledger.", "evt-2", required=True, allow_none=True)
    employee_id = number("The employee.", 7, required=True, allow_none=True)
    auth_user_id = fields.UUID(required=True, allow_none=True, metadata=described("The auth user.", JANE))
    changes = fields.List(
        fields.String(), required=True, metadata=described("The names of the changed columns.", ["email"])
    )


class SubscriberEvent(Answer):
    """The body of a request to a subscriber."""

    type = one_of((*TYPES, TEST), "The type of the event.", "employee.linked", required=True)
    version = number("The version of this format.", 1, required=True)
    timestamp = moment("When the event happened.")
    data = fields.Nested(SubscriberEventData, required=True, metadata=described("Ids, and no values."))
