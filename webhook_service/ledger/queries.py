"""Queries of the ledger, for admins."""

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
"""The form of the id of an event or an action. Only the id of an action has a colon."""


class Filter(Schema):
    """A filter of events and actions. All given fields must match.

    `since` (inclusive) and `until` (exclusive) are times of arrival. `person` is an id, or the beginning of an e-mail,
    a name or an employee number. `needs_attention` matches failures that are no longer retried and not dismissed.
    `open` matches rows that are pending or retried.
    """

    class Meta:
        unknown = RAISE

    status = fields.Enum(Status)
    outcome = fields.String(validate=validate.OneOf(OUTCOMES))
    operation = fields.String(validate=validate.OneOf((*Operation, *Action)))
    direction = fields.String(validate=validate.OneOf(DIRECTIONS))
    needs_attention = Flag()
    open = Flag()
    person = fields.String(validate=[validate.Length(max=200), validate.ContainsNoneOf("\0")])
    auth_user_id = fields.UUID()
    employee_id = Whole(validate=validate.Range(0, MAX_BIGINT))
    since = Timestamp()
    until = Timestamp()


def filter_json(loaded: Mapping[str, Any]) -> dict[str, Json]:
    """Return the fields of `Filter` that are in `loaded`, as texts. The functions below take it as `filter`."""
    chosen = {name: loaded[name] for name in Filter().fields if name in loaded}
    return {name: as_text(value) for name, value in chosen.items()}


def as_text(value: object) -> str:
    """Return the text of a value in a URL, so that a link can hold the filter."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def summary(database: Database) -> Json:
    """Return the counts of rows by status and outcome, the oldest pending event, and the counts of employees.

    Raises Unavailable, DatabaseError.
    """
    return database.call("get_auth_sync_summary")


def events(database: Database, filter: Mapping[str, Json], *, below: int | None, limit: int) -> Json:
    """Return a page of events and actions, newest first.

    The result is {"events": [...], "next": the `below` of the next page}. "next" is None on the last page. `filter` has
    the shape that `filter_json` returns. Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_events_v1", p_filter=dict(filter), p_below=below, p_limit=limit)


def event(database: Database, event_id: str) -> Json:
    """Return one event or action with request_data, changes and replays.

    Raises EventNotFound, Unavailable, DatabaseError.
    """
    found = database.call("auth_sync_event_v1", p_event_id=event_id) if LEDGER_ID.fullmatch(event_id) else None
    if found is None:
        raise EventNotFound("event_not_found", "The ledger has no such event.")
    return found


def search(
    database: Database, filter: Mapping[str, Json], *, below: int | None, limit: int, above: int | None = None
) -> Json:
    """Return a page of events and actions, newest first, with the people they concern.

    The result is that of `events`, with "person" (a name, an e-mail or None) in each event. "previous" is the `above`
    of the page before, or None on the first page. With `above`, the page ends above this id. The result also has
    "people", [{"employee_id", "auth_user_id", "name", "email"}] of the first people who match the filter's `person`.
    Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_search_v1", p_filter=dict(filter), p_below=below, p_limit=limit, p_above=above)


def counts(database: Database, filter: Mapping[str, Json], *, people: list[Json] | None = None) -> Json:
    """Count the matching events: {"matched", "is_estimated"}. The count is exact up to 10,000.

    `people` are the "people" that `search` has returned for this filter, which are then not searched again.
    Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_event_counts_v1", p_filter=dict(filter), p_people=people)


def hours(database: Database, last: int) -> Json:
    """Count the events of the last hours, at most 72, by hour, direction and outcome.

    The result is {"hours": [{"hour", "direction", "outcome", "events"}], "is_estimated"}. The outcome of a pending
    event is "pending". Counts of more than 100,000 events are estimated from a sample.
    Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_hours_v1", p_hours=last)
