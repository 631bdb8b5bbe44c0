"""POST /webhook/auth: where an event arrives. The whole trip reads off `receive`.

It stands before Flask, whose layers would cost more than the whole trip; any other request is Flask's.
"""

import json
import logging
import time
from collections.abc import Iterable
from datetime import datetime
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from webhook_service import handlers, payload, signature
from webhook_service.errors import BadPayload, PayloadTooLarge, WrongContentType
from webhook_service.events import Delivery, Result
from webhook_service.settings import Settings
from webhook_service.web import Wiring, errors

log = logging.getLogger(__name__)

PATH = "/webhook/auth"

HEADERS = {
    name: f"HTTP_{name.upper().replace('-', '_')}"
    for name in (
        signature.ID_HEADER,
        signature.TIMESTAMP_HEADER,
        signature.SIGNATURE_HEADER,
        signature.TOKEN_HEADER,
    )
}
"""What a delivery is verified by, {header: what WSGI calls it}."""


def before(others: WSGIApplication, wiring: Wiring) -> WSGIApplication:
    """The application of the webhook and, for any other request, `others`."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == PATH and environ["REQUEST_METHOD"] == "POST":
            return answer(environ, start_response, wiring)
        return others(environ, start_response)

    return application


def answer(environ: WSGIEnvironment, start_response: StartResponse, wiring: Wiring) -> Iterable[bytes]:
    """What became of a delivery, as HTTP, as one line of the log and as a count, whatever it was."""
    started = time.perf_counter()
    told: dict[str, object] = {}
    outcome = reason = None
    try:
        result = receive(environ, wiring, told)
        outcome, status = result.outcome, 200
        body = accepted(result)
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        chunks: Iterable[bytes] = (body,)
    except Exception as error:  # noqa: BLE001 (whatever it is: the sender gets a problem document)
        problem, reason = errors.answer_to(error)
        told["reason"], status = reason, problem.status_code
        chunks = problem(environ, start_response)
    seconds = time.perf_counter() - started
    log.info("delivery", extra=told | {"http_status": status, "ms": round(seconds * 1000, 1)})
    wiring.metrics.delivered(status, outcome, reason, seconds)
    return chunks


def receive(environ: WSGIEnvironment, wiring: Wiring, told: dict[str, object]) -> Result:
    """The trip of a delivery. What is known of it by then is left in `told`, also where the trip ends in an error."""
    settings = wiring.settings
    delivery = verified(read_body(environ, settings.max_body_bytes), environ, settings, now=wiring.now())
    told["event_id"] = delivery.event_id
    if not is_json(environ):
        raise WrongContentType("wrong_content_type", "The Content-Type must be application/json.")
    event = payload.parse(delivery, settings.policy.name_fields)
    told |= {"operation": event.operation, "auth_user_id": str(event.user.id)}
    work = handlers.decide(event, settings.policy)
    result = wiring.processor.process(work)
    told |= {"outcome": result.outcome, "status": result.status}
    return result


def read_body(environ: WSGIEnvironment, limit: int) -> bytes:
    """Raises PayloadTooLarge, BadPayload."""
    try:
        return get_input_stream(environ, max_content_length=limit).read()
    except RequestEntityTooLarge as error:
        raise PayloadTooLarge("too_large", f"The body is over {limit} bytes.") from error
    except (OSError, ClientDisconnected, ParseException) as error:  # a connection that broke; a chunk that is none
        raise BadPayload("unreadable", "The body could not be read to its end.") from error


def verified(body: bytes, environ: WSGIEnvironment, settings: Settings, *, now: datetime) -> Delivery:
    """By its signature; only where there is none, and a setting turns it on, by a static token. Raises BadSignature."""
    headers = {name: environ[key] for name, key in HEADERS.items() if key in environ}
    is_signed = signature.SIGNATURE_HEADER in headers
    if settings.static_token and not is_signed and signature.TOKEN_HEADER in headers:
        return signature.verify_token(settings.webhook_secrets, headers, body, now=now)
    return signature.verify(settings.webhook_secrets, headers, body, now=now)


def is_json(environ: WSGIEnvironment) -> bool:
    """With parameters or without, in any case."""
    media_type: str = environ.get("CONTENT_TYPE", "").partition(";")[0]
    return media_type.strip().lower() == "application/json"


def accepted(result: Result) -> bytes:
    return json.dumps({"event_id": result.event_id, "status": result.status, "outcome": result.outcome}).encode()
