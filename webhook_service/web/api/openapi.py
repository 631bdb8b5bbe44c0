"""The OpenAPI 3.1 document of the admin API, generated from the schemas of requests and responses."""

from functools import cache
from importlib.metadata import version
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema
from marshmallow.fields import Enum, Field

from webhook_service.events import Json
from webhook_service.inbound.schema import Timestamp
from webhook_service.ledger.fields import Cursor
from webhook_service.web.api.employees import Change
from webhook_service.web.api.operation import Operation
from webhook_service.web.api.operations import OPERATIONS
from webhook_service.web.api.parameters import FIELDS, FIELDS_OF, IDEMPOTENCY_KEY, PATHS
from webhook_service.web.api.reasons import REASONS, status_of
from webhook_service.web.api.schemas import Problem
from webhook_service.web.api.sent_events import webhooks
from webhook_service.web.api.subscriber_schemas import SubscriberEvent

ABOUT = """Keeps Supabase Auth and a company's employees table in sync.

Each change of an auth user is an event, and each change that Auth must make is an action. Both are rows of the ledger.
With this API, admins read the ledger, replay events, and create employees with a login.

Every request needs the header `Authorization: Bearer <ADMIN_API_KEY>`. Errors are problem documents (RFC 9457) with a
stable `reason`. After a 503, retry when the seconds in `Retry-After` have passed. Send a header `Idempotency-Key` with
each POST and PATCH, so that a retry is not carried out twice."""

RETRY_AFTER = {"description": "Seconds to wait before a retry.", "schema": {"type": "integer", "minimum": 0}}
AUTHENTICATE = {"description": "The required scheme.", "schema": {"type": "string", "const": "Bearer"}}
NO_STORE = {"description": "Caches must not store the secret.", "schema": {"type": "string", "const": "no-store"}}
HEADERS: dict[int, Json] = {
    401: {"WWW-Authenticate": AUTHENTICATE},
    429: {"Retry-After": RETRY_AFTER},
    503: {"Retry-After": RETRY_AFTER},
}


class Converter(OpenAPIConverter):
    """A converter that also converts this service's field types."""

    def init_attribute_functions(self) -> None:
        super().init_attribute_functions()  # type: ignore[no-untyped-call]
        self.attribute_functions.append(self.of_own_field)

    def of_own_field(self, field: Field[Any], ret: Json) -> Json:
        if isinstance(field, Timestamp):
            return {"type": "string", "format": "date-time"}
        if isinstance(field, Enum):
            return {"type": "string"}
        if isinstance(field, Cursor):  # only this service reads the text as a number
            for name in ("minimum", "maximum", "default"):
                ret.pop(name, None)
            return {"type": "string", "pattern": "^[0-9]{1,19}$"}
        return {}


class Plugin(MarshmallowPlugin):
    Converter = Converter


@cache
def document() -> Json:
    """Return the document as JSON. It is made once, at the first request for it."""
    plugin = Plugin(schema_name_resolver=name_of)
    spec = APISpec(
        title="webhook-service: the admin API",
        version=version("webhook-service"),
        openapi_version="3.1.0",
        plugins=[plugin],
        info={"description": ABOUT, "license": {"name": "MIT", "identifier": "MIT"}},
        servers=[{"url": "/", "description": "This service."}],
        tags=[
            {"name": "Ledger", "description": "Events and actions, their outcomes, and replays."},
            {"name": "Employees", "description": "Employees together with their logins."},
            {"name": "Subscribers", "description": "Other systems that get events as signed webhooks."},
        ],
        security=[{"adminKey": []}],
    )
    spec.components.security_scheme(
        "adminKey", {"type": "http", "scheme": "bearer", "description": "The setting ADMIN_API_KEY."}
    )
    for operation in OPERATIONS:
        spec.path(operation.path, operations={operation.method: described(operation)})
    spec.components.schema(SubscriberEvent.__name__, schema=SubscriberEvent)
    written: Json = spec.to_dict() | {"webhooks": webhooks()}
    for name, schema in written["components"]["schemas"].items():
        explain(schema, FIELDS | FIELDS_OF.get(name, {}))
    written["components"]["schemas"][Change.__name__]["minProperties"] = 1
    for operation in (each for path in written["paths"].values() for each in path.values()):
        for parameter in operation["parameters"]:
            explain_parameter(parameter)
        for response in operation["responses"].values():
            if (answer := response["content"].get("application/json")) and "example" not in answer:
                answer["example"] = sample(answer["schema"], written["components"]["schemas"])
    return written


def sample(schema: Json, schemas: Json) -> Json:
    """Return an example of a schema: the examples of its required fields. A field without an example is null."""
    if alternatives := schema.get("anyOf"):
        return sample(alternatives[0], schemas)
    if "$ref" in schema:
        return sample(schemas[schema["$ref"].rsplit("/", 1)[-1]], schemas)
    if "examples" in schema:
        return schema["examples"][0]
    if "properties" in schema:
        return {
            name: sample(schema["properties"][name], schemas)
            for name in schema["properties"]
            if name in schema["required"]
        }
    if schema["type"] == "array":
        return [sample(schema["items"], schemas)]
    if schema["type"] == "object":
        return {}
    return schema["enum"][0] if "enum" in schema else None


def name_of(schema: Any) -> str:
    """Return the name of a schema in the document, which is the name of its class."""
    made = schema if isinstance(schema, type) else type(schema)
    return made.__name__


def described(operation: Operation) -> Json:
    """Return the document's object for an operation. apispec resolves the schemas later."""
    answer = content(operation.answer, operation.response_example)
    headers = {"headers": {"Cache-Control": NO_STORE}} if operation.has_password else {}
    found: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.group],
        "summary": operation.title,
        "description": operation.text,
        "parameters": [path_parameter(name) for name in PATHS if f"{{{name}}}" in operation.path],
        "responses": {str(operation.status): {"description": "Done."} | answer | headers}
        | refusals(operation.all_reasons),
    }
    if operation.accepts_key:
        found["parameters"].append(dict(IDEMPOTENCY_KEY))
    if operation.query is not None:
        found["parameters"].append({"in": "query", "schema": operation.query})
    if operation.csv_example:
        file = {"schema": {"type": "string", "minLength": 1}, "example": operation.csv_example}
        found["requestBody"] = {"required": True, "content": {"text/csv": file}}
    if operation.body is not None:
        request = content(operation.body, operation.request_example)
        found["requestBody"] = {"required": operation.needs_body} | request
    return found


def content(schema: type[Schema], example: Json, kind: str = "application/json") -> dict[str, Json]:
    """Return the content of a request or response: its schema and an example."""
    return {"content": {kind: {"schema": schema} | ({"example": example} if example else {})}}


def with_headers(status: int, response: dict[str, Json]) -> dict[str, Json]:
    """Return the response with the headers of its status."""
    return response | ({"headers": HEADERS[status]} if status in HEADERS else {})


def path_parameter(name: str) -> dict[str, Json]:
    """Return the document's object for a path parameter."""
    description, schema, example = PATHS[name]
    return {"in": "path", "name": name, "description": description, "schema": schema, "example": example}


def refusals(reasons: tuple[str, ...]) -> dict[str, Json]:
    """Return one response for each status, with an example for each reason."""
    responses: dict[str, Json] = {}
    for status in sorted({status_of(reason) for reason in reasons}):
        examples = {reason: example_of(reason) for reason in dict.fromkeys(reasons) if status_of(reason) is status}
        response = {
            "description": f"{TITLES[status]}: {', '.join(f'`{reason}`' for reason in examples)}.",
            "content": {"application/problem+json": {"schema": Problem, "examples": examples}},
        }
        responses[str(status.value)] = with_headers(status, response)
    return responses


TITLES = {
    400: "The body is not valid JSON",
    401: "The admin key is missing or wrong",
    404: "Not found",
    409: "Not possible in the current state",
    413: "The body is too large",
    422: "Invalid values",
    429: "Too many wrong keys",
    500: "Internal error",
    502: "Auth refuses the call",
    503: "Temporarily unavailable; retry later",
}


def example_of(reason: str) -> Json:
    """Return an example of a problem document for a reason."""
    status, meaning = status_of(reason), REASONS[reason][1]
    value = {
        "type": f"urn:webhook-service:{reason}",
        "title": status.phrase,
        "status": status.value,
        "detail": meaning,
        "reason": reason,
    }
    return {"summary": meaning, "value": value}


def explain(schema: Json, words: dict[str, tuple[str, Json]]) -> None:
    """Add descriptions and examples to the properties that have no description yet."""
    for name, property in schema["properties"].items():
        if "description" not in property and name in words:
            property["description"], example = words[name]
            if "$ref" not in property:
                property["examples"] = [example]


def explain_parameter(parameter: Json) -> None:
    """Add the description and the example of a query parameter."""
    if parameter["in"] == "query":
        parameter["description"], parameter["example"] = FIELDS[parameter["name"]]
