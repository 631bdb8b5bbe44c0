"""Deliveries for tests, with signed payloads as Supabase's webhooks post them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from webhook_service.auth.stand_in_users import auth_user
from webhook_service.demo.traffic import body_of
from webhook_service.events import Json
from webhook_service.inbound import signature

SECRET = "whsec_dGVzdC1zZWNyZXQtdGVzdC1zZWNyZXQtdGVzdC1zZWNyZXQ="
EPOCH = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CONFIRMED = EPOCH.isoformat()
JANE = UUID("7d9c1a52-5a0e-4c5b-9f3a-2f6d0c1b8e11")
CANARY = "canary@example.com"
"""Personal data in a wrong place, which no error may quote."""


def row(user_id: UUID = JANE, /, *, at: int = 0, **columns: Json) -> dict[str, Json]:
    """A whole row of auth.users whose `updated_at` is `at` seconds after EPOCH."""
    moment = (EPOCH + timedelta(seconds=at)).isoformat()
    return auth_user(str(user_id)) | {"created_at": CONFIRMED, "updated_at": moment} | columns


def insert(user_id: UUID = JANE, /, *, at: int = 0, **columns: Json) -> dict[str, Json]:
    return {
        "type": "INSERT",
        "schema": "auth",
        "table": "users",
        "record": row(user_id, at=at, **columns),
        "old_record": None,
    }


def update(user_id: UUID = JANE, /, *, at: int = 0, **columns: Json) -> dict[str, Json]:
    return insert(user_id, at=at, **columns) | {"type": "UPDATE", "old_record": row(user_id)}


def delete(user_id: UUID = JANE, /, *, at: int = 0, **columns: Json) -> dict[str, Json]:
    """A DELETE. `at` is the time of the row's last update, because Auth does not update a row that it deletes."""
    return insert() | {"type": "DELETE", "record": None, "old_record": row(user_id, at=at, **columns)}


def headers_for(body: bytes, event_id: str | None = None, *, now: datetime | None = None) -> dict[str, str]:
    """The signed headers and the Content-Type."""
    signed = signature.sign(
        signature.parse_secrets(SECRET)[0], event_id or f"evt-{uuid4()}", body, now=now or datetime.now(UTC)
    )
    return signed | {"Content-Type": "application/json"}


def post(client: FlaskClient, payload: Json, event_id: str | None = None) -> TestResponse:
    """Post a payload with a valid signature."""
    body = body_of(payload)
    return client.post("/webhook/auth", data=body, headers=headers_for(body, event_id))


def outcome_of(response: TestResponse) -> Any:
    """The outcome of an accepted event, or the reason of a refused event."""
    answer: Mapping[str, Any] = response.get_json()
    return answer.get("outcome", answer.get("reason"))
