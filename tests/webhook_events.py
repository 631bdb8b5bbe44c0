"""The event of a webhook's payload, and the work that it causes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.auth_traffic import EPOCH
from webhook_service.demo.traffic import body_of
from webhook_service.events import AuthEvent, Delivery, Json, Work
from webhook_service.inbound.handlers import decide
from webhook_service.inbound.payload import parse
from webhook_service.policy import Policy

NAME_FIELDS = Policy().name_fields


def parse_bytes(
    body: bytes, name_fields: Mapping[str, str] = NAME_FIELDS, *, event_id: str = "evt-1", sent_at: datetime = EPOCH
) -> AuthEvent:
    return parse(Delivery(event_id, sent_at, body), name_fields)


def posted(event: Mapping[str, Any]) -> AuthEvent:
    """The event that pg_net posts now: {event_id, body}."""
    return parse_bytes(event["body"].encode(), event_id=event["event_id"], sent_at=datetime.now(UTC))


def parsed(webhook: Json, name_fields: Mapping[str, str] = NAME_FIELDS, *, event_id: str = "evt-1") -> AuthEvent:
    return parse_bytes(body_of(webhook), name_fields, event_id=event_id)


def work_of(webhook: Json, event_id: str) -> Work:
    """The work that the service decides for a webhook's payload."""
    return decide(parsed(webhook, event_id=event_id), Policy())
