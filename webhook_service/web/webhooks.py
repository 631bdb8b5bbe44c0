"""POST /webhook/auth: where an event arrives. The whole trip reads off `receive`.

It runs in the event loop, before Flask, whose layers would cost more than the trip; `web.gateway` leads here.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from webhook_service import handlers, payload, signature
from webhook_service.errors import WrongContentType
from webhook_service.events import Delivery, Result
from webhook_service.quick_json import write_json
from webhook_service.settings import Settings
from webhook_service.web import Wiring, errors

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
"""All that a delivery is judged by, beside its body."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request for us: those of HEADERS that it has; reading its body raises PayloadTooLarge, BadPayload."""

    headers: Mapping[str, str]
    read: Callable[[], Awaitable[bytes]]


class Answer(NamedTuple):
    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


async def answer(arrival: Arrival, wiring: Wiring) -> Answer:
    """What became of a delivery, as HTTP, as one line of the log and as a count, whatever it was."""
    started = time.perf_counter()
    told: dict[str, object] = {}
    outcome = reason = None
    try:
        result = await receive(arrival, wiring, told)
        outcome = result.outcome
        answered = accepted(result)
    except Exception as error:  # noqa: BLE001 (whatever it is: the sender gets a problem document)
        problem, reason = errors.answer_to(error)
        told["reason"] = reason
        answered = Answer(problem.status_code, list(problem.headers.items()), problem.get_data())
    seconds = time.perf_counter() - started
    log.info("delivery", extra=told | {"http_status": answered.status, "ms": round(seconds * 1000, 1)})
    wiring.metrics.delivered(answered.status, outcome, reason, seconds)
    return answered


async def receive(arrival: Arrival, wiring: Wiring, told: dict[str, object]) -> Result:
    """The trip of a delivery. What is known of it by then is left in `told`, also where the trip ends in an error."""
    settings = wiring.settings
    delivery = verified(await arrival.read(), arrival.headers, settings, now=wiring.now())
    told["event_id"] = delivery.event_id
    if not is_json(arrival.headers):
        raise WrongContentType("wrong_content_type", "The Content-Type must be application/json.")
    event = payload.parse(delivery, settings.policy.name_fields)
    told |= {"operation": event.operation, "auth_user_id": str(event.user.id)}
    work = handlers.decide(event, settings.policy)
    result = await wiring.processor.process(work)
    told |= {"outcome": result.outcome, "status": result.status}
    return result


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


def accepted(result: Result) -> Answer:
    body = write_json({"event_id": result.event_id, "status": result.status, "outcome": result.outcome})
    return Answer(200, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))], body)
