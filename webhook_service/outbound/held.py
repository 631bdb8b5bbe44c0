"""The bans that are held for an admin, because an unusual share of the company was deactivated at once."""

from webhook_service.events import Json
from webhook_service.ports import Database

SLICE_SIZE = 5000
"""The number of held bans that are released in one transaction."""


def held(database: Database, limit: int) -> Json:
    """Return the held bans.

    The result is {"count": up to 10,000, "oldest_seconds": or None, "people": [{"auth_user_id", "employee_id", "name",
    "email", "held_at"}, at most `limit`]}. Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_held_actions_v1", p_limit=limit)


def release(database: Database, requested_by: str) -> int:
    """Enter all held bans into the ledger, and return their number. Relays perform them.

    Raises Unavailable, DatabaseError; bans that were released before the error stay released.
    """
    released = 0
    while count := int(database.call("auth_sync_release_held_v1", p_requested_by=requested_by, p_limit=SLICE_SIZE)):
        released += count
    return released


def discard(database: Database, requested_by: str) -> int:
    """Remove all held bans, and return their number. Raises Unavailable, DatabaseError."""
    return int(database.call("auth_sync_discard_held_v1", p_requested_by=requested_by))
