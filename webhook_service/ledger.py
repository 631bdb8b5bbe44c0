"""What admins read of the ledger."""

from collections.abc import Mapping

from webhook_service.errors import EventNotFound
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.signature import EVENT_ID


def summary(database: Database) -> Json:
    """Counts by status and outcome, the oldest that is pending, and how the employees stand."""
    return database.call("get_auth_sync_summary")


def events(database: Database, criteria: Mapping[str, Json], *, below: int | None, limit: int) -> Json:
    """A page, newest first: {"events": [...], "next": the id to go on below, or None}.

    `criteria`: status, outcome, operation, auth_user_id, employee_id, since, until (created_at, `until` not included).
    """
    return database.call("auth_sync_events_v1", p_filter=dict(criteria), p_below=below, p_limit=limit)


def event(database: Database, event_id: str) -> Json:
    """One event with request_data, changes and replays. Raises EventNotFound."""
    found = database.call("auth_sync_event_v1", p_event_id=event_id) if EVENT_ID.fullmatch(event_id) else None
    if found is None:
        raise EventNotFound("event_not_found", "The ledger has no such event.")
    return found
