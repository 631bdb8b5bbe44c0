"""What an SQLSTATE says about asking again. https://www.postgresql.org/docs/current/errcodes-appendix.html"""

RETRYABLE_CLASSES = (
    "08",  # connection exception
    "40",  # transaction rollback: serialization failure, deadlock
    "53",  # insufficient resources
    "55",  # object not in prerequisite state: lock timeout
    "57",  # operator intervention: shutdown, cancelled by a timeout
    "58",  # system error
    "XX",  # internal error
)


def is_retryable(sqlstate: str | None) -> bool:
    """None stands for a connection that broke before the server could say anything."""
    return sqlstate is None or sqlstate.startswith(RETRYABLE_CLASSES)


def of_missing_function(sqlstate: str | None) -> bool:
    """Undefined function, or undefined table in one: the migrations have not run."""
    return sqlstate in ("42883", "42P01", "3F000")
