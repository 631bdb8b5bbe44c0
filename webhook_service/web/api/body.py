"""The JSON body of a request to the admin API."""

from flask import current_app, request

from webhook_service.events import Json
from webhook_service.inbound.strict_json import read_json
from webhook_service.web.bodies import read_body

PARSED = "webhook_service.json_body"
"""The key of the body in the WSGI environment, because the stream can be read only once."""


def json_body() -> Json:
    """Return the JSON body of the request, or {} if the body is empty. Raises BadPayload or PayloadTooLarge."""
    if PARSED not in request.environ:
        body = read_body(request.environ, current_app.config["MAX_CONTENT_LENGTH"])
        request.environ[PARSED] = read_json(body) if body else {}
    return request.environ[PARSED]
