"""Why the admin API refuses: each reason with its error, from which follows the status (see `web.errors`)."""

from collections.abc import Mapping
from http import HTTPStatus

from webhook_service.errors import (
    AuthRefused,
    AuthThrottled,
    AuthUnavailable,
    BadPayload,
    Conflict,
    DatabaseError,
    EmailTaken,
    EmployeeNotFound,
    EmployeeRejected,
    EventNotFound,
    InvalidQuery,
    NotPossible,
    PayloadTooLarge,
    ServiceError,
    Unauthorized,
    Unavailable,
)
from webhook_service.web.errors import STATUSES

REASONS: Mapping[str, tuple[type[ServiceError] | HTTPStatus, str]] = {
    "unauthorized": (Unauthorized, "The header Authorization does not show the admin key."),
    "invalid_query": (InvalidQuery, "Parameters that do not fit; `fields` says which."),
    "event_not_found": (EventNotFound, "The ledger has no such event, or none that can be replayed."),
    "employee_not_found": (EmployeeNotFound, "There is no such employee."),
    "not_found": (HTTPStatus.NOT_FOUND, "The path fits nothing."),
    "unreadable": (BadPayload, "The body could not be read to its end."),
    "not_json": (BadPayload, "The body is not JSON."),
    "not_utf8": (BadPayload, "The body is not UTF-8."),
    "duplicate_key": (BadPayload, "An object of the body has a key twice."),
    "too_deep": (BadPayload, "The body is nested too deeply."),
    "unstorable_text": (BadPayload, "A string of the body holds what no database can: NUL, or half of a pair."),
    "too_large": (PayloadTooLarge, "The body is over the limit."),
    "not_open": (NotPossible, "The action is done, or being performed at this moment, or Auth is paused."),
    "no_auth_admin": (NotPossible, "The Auth Admin API is not configured."),
    "login_not_found": (NotPossible, "Auth has no user with this e-mail."),
    "email_taken": (EmailTaken, "Somebody has that e-mail; `side` says where."),
    "employee_rejected": (EmployeeRejected, "A rule of the employees table refuses it."),
    "auth_refused": (AuthRefused, "Auth will not do it."),
    "auth_key_refused": (AuthRefused, "Auth refuses our key: an admin's turn."),
    "auth_too_old": (AuthRefused, "This version of Auth lacks what is needed."),
    "auth_unavailable": (AuthUnavailable, "Auth cannot do it now: ask again after Retry-After seconds."),
    "auth_unreachable": (AuthUnavailable, "Auth did not answer: ask again after Retry-After seconds."),
    "auth_throttled": (AuthThrottled, "Auth asks for a pause of Retry-After seconds."),
    "lease_lost": (Unavailable, "It took too long; the relay finishes or undoes it."),
    "database_error": (DatabaseError, "The database refused the call; the log says why."),
    "internal_error": (HTTPStatus.INTERNAL_SERVER_ERROR, "This should not have happened; the log says why."),
    "database_unreachable": (Unavailable, "The database cannot be reached: ask again after Retry-After seconds."),
    "database_unavailable": (Unavailable, "The database cannot do it now: ask again after Retry-After seconds."),
    "database_slow": (Unavailable, "The database did not answer in time; it may still do it."),
    "database_conflict": (Conflict, "Something else was in the way: ask again."),
    "not_migrated": (Unavailable, "The database lacks our migrations."),
}

ALWAYS = (
    "unauthorized",
    "database_error",
    "internal_error",
    "database_unreachable",
    "database_unavailable",
    "database_slow",
    "database_conflict",
    "not_migrated",
)
"""What any request may meet."""

OF_BODY = (
    "unreadable",
    "not_json",
    "not_utf8",
    "duplicate_key",
    "too_deep",
    "unstorable_text",
    "too_large",
    "invalid_query",
)
OF_AUTH = (
    "no_auth_admin",
    "auth_refused",
    "auth_key_refused",
    "auth_too_old",
    "auth_unavailable",
    "auth_unreachable",
    "auth_throttled",
    "lease_lost",
)


def status_of(reason: str) -> HTTPStatus:
    error = REASONS[reason][0]
    return error if isinstance(error, HTTPStatus) else STATUSES[error]
