"""What admins read of the ledger."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from marshmallow import RAISE, Schema, fields, validate

from webhook_service.errors import EventNotFound
from webhook_service.events import Action, ActionOutcome, Json, Operation, Outcome, Status
from webhook_service.inbound.schema import Timestamp
from webhook_service.ledger.fields import Flag, Whole
from webhook_service.ports import Database

MAX_BIGINT = 2**63 - 1
DIRECTIONS = ("inbound", "outbound")
OUTCOMES = sorted({*map(str, Outcome), *map(str, ActionOutcome)})
LEDGER_ID = re.compile(r"[A-Za-z0-9_:-]{1,250}", re.ASCII)
"""An event's id, or an action's, which has a colon."""


class Filter(Schema):
    """Which events: all of what is given must hold. `since` and `until` (not included) are times of arrival; `person`
    is what a human types: the beginning of an e-mail, a name or an employee number, or an id; `needs_attention` is what
    has failed and is not retried.
    """

    class Meta:
        unknown = RAISE

    status = fields.Enum(Status)
    outcome = fields.String(validate=validate.OneOf(OUTCOMES))
    operation = fields.String(validate=validate.OneOf((*Operation, *Action)))
    direction = fields.String(validate=validate.OneOf(DIRECTIONS))
    needs_attention = Flag()
    person = fields.String(validate=[validate.Length(max=200), validate.ContainsNoneOf("\0")])
    auth_user_id = fields.UUID()
    employee_id = Whole(validate=validate.Range(0, MAX_BIGINT))
    since = Timestamp()
    until = Timestamp()


def filter_json(loaded: Mapping[str, Any]) -> dict[str, Json]:
    """The filter's part of loaded values, as the database takes it."""
    chosen = {name: loaded[name] for name in Filter().fields if name in loaded}
    return {name: as_text(value) for name, value in chosen.items()}


def as_text(value: object) -> str:
    """As an address has it, so that the filter can be read again from a link."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def summary(database: Database) -> Json:
    """Counts by status and outcome, the oldest that is pending, and how the employees stand."""
    return database.call("get_auth_sync_summary")


def events(database: Database, filter: Mapping[str, Json], *, below: int | None, limit: int) -> Json:
    """A page, newest first: {"events": [...], "next": the id to go on below, or None}. `filter` as of `filter_json`."""
    return database.call("auth_sync_events_v1", p_filter=dict(filter), p_below=below, p_limit=limit)


def event(database: Database, event_id: str) -> Json:
    """One event with request_data, changes and replays. Raises EventNotFound."""
    found = database.call("auth_sync_event_v1", p_event_id=event_id) if LEDGER_ID.fullmatch(event_id) else None
    if found is None:
        raise EventNotFound("event_not_found", "The ledger has no such event.")
    return found


def search(database: Database, filter: Mapping[str, Json], *, below: int | None, limit: int) -> Json:
    """As `events`, each with "person" (a name or e-mail, or None), and "people": [{"employee_id", "auth_user_id",
    "name", "email"}] that the person of the filter may be.
    """
    return database.call("auth_sync_search_v1", p_filter=dict(filter), p_below=below, p_limit=limit)


def counts(database: Database, filter: Mapping[str, Json]) -> Json:
    """How many events fit: {"matched", "is_estimated"}, exactly up to 10,000."""
    return database.call("auth_sync_event_counts_v1", p_filter=dict(filter))


def hours(database: Database, last: int) -> Json:
    """Of the last hours, 72 at most: {"hours": [{"hour", "direction", "outcome" (or "pending"), "events"}],
    "is_estimated"}.
    """
    return database.call("auth_sync_hours_v1", p_hours=last)
