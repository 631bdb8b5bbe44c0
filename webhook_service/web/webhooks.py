"""POST /webhook/auth: where an event arrives. The whole trip reads off `receive`."""

import logging
import time
from datetime import datetime

from flask import Blueprint, Response, current_app, g, jsonify, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import RequestEntityTooLarge

from webhook_service import handlers, payload, signature
from webhook_service.errors import BadPayload, PayloadTooLarge, WrongContentType
from webhook_service.events import Delivery
from webhook_service.settings import Settings
from webhook_service.web import Wiring

log = logging.getLogger(__name__)


def blueprint(wiring: Wiring) -> Blueprint:
    webhooks = Blueprint("webhooks", __name__)
    settings = wiring.settings

    @webhooks.post("/webhook/auth")
    def receive() -> Response:
        delivery = verified(read_body(), settings, now=wiring.now())
        g.told = {"event_id": delivery.event_id}
        if request.mimetype != "application/json":
            raise WrongContentType("wrong_content_type", "The Content-Type must be application/json.")
        event = payload.parse(delivery, settings.policy.name_fields)
        g.told |= {"operation": event.operation, "auth_user_id": str(event.user.id)}
        work = handlers.decide(event, settings.policy)
        result = wiring.processor.process(work)
        g.told |= {"outcome": result.outcome, "status": result.status}
        return jsonify(event_id=result.event_id, status=result.status, outcome=result.outcome)

    @webhooks.before_request
    def start_the_clock() -> None:
        g.started = time.perf_counter()

    @webhooks.after_request
    def tell(response: Response) -> Response:
        """One line for each delivery, whatever became of it."""
        told = g.get("told", {}) | {"http_status": response.status_code}
        if "reason" in g:
            told |= {"reason": g.reason}
        seconds = time.perf_counter() - g.started
        log.info("delivery", extra=told | {"ms": round(seconds * 1000, 1)})
        if request.method == "POST":  # Flask answers OPTIONS, too
            wiring.metrics.delivered(response.status_code, told.get("outcome"), g.get("reason"), seconds)
        return response

    return webhooks


def read_body() -> bytes:
    try:
        return request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        limit = current_app.config["MAX_CONTENT_LENGTH"]
        raise PayloadTooLarge("too_large", f"The body is over {limit} bytes.") from error
    except (OSError, ParseException) as error:  # a connection that broke; a chunk that is none
        raise BadPayload("unreadable", "The body could not be read to its end.") from error


def verified(body: bytes, settings: Settings, *, now: datetime) -> Delivery:
    """By its signature; only where there is none, and a setting turns it on, by a static token. Raises BadSignature."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    is_signed = signature.SIGNATURE_HEADER in headers
    if settings.static_token and not is_signed and signature.TOKEN_HEADER in headers:
        return signature.verify_token(settings.webhook_secrets, headers, body, now=now)
    return signature.verify(settings.webhook_secrets, headers, body, now=now)
