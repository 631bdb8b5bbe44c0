"""Serves the OpenAPI document of the admin API, and a page that shows the document.

The routes are GET /admin/api/openapi.json and GET /admin/api/docs. They need no key, because the document contains only
public source text, and because tools that read it (generators of clients, contract tests) do not send a key.
"""

import json
import re
from pathlib import Path

from flask import Blueprint, Response, render_template, send_from_directory
from markupsafe import Markup, escape

from webhook_service.events import Json
from webhook_service.web import Wiring
from webhook_service.web.api.openapi import document
from webhook_service.web.api.openapi import name_of as name_of_schema
from webhook_service.web.api.operations import OPERATIONS

POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of the page. It forbids content of other hosts and inline code."""
REQUEST_SCHEMAS = frozenset(name_of_schema(each.body) for each in OPERATIONS if each.body)
"""The schemas of request bodies. The page marks required fields only in these."""
STATIC = Path(__file__).parents[1] / "static"


def blueprint(wiring: Wiring) -> Blueprint:
    docs = Blueprint("api_docs", __name__, url_prefix="/admin/api")
    # The Host header may be anybody's text.
    address = wiring.settings.pages.public_url or "$PUBLIC_URL"

    @docs.get("/openapi.json")
    def openapi() -> Response:
        return Response(json.dumps(document()), content_type="application/json")

    @docs.get("/docs")
    def page() -> tuple[str, dict[str, str]]:
        names = {"kind": kind, "name_of": name_of, "words": words, "pretty": pretty, "request_schemas": REQUEST_SCHEMAS}
        api = document()
        text = render_template("api_docs.html", api=api, schemas=api["components"]["schemas"], address=address, **names)
        return text, {"Content-Security-Policy": POLICY}

    @docs.get("/docs/api_docs.css")
    def style() -> Response:
        return send_from_directory(STATIC, "api_docs.css")

    @docs.after_request
    def harden(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return docs


def kind(schema: Json) -> str:
    """Return the type of a schema in words, such as `integer or null`."""
    if "$ref" in schema:
        return name_of(schema)
    types = schema.get("type", "any")
    words = " or ".join(types) if isinstance(types, list) else str(types)
    if schema.get("type") == "array":
        return f"list of {kind(schema['items'])}"
    return f"{words} ({schema['format']})" if "format" in schema else words


def name_of(schema: Json) -> str:
    """Return the name of the schema that a `$ref` refers to."""
    return str(schema["$ref"].rsplit("/", 1)[-1])


def pretty(example: Json) -> str:
    """Format an example as indented JSON."""
    return json.dumps(example, indent=2, ensure_ascii=False)


def words(text: str) -> Markup:
    """Convert a text of the document to HTML, with `<code>` for parts between backticks."""
    parts = re.split(r"`([^`]*)`", text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )
