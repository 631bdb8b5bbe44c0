"""Step 2: Delivery -> AuthEvent. What is not mapped is dropped here, before anything is stored or logged.

Takes the payload of a Supabase database webhook, `{type, table, schema, record, old_record}` with whole rows of
`auth.users`, and the same with a `version` and only the columns we map, as our trigger captures it.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate, validates_schema

from webhook_service.errors import InvalidPayload
from webhook_service.events import AuthEvent, AuthUser, Delivery, Json, Operation
from webhook_service.strict_json import read_json

LONGEST_NAME = 255
"""Characters of a name or employee number; longer ones are not taken."""

MAX_VERSION = 2**63 - 1
EPOCH = datetime.fromtimestamp(0, UTC)
RANK = {Operation.INSERT: 0, Operation.UPDATE: 1, Operation.DELETE: 2}
# What Python's datetime cannot hold, as PostgreSQL writes it.
WRITTEN = r"-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9:.]+[+-][0-9:]+"
BEYOND = re.compile("[0-9]{5,6}" + WRITTEN)
BEFORE_CHRIST = re.compile("[0-9]{4,6}" + WRITTEN + " BC")

# As PostgreSQL writes it. Python's UUID also reads 0x..., signs, blanks and underscores.
UUID_TEXT = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z"


class Timestamp(fields.Field[datetime]):
    """A timestamptz as PostgreSQL writes it in JSON: ISO 8601 with an offset, +-infinity, years over 9999 and BC.

    What Python cannot hold becomes the last or first moment that it can.
    """

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if not isinstance(value, str):
            raise ValidationError("Not a timestamp.")
        if value == "infinity" or BEYOND.fullmatch(value):
            return datetime.max.replace(tzinfo=UTC)
        if value == "-infinity" or BEFORE_CHRIST.fullmatch(value):
            return datetime.min.replace(tzinfo=UTC)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValidationError("Not a timestamp.") from None
        offset = moment.utcoffset()
        if offset is None:
            raise ValidationError("Has no time zone.")
        if abs(offset) >= timedelta(hours=16) or offset.microseconds:  # PostgreSQL has none
            raise ValidationError("Not a timestamp.")
        return moment


class UserSchema(Schema):
    """The columns of `auth.users` that we map. Whatever a user can write themselves must not make an event fail."""

    class Meta:
        unknown = EXCLUDE

    id = fields.String(required=True, validate=validate.Regexp(UUID_TEXT, error="Not a valid UUID."))
    email = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=1000))
    email_confirmed_at = Timestamp(load_default=None, allow_none=True)
    is_anonymous = fields.Boolean(load_default=False, allow_none=True)
    banned_until = Timestamp(load_default=None, allow_none=True)
    deleted_at = Timestamp(load_default=None, allow_none=True)
    created_at = Timestamp(load_default=None, allow_none=True)
    updated_at = Timestamp(load_default=None, allow_none=True)
    raw_app_meta_data = fields.Raw(load_default=None, allow_none=True)
    raw_user_meta_data = fields.Raw(load_default=None, allow_none=True)


class EventSchema(Schema):
    """A row event of `auth.users`."""

    class Meta:
        unknown = EXCLUDE

    type = fields.Enum(Operation, required=True)
    schema = fields.String(required=True, validate=validate.Equal("auth"))
    table = fields.String(required=True, validate=validate.Equal("users"))
    version = fields.Integer(strict=True, load_default=None, validate=validate.Range(0, MAX_VERSION))
    record = fields.Nested(UserSchema, load_default=None, allow_none=True)
    old_record = fields.Nested(UserSchema, load_default=None, allow_none=True)

    @validates_schema
    def has_the_half_it_needs(self, data: dict[str, Any], **kwargs: Any) -> None:
        needed = "old_record" if data["type"] is Operation.DELETE else "record"
        if data[needed] is None:
            raise ValidationError(f"A {data['type']} needs it.", needed)


class StateSchema(Schema):
    """The mapped state of an auth user as `to_request_data` writes it."""

    email = fields.String(required=True, allow_none=True)
    email_confirmed = fields.Boolean(required=True)
    employee_number = fields.String(required=True, allow_none=True)
    is_anonymous = fields.Boolean(required=True)
    banned_until = Timestamp(required=True, allow_none=True)
    deleted_at = Timestamp(required=True, allow_none=True)
    names = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


EVENT_SCHEMA = EventSchema()
STATE_SCHEMA = StateSchema()


def parse(delivery: Delivery, name_fields: Mapping[str, str]) -> AuthEvent:
    """The only way from bytes to an AuthEvent. `name_fields` is {employees column: key in raw_user_meta_data}.

    Raises BadPayload for what is not JSON, InvalidPayload for what is not an event of `auth.users`.
    """
    return event_of(delivery.event_id, read_json(delivery.body), name_fields, sent_at=delivery.sent_at)


def event_of(event_id: str, payload: Json, name_fields: Mapping[str, str], *, sent_at: datetime) -> AuthEvent:
    """A payload -> the event it is. `sent_at` is when a user was deleted whose row does not say it."""
    try:
        data = EVENT_SCHEMA.load(payload)
    except ValidationError as error:
        raise InvalidPayload("invalid_payload", describe(error.messages_dict)) from None
    operation = data["type"]
    row = data["old_record"] if operation is Operation.DELETE else data["record"]
    user = user_of(row, name_fields)
    if operation is Operation.DELETE and user.deleted_at is None:
        user = without_identity(replace(user, deleted_at=sent_at))
    version = data["version"] if data["version"] is not None else version_of(operation, row)
    return AuthEvent(event_id, operation, version, user)


def user_of(row: Mapping[str, Any], name_fields: Mapping[str, str]) -> AuthUser:
    """A loaded row of `auth.users` -> its mapped state."""
    app_metadata, user_metadata = (
        metadata if isinstance(metadata, dict) else {}
        for metadata in (row["raw_app_meta_data"], row["raw_user_meta_data"])
    )
    number = app_metadata.get("employee_number")
    names = {column: usable_text(user_metadata.get(key)) for column, key in name_fields.items()}
    user = AuthUser(
        id=UUID(row["id"]),
        email=(row["email"] or "").strip() or None,
        email_confirmed=row["email_confirmed_at"] is not None,
        employee_number=usable_text(str(number) if type(number) is int else number),
        is_anonymous=bool(row["is_anonymous"]),
        banned_until=row["banned_until"],
        deleted_at=row["deleted_at"],
        names={column: name for column, name in names.items() if name is not None},
    )
    return user if user.deleted_at is None else without_identity(user)


def usable_text(value: Json) -> str | None:
    """Metadata may hold anything; only a text that says something is taken."""
    text = value.strip() if isinstance(value, str) else ""
    return text if 0 < len(text) <= LONGEST_NAME else None


def without_identity(user: AuthUser) -> AuthUser:
    return replace(user, email=None, email_confirmed=False, employee_number=None, names={})


def version_of(operation: Operation, row: Mapping[str, Any]) -> int:
    """Orders the events of one user where the sender gives no version: microseconds of `updated_at`, times four, plus
    the rank of the operation, because a DELETE carries the `updated_at` of the last UPDATE, and an update by hand does
    not move it.
    """
    moment: datetime = row["updated_at"] or row["created_at"] or EPOCH
    microseconds = (moment - EPOCH) // timedelta(microseconds=1)
    return max(0, microseconds) * 4 + RANK[operation]


def describe(messages: Mapping[str, Any], path: str = "") -> str:
    """Marshmallow's messages in one sentence. They name fields, never values."""
    parts = []
    for key, value in messages.items():
        name = f"{path}.{key}" if path else str(key)
        parts.append(describe(value, name) if isinstance(value, dict) else f"{name}: {' '.join(map(str, value))}")
    return " ".join(parts)


def to_request_data(user: AuthUser) -> dict[str, Json]:
    """The mapped state as the ledger keeps it."""
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
    """A ledger row {event_id, operation, version, auth_user_id, request_data} -> the event it was.

    A captured row holds the payload as it is sent, any other the mapped state. Raises InvalidPayload.
    """
    if isinstance(row["request_data"], dict) and "type" in row["request_data"]:
        return event_of(row["event_id"], row["request_data"], name_fields, sent_at=EPOCH)
    try:
        user = AuthUser(id=UUID(row["auth_user_id"] or ""), **STATE_SCHEMA.load(row["request_data"]))
    except ValidationError as error:
        raise InvalidPayload("invalid_payload", describe(error.messages_dict)) from None
    except ValueError:
        raise InvalidPayload("invalid_payload", "auth_user_id: Missing data for required field.") from None
    return AuthEvent(row["event_id"], Operation(row["operation"]), row["version"], user)
