"""The schemas of an event: one for the payload, and one for the state in the ledger."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load, validate, validates_schema

from webhook_service.events import Operation

MAX_VERSION = 2**63 - 1
LONGEST_EMAIL = 1000
# The forms in which PostgreSQL writes timestamps that Python's datetime cannot hold.
WRITTEN = r"-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9:.]+[+-][0-9:]+"
BEYOND = re.compile("[0-9]{5,6}" + WRITTEN)
BEFORE_CHRIST = re.compile("[0-9]{4,6}" + WRITTEN + " BC")

# The form in which PostgreSQL writes a UUID. Python's UUID also accepts 0x..., signs, blanks and underscores.
UUID_TEXT = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z"


class Timestamp(fields.Field[datetime]):
    """A timestamptz in the form that PostgreSQL writes in JSON.

    The form is ISO 8601 with an offset. It includes +-infinity, years over 9999 and years BC. A time that Python cannot
    hold becomes the latest or the earliest time that Python can hold.
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
        if abs(offset) >= timedelta(hours=16) or offset.microseconds:  # PostgreSQL never writes such an offset
            raise ValidationError("Not a timestamp.")
        return moment


class UserSchema(Schema):
    """The mapped columns of `auth.users`. Values that users can write themselves must not make an event fail."""

    class Meta:
        unknown = EXCLUDE

    id = fields.String(required=True, validate=validate.Regexp(UUID_TEXT, error="Not a valid UUID."))
    email = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=LONGEST_EMAIL))
    email_confirmed_at = Timestamp(load_default=None, allow_none=True)
    is_anonymous = fields.Boolean(load_default=False, allow_none=True)
    banned_until = Timestamp(load_default=None, allow_none=True)
    deleted_at = Timestamp(load_default=None, allow_none=True)
    created_at = Timestamp(load_default=None, allow_none=True)
    updated_at = Timestamp(load_default=None, allow_none=True)
    raw_app_meta_data = fields.Raw(load_default=None, allow_none=True)
    raw_user_meta_data = fields.Raw(load_default=None, allow_none=True)


class EventSchema(Schema):
    """A change of a row of `auth.users`. Only the old row of a DELETE is read, and otherwise only the new row."""

    class Meta:
        unknown = EXCLUDE

    type = fields.Enum(Operation, required=True)
    schema = fields.String(required=True, validate=validate.Equal("auth"))
    table = fields.String(required=True, validate=validate.Equal("users"))
    version = fields.Integer(strict=True, load_default=None, validate=validate.Range(0, MAX_VERSION))
    record = fields.Nested(UserSchema, load_default=None, allow_none=True)
    old_record = fields.Nested(UserSchema, load_default=None, allow_none=True)

    @pre_load
    def leave_out_the_other_row(self, data: Any, **kwargs: Any) -> Any:
        if not isinstance(data, dict):
            return data
        other = "record" if data.get("type") == Operation.DELETE else "old_record"
        return {name: value for name, value in data.items() if name != other}

    @validates_schema
    def has_the_row_it_needs(self, data: dict[str, Any], **kwargs: Any) -> None:
        needed = "old_record" if data["type"] is Operation.DELETE else "record"
        if data[needed] is None:
            raise ValidationError(f"Missing data for a required field of {data['type']}.", needed)


class StateSchema(Schema):
    """The mapped state of an auth user, in the form that `to_request_data` writes."""

    email = fields.String(required=True, allow_none=True)
    email_confirmed = fields.Boolean(required=True)
    employee_number = fields.String(required=True, allow_none=True)
    is_anonymous = fields.Boolean(required=True)
    banned_until = Timestamp(required=True, allow_none=True)
    deleted_at = Timestamp(required=True, allow_none=True)
    names = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


EVENT_SCHEMA = EventSchema()
STATE_SCHEMA = StateSchema()
