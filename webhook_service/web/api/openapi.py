"""The admin API's document, OpenAPI 3.1: made from the schemas that take the requests and tell the answers."""

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
from webhook_service.web.api.operations import FIELDS, FIELDS_OF, OPERATIONS, PATHS, Operation
from webhook_service.web.api.reasons import REASONS, status_of
from webhook_service.web.api.schemas import Problem

ABOUT = """Keeps Supabase Auth and a company's employees table in step.

Every change of an auth user is an event, every change to be made in Auth an action; both are rows of the ledger. This
is how admins read the ledger, ask for events again, and create employees with a login.

Every request needs the header `Authorization: Bearer <ADMIN_API_KEY>`. A refusal is a problem document (RFC 9457) with
a stable `reason`. After a 503, ask again once the seconds of `Retry-After` are over."""

RETRY_AFTER = {"description": "Seconds after which to ask again.", "schema": {"type": "integer", "minimum": 0}}
AUTHENTICATE = {"description": "The scheme that is wanted.", "schema": {"type": "string", "const": "Bearer"}}
NO_STORE = {"description": "The password is for the caller alone.", "schema": {"type": "string", "const": "no-store"}}
HEADERS: dict[int, Json] = {
    201: {"Cache-Control": NO_STORE},
    401: {"WWW-Authenticate": AUTHENTICATE},
    503: {"Retry-After": RETRY_AFTER},
}


class Converter(OpenAPIConverter):
    """Knows our own kinds of fields too."""

    def init_attribute_functions(self) -> None:
        super().init_attribute_functions()  # type: ignore[no-untyped-call]
        self.attribute_functions.append(self.of_our_own)

    def of_our_own(self, field: Field[Any], ret: Json) -> Json:
        if isinstance(field, Timestamp):
            return {"type": "string", "format": "date-time"}
        if isinstance(field, Enum):
            return {"type": "string"}
        if isinstance(field, Cursor):  # text to callers, a number to us alone
            for name in ("minimum", "maximum", "default"):
                ret.pop(name, None)
            return {"type": "string", "pattern": "^[0-9]{1,19}$"}
        return {}


class Plugin(MarshmallowPlugin):
    Converter = Converter


def document() -> Json:
    """The document as JSON."""
    plugin = Plugin(schema_name_resolver=name_of)
    spec = APISpec(
        title="webhook-service: the admin API",
        version=version("webhook-service"),
        openapi_version="3.1.0",
        plugins=[plugin],
        info={"description": ABOUT, "license": {"name": "MIT", "identifier": "MIT"}},
        servers=[{"url": "/", "description": "This service."}],
        tags=[
            {"name": "Ledger", "description": "What came in, what became of it, and asking for it again."},
            {"name": "Employees", "description": "Employees together with their logins."},
        ],
        security=[{"adminKey": []}],
    )
    spec.components.security_scheme(
        "adminKey", {"type": "http", "scheme": "bearer", "description": "The setting ADMIN_API_KEY."}
    )
    for operation in OPERATIONS:
        spec.path(operation.path, operations={operation.method: described(operation)})
    written: Json = spec.to_dict()
    for name, schema in written["components"]["schemas"].items():
        explain(schema, FIELDS | FIELDS_OF.get(name, {}))
    for operation in (each for path in written["paths"].values() for each in path.values()):
        for parameter in operation["parameters"]:
            explain_parameter(parameter)
        for response in operation["responses"].values():
            if (answer := response["content"].get("application/json")) and "example" not in answer:
                answer["example"] = sample(answer["schema"], written["components"]["schemas"])
    return written


def sample(schema: Json, schemas: Json) -> Json:
    """A value of a schema, made of what its fields give as examples; null where they give none and may be null."""
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
    made = schema if isinstance(schema, type) else type(schema)
    return made.__name__


def described(operation: Operation) -> Json:
    """The operation, with schemas still to be resolved."""
    answer = content(operation.answer, operation.answered)
    reported: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.group],
        "summary": operation.title,
        "description": operation.text,
        "parameters": [path_parameter(name) for name in PATHS if f"{{{name}}}" in operation.path],
        "responses": {str(operation.status): with_headers(operation.status, {"description": "Done."} | answer)}
        | refusals(operation.all_reasons),
    }
    if operation.query is not None:
        reported["parameters"].append({"in": "query", "schema": operation.query})
    if operation.body is not None:
        reported["requestBody"] = {"required": operation.needs_body} | content(operation.body, operation.asked)
    return reported


def content(schema: type[Schema], example: Json, kind: str = "application/json") -> dict[str, Json]:
    return {"content": {kind: {"schema": schema} | ({"example": example} if example else {})}}


def with_headers(status: int, response: dict[str, Json]) -> dict[str, Json]:
    return response | ({"headers": HEADERS[status]} if status in HEADERS else {})


def path_parameter(name: str) -> dict[str, Json]:
    description, schema, example = PATHS[name]
    return {"in": "path", "name": name, "description": description, "schema": schema, "example": example}


def refusals(reasons: tuple[str, ...]) -> dict[str, Json]:
    """A response for each status, with the reasons for it as examples by name."""
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
    400: "The body is none",
    401: "Not authorized",
    404: "Not there",
    409: "Not possible as things are",
    413: "Too large",
    422: "Does not fit",
    500: "Trouble",
    502: "Auth refuses",
    503: "Ask again later",
}


def example_of(reason: str) -> Json:
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
    """Adds what is said of fields, where nothing is said yet."""
    for name, property in schema["properties"].items():
        if "description" not in property and name in words:
            property["description"], example = words[name]
            if "$ref" not in property:
                property["examples"] = [example]


def explain_parameter(parameter: Json) -> None:
    if parameter["in"] == "query":
        parameter["description"], parameter["example"] = FIELDS[parameter["name"]]
