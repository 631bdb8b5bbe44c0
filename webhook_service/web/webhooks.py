"""POST /webhook/auth: where an event arrives. Its whole trip reads off `receive`.

The view runs under any WSGI server. `server.asgi` takes the same steps in an event loop, and merges events that arrive
together into one call of the database.
"""

import json
import logging
import time
from collections.abc import Mapping
from datetime import datetime

from flask import Blueprint, Response, request

from webhook_service import handlers, payload, signature
from webhook_service.errors import WrongContentType
from webhook_service.events import Delivery, Result, Work
from webhook_service.processing import process
from webhook_service.settings import Settings
from webhook_service.web import Answer, Wiring, errors
from webhook_service.web.bodies import read_body

log = logging.getLogger(__name__)

PATH = "/webhook/auth"

CONTENT_TYPE = "content-type"
HEADERS = (
    signature.ID_HEADER,
    signature.TIMESTAMP_HEADER,
    signature.SIGNATURE_HEADER,
    signature.TOKEN_HEADER,
    CONTENT_TYPE,
)
"""All headers that a delivery is judged by."""


def blueprint(wiring: Wiring) -> Blueprint:
    webhooks = Blueprint("webhooks", __name__)
    settings = wiring.settings

    @webhooks.post(PATH)
    def receive() -> Response:
        """The trip of a delivery: read the body, verify, parse, decide, apply, answer."""
        trip = Trip(wiring)
        try:
            body = read_body(request.environ, settings.max_body_bytes)
            headers = {name: request.headers[name] for name in HEADERS if name in request.headers}
            work = trip.decide(body, headers)
            answer = trip.accepted(process(wiring.database, work, settings.policy))
        except Exception as error:  # noqa: BLE001 (whatever it is: the sender gets a problem document)
            answer = trip.refused(error)
        return Response(answer.body, answer.status, list(answer.headers))

    return webhooks


class Trip:
    """A delivery from its arrival to its answer, which is also one line in the log and one count in the metrics."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._started = time.perf_counter()
        self._known: dict[str, object] = {}  # what the log line says, as far as the trip has come

    def decide(self, body: bytes, headers: Mapping[str, str]) -> Work:
        """`headers`: those of HEADERS that the request has. Raises BadSignature, WrongContentType, BadPayload,
        InvalidPayload.
        """
        settings = self._wiring.settings
        delivery = verified(body, headers, settings, now=self._wiring.now())
        self._known["event_id"] = delivery.event_id
        if not is_json(headers):
            raise WrongContentType("wrong_content_type", "The Content-Type must be application/json.")
        event = payload.parse(delivery, settings.policy.name_fields)
        self._known |= {"operation": event.operation, "auth_user_id": str(event.user.id)}
        return handlers.decide(event, settings.policy)

    def accepted(self, result: Result) -> Answer:
        self._known |= {"outcome": result.outcome, "status": result.status}
        body = json.dumps({"event_id": result.event_id, "status": result.status, "outcome": result.outcome}).encode()
        self._note(200, result.outcome, None)
        return Answer(200, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))], body)

    def refused(self, error: Exception) -> Answer:
        problem, reason = errors.answer_to(error)
        self._known["reason"] = reason
        self._note(problem.status_code, None, reason)
        return Answer(problem.status_code, list(problem.headers.items()), problem.get_data())

    def _note(self, status: int, outcome: str | None, reason: str | None) -> None:
        seconds = time.perf_counter() - self._started
        log.info("delivery", extra=self._known | {"http_status": status, "ms": round(seconds * 1000, 1)})
        self._wiring.metrics.delivered(status, outcome, reason, seconds)


def verified(body: bytes, headers: Mapping[str, str], settings: Settings, *, now: datetime) -> Delivery:
    """By its signature; only where there is none, and a setting turns it on, by a static token. Raises BadSignature."""
    is_signed = signature.SIGNATURE_HEADER in headers
    if settings.static_token and not is_signed and signature.TOKEN_HEADER in headers:
        return signature.verify_token(settings.webhook_secrets, headers, body, now=now)
    return signature.verify(settings.webhook_secrets, headers, body, now=now)


def is_json(headers: Mapping[str, str]) -> bool:
    """With parameters or without, in any case."""
    media_type = headers.get(CONTENT_TYPE, "").partition(";")[0]
    return media_type.strip().lower() == "application/json"
