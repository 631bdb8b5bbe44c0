"""The ordinary event, read without its schema, which takes twenty times as long and decides about all others.

What is not wholly ordinary, right or wrong, is None here: only the schema knows odd forms, and what to say of errors.
"""

import re
from datetime import UTC, datetime
from typing import Any

from webhook_service.event_schema import LONGEST_EMAIL, MAX_VERSION, UUID_TEXT
from webhook_service.events import Json, Operation

OPERATIONS = {operation.name: operation for operation in Operation}
USER_ID = re.compile(UUID_TEXT)
TIMESTAMPS = ("email_confirmed_at", "banned_until", "deleted_at", "created_at", "updated_at")


def ordinary_event(payload: Json) -> dict[str, Any] | None:
    """Just what `EVENT_SCHEMA` would load; None where the schema is to be asked."""
    if type(payload) is not dict or payload.get("schema") != "auth" or payload.get("table") != "users":
        return None
    type_, version = payload.get("type"), payload.get("version")
    if type(type_) is not str or type_ not in OPERATIONS:
        return None
    if version is not None and not (type(version) is int and 0 <= version <= MAX_VERSION):
        return None
    try:
        record, old_record = ordinary_row(payload.get("record")), ordinary_row(payload.get("old_record"))
    except ValueError:
        return None
    if (old_record if type_ == "DELETE" else record) is None:
        return None
    return {
        "type": OPERATIONS[type_],
        "schema": "auth",
        "table": "users",
        "version": version,
        "record": record,
        "old_record": old_record,
    }


def ordinary_row(row: Json) -> dict[str, Any] | None:
    """None where there is no row. Raises ValueError for one that is not ordinary."""
    if row is None:
        return None
    if type(row) is not dict:
        raise ValueError("no row")
    get = row.get
    user_id, email, is_anonymous = get("id"), get("email"), get("is_anonymous", False)
    if type(user_id) is not str or not USER_ID.match(user_id):
        raise ValueError("an odd id")
    if email is not None and not (type(email) is str and len(email) <= LONGEST_EMAIL):
        raise ValueError("an odd e-mail")
    if is_anonymous is not False and is_anonymous is not True and is_anonymous is not None:
        raise ValueError("an odd switch")
    loaded = {
        "id": user_id,
        "email": email,
        "is_anonymous": is_anonymous,
        "raw_app_meta_data": get("raw_app_meta_data"),
        "raw_user_meta_data": get("raw_user_meta_data"),
    }
    for name in TIMESTAMPS:
        written = get(name)
        loaded[name] = None if written is None else moment_in_utc(written)
    return loaded


def moment_in_utc(written: Json) -> datetime:
    """As Supabase writes it. Raises ValueError for any other form."""
    if type(written) is not str:
        raise ValueError("no timestamp")
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is not UTC:
        raise ValueError("an odd offset")
    return moment
