"""The error for each SQLSTATE, by whether a retry helps.

The codes are from https://www.postgresql.org/docs/current/errcodes-appendix.html.
"""

from webhook_service.errors import Conflict, DatabaseError, Unavailable

RETRYABLE_CLASSES = (
    "08",  # connection exception
    "25006",  # read-only transaction: a failover is under way, or the disk is full
    "53",  # insufficient resources
    "57",  # operator intervention: shutdown, or cancelled by a timeout
    "58",  # system error
    "XX",  # internal error
)
UNDEFINED_FUNCTION = "42883"
CONFLICT_CLASSES = (
    "40",  # transaction rollback: serialization failure, deadlock
    "55P03",  # lock not available: another transaction holds it for too long
)
MISSING_OBJECTS = (
    UNDEFINED_FUNCTION,
    "42P01",  # undefined table, in a function
    "3F000",  # undefined schema
)


def error_for(sqlstate: str) -> Unavailable | DatabaseError:
    """Return the error that says what the caller should do.

    The database's own message may hold personal data, so only the cause keeps it.
    """
    if sqlstate in MISSING_OBJECTS:
        return Unavailable("not_migrated", "The database lacks a function; run `webhook-service migrate`.")
    if sqlstate.startswith(CONFLICT_CLASSES):
        return Conflict("database_conflict", f"Another transaction conflicted with the call ({sqlstate}).")
    if sqlstate.startswith(RETRYABLE_CLASSES):
        return Unavailable("database_unavailable", f"The database cannot execute the call now ({sqlstate}).")
    return DatabaseError("database_error", f"The database refused the call ({sqlstate}).")
