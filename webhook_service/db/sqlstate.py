"""What an SQLSTATE says about asking again. https://www.postgresql.org/docs/current/errcodes-appendix.html"""

from webhook_service.errors import Conflict, DatabaseError, Unavailable

RETRYABLE_CLASSES = (
    "08",  # connection exception
    "25006",  # read only: failing over, or the disk is full
    "53",  # insufficient resources
    "57",  # operator intervention: shutdown, cancelled by a timeout
    "58",  # system error
    "XX",  # internal error
)
UNDEFINED_FUNCTION = "42883"
IN_THE_WAY = (
    "40",  # transaction rollback: serialization failure, deadlock
    "55P03",  # lock not available: somebody else holds it for too long
)
MISSING = (
    UNDEFINED_FUNCTION,
    "42P01",  # undefined table, in a function
    "3F000",  # undefined schema
)


def error_for(sqlstate: str) -> Unavailable | DatabaseError:
    """Named by what the caller should do. The database's own text may hold personal data: it stays in the cause."""
    if sqlstate in MISSING:
        return Unavailable("not_migrated", "The database lacks a function; run `webhook-service migrate`.")
    if sqlstate.startswith(IN_THE_WAY):
        return Conflict("database_conflict", f"Another transaction was in the way ({sqlstate}).")
    if sqlstate.startswith(RETRYABLE_CLASSES):
        return Unavailable("database_unavailable", f"The database cannot do it now ({sqlstate}).")
    return DatabaseError("database_error", f"The database refused the call ({sqlstate}).")
