"""Failed events and actions that need attention: an admin dismisses one, and events whose cause is gone close."""

from webhook_service.errors import EventNotFound, NotPossible
from webhook_service.events import Json
from webhook_service.loops import PassResult
from webhook_service.ports import Database

POLL_SECONDS = 15.0
MAX_CHECKED = 10_000
"""The number of failed events that a pass checks, the newest first."""

LONGEST_REASON = 200


def dismiss(database: Database, event_id: str) -> None:
    """Record that an event or action needs no attention. A replay is still possible.

    Raises EventNotFound, NotPossible (`needs_no_attention`), Unavailable, DatabaseError.
    """
    result = database.call("auth_sync_dismiss_v1", p_event_id=event_id)
    if result is None:
        raise EventNotFound("event_not_found", "The ledger has no such event.")
    if result != "dismissed":
        raise NotPossible(result, "It does not need attention: it is done, or it is still retried.")


def others(database: Database, event_id: str) -> Json:
    """Return the other people that a failure is about: see `auth_sync_others_v1`. Raises Unavailable, DatabaseError."""
    return database.call("auth_sync_others_v1", p_event_id=event_id)


def close_healed(database: Database) -> PassResult:
    """Close failed events whose cause is gone: a newer event was applied, or the auth user was linked since.

    Raises Unavailable, DatabaseError.
    """
    database.call("auth_sync_close_healed_v1", p_limit=MAX_CHECKED)
    return PassResult()
