"""The bans that are held for an admin. An admin decides about the bans of one reason."""

from enum import StrEnum

from webhook_service.events import Json
from webhook_service.ports import Database

SLICE_SIZE = 5000
"""The number of held bans that are released in one transaction."""


class Reason(StrEnum):
    """The reason for which a ban is held."""

    MASS_DEACTIVATION = "mass_deactivation"
    """An unusual share of the company was deactivated at once."""
    SHARED_EMAIL = "shared_email"
    """Another active employee has the e-mail or the number of the login, and may own it."""


def held(database: Database, limit: int, reason: Reason | None = None) -> Json:
    """Return the bans that are held for this reason, or for any reason.

    The result is {"count": up to 10,000, "oldest_seconds": or None, "newest_id": or None, "people": [{"auth_user_id",
    "employee_id", "name", "email", "held_at", "reason"}, at most `limit`]}. Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_held_actions_v1", p_limit=limit, p_reason=reason)


def release(database: Database, requested_by: str, newest_id: int | None, reason: Reason) -> int:
    """Enter the bans that are held for this reason into the ledger, and return their number. Relays perform them.

    `newest_id` is from `held`: bans that were held later are not released, because the admin has not seen them. Raises
    Unavailable, DatabaseError; bans that were released before the error stay released.
    """
    released = 0
    arguments = {"p_requested_by": requested_by, "p_newest_id": newest_id, "p_reason": reason, "p_limit": SLICE_SIZE}
    while count := int(database.call("auth_sync_release_held_v1", **arguments)):
        released += count
    return released


def discard(database: Database, requested_by: str, newest_id: int | None, reason: Reason) -> int:
    """Remove the bans that are held for this reason, and return their number. `newest_id` is as for `release`.

    Raises Unavailable, DatabaseError.
    """
    arguments = {"p_requested_by": requested_by, "p_newest_id": newest_id, "p_reason": reason}
    return int(database.call("auth_sync_discard_held_v1", **arguments))
