"""The bans that are held for an admin, because an unusual share of the company was deactivated at once."""

from webhook_service.events import Json
from webhook_service.ports import Database

SLICE_SIZE = 5000
"""The number of held bans that are released in one transaction."""


def held(database: Database, limit: int) -> Json:
    """Return the held bans.

    The result is {"count": up to 10,000, "oldest_seconds": or None, "newest_id": or None, "people": [{"auth_user_id",
    "employee_id", "name", "email", "held_at"}, at most `limit`]}. Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_held_actions_v1", p_limit=limit)


def release(database: Database, requested_by: str, newest_id: int | None) -> int:
    """Enter the held bans into the ledger, and return their number. Relays perform them.

    `newest_id` is from `held`: bans that were held later are not released, because the admin has not seen them. Raises
    Unavailable, DatabaseError; bans that were released before the error stay released.
    """
    released = 0
    arguments = {"p_requested_by": requested_by, "p_newest_id": newest_id, "p_limit": SLICE_SIZE}
    while count := int(database.call("auth_sync_release_held_v1", **arguments)):
        released += count
    return released


def discard(database: Database, requested_by: str, newest_id: int | None) -> int:
    """Remove the held bans, and return their number. `newest_id` is as for `release`.

    Raises Unavailable, DatabaseError.
    """
    return int(database.call("auth_sync_discard_held_v1", p_requested_by=requested_by, p_newest_id=newest_id))
