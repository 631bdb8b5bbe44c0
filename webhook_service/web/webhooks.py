"""The route POST /webhook/auth, which receives the events of Auth. `receive` shows all steps of a delivery.

The view runs under any WSGI server. `server.asgi` performs the same steps in an event loop, and merges events that
arrive at the same time into one database call.
"""

import json
import logging
import time
from collections.abc import Mapping
from datetime import datetime

from flask import Blueprint, Response, request

from webhook_service.errors import WrongContentType
from webhook_service.events import Delivery, Result, Work
from webhook_service.inbound import handlers, payload, signature
from webhook_service.inbound.processing import process
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
"""All headers that affect a delivery."""


def blueprint(wiring: Wiring) -> Blueprint:
    webhooks = Blueprint("webhooks", __name__)
    settings = wiring.settings

    @webhooks.post(PATH)
    def receive() -> Response:
        """Process a delivery: read the body, verify, parse, decide, apply, answer."""
        trip = Trip(wiring)
        try:
            body = read_body(request.environ, settings.max_body_bytes)
            headers = {name: request.headers[name] for name in HEADERS if name in request.headers}
            work = trip.decide(body, headers)
            answer = trip.accepted(process(wiring.database, work, settings.policy))
        except Exception as error:  # noqa: BLE001 (after any error, the sender gets a problem document)
            answer = trip.refused(error)
        return Response(answer.body, answer.status, list(answer.headers))

    return webhooks


class Trip:
    """A delivery from its arrival to its response. It writes one log line, and counts once in the metrics."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._started = time.perf_counter()
        self._fields: dict[str, object] = {}  # the known fields of the log line

    def decide(self, body: bytes, headers: Mapping[str, str]) -> Work:
        """Verify and parse the delivery, and decide which work it causes.

        `headers` holds the request's headers whose names are in HEADERS, with names in lower case. Raises BadSignature,
        WrongContentType, BadPayload or InvalidPayload.
        """
        settings = self._wiring.settings
        delivery = verified(body, headers, settings, now=self._wiring.now())
        self._fields["event_id"] = delivery.event_id
        if not is_json(headers):
            raise WrongContentType("wrong_content_type", "The Content-Type must be application/json.")
        event = payload.parse(delivery, settings.policy.name_fields)
        self._fields |= {"operation": event.operation, "auth_user_id": str(event.user.id)}
        return handlers.decide(event, settings.policy)

    def accepted(self, result: Result) -> Answer:
        """Return the 200 response for a result. Write the log line, and count the delivery."""
        self._fields |= {"outcome": result.outcome, "status": result.status}
        body = json.dumps({"event_id": result.event_id, "status": result.status, "outcome": result.outcome}).encode()
        self._note(200, result.outcome, None)
        return Answer(200, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))], body)

    def refused(self, error: Exception) -> Answer:
        """Return the problem document for an error. Write the log line, and count the delivery."""
        problem, reason = errors.answer_to(error)
        self._fields["reason"] = reason
        self._note(problem.status_code, None, reason)
        return Answer(problem.status_code, list(problem.headers.items()), problem.get_data())

    def _note(self, status: int, outcome: str | None, reason: str | None) -> None:
        seconds = time.perf_counter() - self._started
        log.info("delivery", extra=self._fields | {"http_status": status, "ms": round(seconds * 1000, 1)})
        self._wiring.metrics.delivered(status, outcome, reason, seconds)


def verified(body: bytes, headers: Mapping[str, str], settings: Settings, *, now: datetime) -> Delivery:
    """Verify the signature of a delivery. Raises BadSignature.

    With WEBHOOK_STATIC_TOKEN=on, the token of a delivery without a signature is verified instead.
    """
    is_signed = signature.SIGNATURE_HEADER in headers
    if settings.static_token and not is_signed and signature.TOKEN_HEADER in headers:
        return signature.verify_token(settings.webhook_secrets, headers, body, now=now)
    return signature.verify(settings.webhook_secrets, headers, body, now=now)


def is_json(headers: Mapping[str, str]) -> bool:
    """Return whether the media type is application/json. Letter case and parameters do not matter."""
    media_type = headers.get(CONTENT_TYPE, "").partition(";")[0]
    return media_type.strip().lower() == "application/json"
