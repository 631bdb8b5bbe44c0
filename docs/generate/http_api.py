"""The routes of the admin API, from its OpenAPI document."""

from docs.generate.markdown import code, table
from webhook_service.events import Json
from webhook_service.web.api.docs import kind, name_of
from webhook_service.web.api.openapi import document

COMMON = {"401", "429", "500", "503"}
"""The statuses that every route has. docs/reference/http.md describes them once."""


def sections() -> str:
    api = document()
    schemas = api["components"]["schemas"]
    return "\n\n".join(
        part
        for tag in api["tags"]
        for part in (
            f"## {tag['name']}",
            tag["description"],
            *(
                route(method, path, operation, schemas)
                for path, methods in api["paths"].items()
                for method, operation in methods.items()
                if tag["name"] in operation["tags"]
            ),
        )
    )


def route(method: str, path: str, operation: Json, schemas: Json) -> str:
    parameters = [
        (code(each["name"]), f"{each['in']}, {kind(each['schema'])}", each.get("description", ""))
        for each in operation["parameters"]
        if each["in"] == "query"
    ]
    fields = [
        (code(name), type_of(field), field.get("description", ""))
        for name, field in body_of(operation, schemas).get("properties", {}).items()
    ]
    answers = [
        (status, answer["description"]) for status, answer in operation["responses"].items() if status not in COMMON
    ]
    parts = [f"### {operation['summary']}", code(f"{method.upper()} {path}"), operation["description"]]
    if parameters or fields:
        parts.append(table(("parameter", "type", "meaning"), [*parameters, *fields]))
    return "\n\n".join([*parts, table(("status", "meaning"), answers)])


def body_of(operation: Json, schemas: Json) -> Json:
    """Return the schema of a JSON body, or {} without one."""
    media = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if media is None:
        return {}
    schema = media["schema"]
    return schemas[name_of(schema)] if "$ref" in schema else schema


def type_of(field: Json) -> str:
    if alternatives := field.get("anyOf"):
        return f"{kind(alternatives[0])} or null"
    return kind(field)
