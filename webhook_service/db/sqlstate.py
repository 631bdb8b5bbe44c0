"""Maps SQLSTATEs to errors that say whether a retry helps.

The list of SQLSTATEs is https://www.postgresql.org/docs/current/errcodes-appendix.html.
"""

from webhook_service.errors import Conflict, DatabaseError, Unavailable

RETRYABLE_CLASSES = (
    "08",  # connection exception
    "25006",  # read-only transaction: during a failover, or if the disk is full
    "53",  # insufficient resources
    "57",  # operator intervention: shutdown, or cancelled by a timeout
    "58",  # system error
    "XX",  # internal error
)
UNDEFINED_FUNCTION = "42883"
CONFLICT_CLASSES = (
    "40",  # transaction rollback: serialization failure, deadlock
    "55P03",  # lock not available: another transaction holds the lock for too long
)
MISSING_OBJECTS = (
    UNDEFINED_FUNCTION,
    "42P01",  # undefined table, in a function
    "3F000",  # undefined schema
)

WORDS = {
    "25006": "The database is read-only: its disk is full, or a failover is running",
    "53100": "The disk of the database is full",
    "53300": "The database has no free connection",
    "28P01": "The database refuses the password of DATABASE_URL",
    "28000": "The database refuses the role of DATABASE_URL, or its address",
    "3D000": "The database of DATABASE_URL does not exist",
    "42501": "The role of the connection may not do this: check the key or the role, and run `webhook-service migrate`",
    "42703": "A column is missing or has another name: run `webhook-service migrate` and `webhook-service doctor`",
    "42804": "A column has another type than this service expects: run `webhook-service doctor`",
    "428C9": "A generated column cannot be written",
}
"""Explanations of common SQLSTATEs. Each is a sentence without its full stop."""


def error_for(sqlstate: str) -> Unavailable | DatabaseError:
    """Return the error whose class says whether the caller should retry.

    The database's message may contain personal data, so only the error's cause contains the message.
    """
    if sqlstate in MISSING_OBJECTS:
        return Unavailable("not_migrated", "The database lacks a function; run `webhook-service migrate`.")
    if sqlstate.startswith(CONFLICT_CLASSES):
        return Conflict("database_conflict", f"Another transaction conflicted with the call ({sqlstate}).")
    if sqlstate.startswith(RETRYABLE_CLASSES):
        return Unavailable(
            "database_unavailable", f"{WORDS.get(sqlstate, 'The database cannot execute the call now')} ({sqlstate})."
        )
    return DatabaseError("database_error", f"{WORDS.get(sqlstate, 'The database refused the call')} ({sqlstate}).")
