"""Step 2: Delivery -> AuthEvent. This step drops columns that are not mapped, before a value is stored or logged.

A payload has one of two forms. A Supabase database webhook sends `{type, table, schema, record, old_record}` with whole
rows of `auth.users`. This service's trigger sends the same keys and a `version`, with only the mapped columns.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from marshmallow import ValidationError

from webhook_service.addresses import INVISIBLE
from webhook_service.errors import InvalidPayload
from webhook_service.events import AuthEvent, AuthUser, Delivery, Json, Operation
from webhook_service.inbound.schema import EVENT_SCHEMA, STATE_SCHEMA
from webhook_service.inbound.strict_json import read_json

LONGEST_NAME = 255
"""The maximum length of a name or employee number, in characters. Longer values are ignored."""

FUTURE_TOLERANCE = timedelta(days=1)
"""The largest time by which a version or `updated_at` may be ahead of the signed time of its delivery. A clock in the
wrong time zone is ahead by up to 14 hours. With a greater version, all later events of the user would be stale."""

EPOCH = datetime.fromtimestamp(0, UTC)
RANK = {Operation.INSERT: 0, Operation.UPDATE: 1, Operation.DELETE: 2}


def parse(delivery: Delivery, name_fields: Mapping[str, str]) -> AuthEvent:
    """Parse a delivery into an event. No other function makes an AuthEvent from bytes.

    `name_fields` is {employees column: key in raw_user_meta_data}. Raises BadPayload if the body is not JSON, and
    InvalidPayload if it is not an event of `auth.users`, or if its version is far in the future.
    """
    event = event_of(delivery.event_id, read_json(delivery.body), name_fields, sent_at=delivery.sent_at)
    if event.version > version_at(delivery.sent_at + FUTURE_TOLERANCE):
        raise InvalidPayload("invalid_payload", "version: Is far in the future.")
    return event


def event_of(event_id: str, payload: Json, name_fields: Mapping[str, str], *, sent_at: datetime) -> AuthEvent:
    """Convert a JSON payload into an event. `sent_at` is the time of deletion if the row has none.

    Raises InvalidPayload.
    """
    data = loaded(payload)
    operation = data["type"]
    row = data["old_record"] if operation is Operation.DELETE else data["record"]
    user = user_of(row, name_fields)
    if operation is Operation.DELETE and user.deleted_at is None:
        user = without_identity(replace(user, deleted_at=sent_at))
    version = data["version"] if data["version"] is not None else version_of(operation, row, sent_at)
    return AuthEvent(event_id, operation, version, user)


def loaded(payload: Json) -> dict[str, Any]:
    """Validate a payload with its schema. Raises InvalidPayload, which lists all errors."""
    try:
        data: dict[str, Any] = EVENT_SCHEMA.load(payload)
    except ValidationError as error:
        raise InvalidPayload("invalid_payload", describe(error.messages_dict)) from None
    return data


def user_of(row: Mapping[str, Any], name_fields: Mapping[str, str]) -> AuthUser:
    """Return the mapped state of a validated row of `auth.users`. Usable texts are stripped."""
    app_metadata, user_metadata = as_object(row["raw_app_meta_data"]), as_object(row["raw_user_meta_data"])
    number = app_metadata.get("employee_number")
    names = {column: usable_text(user_metadata.get(key)) for column, key in name_fields.items()}
    user = AuthUser(
        id=UUID(row["id"]),
        email=(row["email"] or "").strip(INVISIBLE) or None,
        email_confirmed=row["email_confirmed_at"] is not None,
        employee_number=usable_text(str(number).strip(INVISIBLE) if type(number) in (int, str) else None),
        is_anonymous=bool(row["is_anonymous"]),
        banned_until=row["banned_until"],
        deleted_at=row["deleted_at"],
        names={column: name for column, name in names.items() if name is not None},
    )
    return user if user.deleted_at is None else without_identity(user)


def as_object(metadata: Json) -> Mapping[str, Json]:
    """Return the metadata if it is an object, and otherwise {}."""
    return metadata if isinstance(metadata, dict) else {}


def usable_text(value: Json) -> str | None:
    """Return the stripped text, or None if the value is blank, too long or not a text. Metadata may hold any JSON."""
    text = value.strip() if isinstance(value, str) else ""
    return text if 0 < len(text) <= LONGEST_NAME else None


def without_identity(user: AuthUser) -> AuthUser:
    """Return the user without e-mail, employee number and names, which a deleted user must not keep."""
    return replace(user, email=None, email_confirmed=False, employee_number=None, names={})


def version_of(operation: Operation, row: Mapping[str, Any], sent_at: datetime) -> int:
    """Return the version of an event of a Supabase database webhook, whose payload has no version.

    The version is that of `updated_at`, plus the rank of the operation. The rank is needed because a DELETE has the
    `updated_at` of the last UPDATE, and because an UPDATE by hand does not change `updated_at`. The signed time
    replaces an `updated_at` far in the future, which a row written by hand may have.
    """
    moment: datetime = row["updated_at"] or row["created_at"] or EPOCH
    return version_at(moment if moment - sent_at <= FUTURE_TOLERANCE else sent_at) + RANK[operation]


def version_at(moment: datetime) -> int:
    """Return a time as a version: microseconds since 1970, times four. The SQL is in auth_sync_version_at_v1."""
    return max(0, (moment - EPOCH) // timedelta(microseconds=1)) * 4


def describe(messages: Mapping[str, Any], path: str = "") -> str:
    """Join marshmallow's messages into one text. The messages name fields, never values."""
    parts = []
    for key, value in messages.items():
        name = f"{path}.{key}" if path else str(key)
        parts.append(describe(value, name) if isinstance(value, dict) else f"{name}: {' '.join(map(str, value))}")
    return " ".join(parts)


def to_request_data(user: AuthUser) -> dict[str, Json]:
    """Return the mapped state in the form that the ledger stores in `request_data`."""
    return {
        "email": user.email,
        "email_confirmed": user.email_confirmed,
        "employee_number": user.employee_number,
        "is_anonymous": user.is_anonymous,
        "banned_until": user.banned_until and user.banned_until.isoformat(),
        "deleted_at": user.deleted_at and user.deleted_at.isoformat(),
        "names": dict(user.names),
    }


def from_ledger(row: Mapping[str, Json], name_fields: Mapping[str, str]) -> AuthEvent:
    """Convert a ledger row {event_id, operation, version, auth_user_id, request_data} into its event.

    `request_data` is the payload if the row was captured, and otherwise the mapped state. An event with
    `keeps_names`, which a first reconcile enters, has no names. Raises InvalidPayload.
    """
    if isinstance(row["request_data"], dict) and "type" in row["request_data"]:
        if row["request_data"].get("keeps_names") is True:
            name_fields = {}
        return event_of(row["event_id"], row["request_data"], name_fields, sent_at=EPOCH)
    try:
        user = AuthUser(id=UUID(row["auth_user_id"] or ""), **STATE_SCHEMA.load(row["request_data"]))
    except ValidationError as error:
        raise InvalidPayload("invalid_payload", describe(error.messages_dict)) from None
    except ValueError:
        raise InvalidPayload("invalid_payload", "auth_user_id: Missing data for required field.") from None
    return AuthEvent(row["event_id"], Operation(row["operation"]), row["version"], user)
