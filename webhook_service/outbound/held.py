"""The bans that are held for an admin, because an unusual share of the company was deactivated at once."""

from webhook_service.events import Json
from webhook_service.ports import Database

SLICE_SIZE = 5000
"""How many held bans are released in one transaction."""


def held(database: Database, limit: int) -> Json:
    """{"count": up to 10,000, "oldest_seconds": or None, "people": [{"auth_user_id", "employee_id", "name", "email",
    "held_at"}, at most `limit`]}. Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_held_actions_v1", p_limit=limit)


def release(database: Database, requested_by: str) -> int:
    """Enter all held bans into the ledger, and return how many they were. Relays perform them.

    Raises Unavailable, DatabaseError; bans that were released before that stay released.
    """
    released = 0
    while count := int(database.call("auth_sync_release_held_v1", p_requested_by=requested_by, p_limit=SLICE_SIZE)):
        released += count
    return released


def discard(database: Database, requested_by: str) -> int:
    """Remove all held bans, and return how many they were. Raises Unavailable, DatabaseError."""
    return int(database.call("auth_sync_discard_held_v1", p_requested_by=requested_by))
