"""The errors of the admin API. Each `reason` has a class, which determines the status, and a meaning."""

from collections.abc import Mapping
from http import HTTPStatus

from webhook_service.errors import (
    AuthRefused,
    AuthThrottled,
    AuthUnavailable,
    AuthUserNotFound,
    BadPayload,
    Conflict,
    DatabaseError,
    EmailTaken,
    EmployeeNotFound,
    EmployeeRejected,
    EventNotFound,
    InvalidQuery,
    KeyReused,
    NotPossible,
    PayloadTooLarge,
    RequestUnderWay,
    ServiceError,
    TooManyAttempts,
    Unauthorized,
    Unavailable,
)
from webhook_service.web.errors import STATUSES

REASONS: Mapping[str, tuple[type[ServiceError] | HTTPStatus, str]] = {
    "unauthorized": (Unauthorized, "The header Authorization does not hold the admin key."),
    "too_many_attempts": (TooManyAttempts, "Too many wrong keys from this address: wait for Retry-After seconds."),
    "invalid_query": (InvalidQuery, "Some values are invalid; `fields` names them."),
    "key_reused": (KeyReused, "The `Idempotency-Key` was used for another path or body: use a new key."),
    "request_under_way": (RequestUnderWay, "The request with this key is under way: retry after Retry-After seconds."),
    "event_not_found": (EventNotFound, "The ledger has no such event, or it cannot be replayed."),
    "employee_not_found": (EmployeeNotFound, "There is no such employee."),
    "not_found": (HTTPStatus.NOT_FOUND, "No route matches the path."),
    "unreadable": (BadPayload, "The body could not be read to its end."),
    "not_json": (BadPayload, "The body is not JSON."),
    "not_utf8": (BadPayload, "The body is not UTF-8."),
    "duplicate_key": (BadPayload, "An object in the body has the same key twice."),
    "too_deep": (BadPayload, "The body is nested too deeply."),
    "unstorable_text": (BadPayload, "A string in the body holds NUL or half of a surrogate pair."),
    "too_large": (PayloadTooLarge, "The body is larger than the limit."),
    "bad_file": (BadPayload, "The body is not a CSV file with columns of `employees`; `detail` says why."),
    "refused_lines": (NotPossible, "Some lines are refused, so nothing was imported: see them with `dry_run=true`."),
    "mass_deactivation": (NotPossible, "The import would deactivate an unusual share of the employees with a login."),
    "import_expired": (NotPossible, "The import took too long: send the file again."),
    "import_under_way": (Conflict, "Another import is under way: retry after Retry-After seconds."),
    "not_open": (NotPossible, "The action does not wait, or is being performed now, or calls to Auth are paused."),
    "needs_no_attention": (NotPossible, "The event is done, or is still retried."),
    "no_auth_admin": (NotPossible, "The Auth Admin API is not configured."),
    "managed_by_directory": (
        NotPossible,
        "A directory manages the employee by SCIM, so the change must be made there.",
    ),
    "not_managed": (NotPossible, "No directory manages the employee."),
    "login_changed": (NotPossible, "The employee does not have this login any more."),
    "linked_again": (NotPossible, "Only this employee matches the login, so the next event would link it again."),
    "has_login": (NotPossible, "The employee has a login."),
    "inactive": (NotPossible, "The employee is not active."),
    "login_taken": (NotPossible, "The login belongs to another employee."),
    "unconfirmed": (NotPossible, "The login's e-mail is not confirmed yet, so its owner is unknown."),
    "under_way": (NotPossible, "Another request is creating a login for this employee."),
    "too_many_requests": (NotPossible, "Too many new passwords and invitations for this login: try again later."),
    "needs_no_invitation": (NotPossible, "The login's e-mail is confirmed: set a temporary password instead."),
    "user_not_found": (AuthUserNotFound, "Auth has no such user."),
    "bulk_replay_not_found": (EventNotFound, "There is no such bulk replay."),
    "subscriber_not_found": (EventNotFound, "There is no such subscriber."),
    "bad_url": (NotPossible, "Events cannot be sent to this URL; `detail` says why."),
    "name_taken": (NotPossible, "Another subscriber has this name."),
    "private_addresses_off": (NotPossible, "Private addresses are off: set EVENT_PRIVATE_ADDRESSES=on."),
    "no_auth_users": (NotPossible, "The database has no auth.users to compare with."),
    "run_under_way": (NotPossible, "Another run of reconcile is under way."),
    "comparison_too_long": (NotPossible, "The company is too large for a request: run `webhook-service reconcile`."),
    "too_many_bans": (NotPossible, "The run would ban more logins than `max_bans`. Nothing was changed."),
    "login_not_found": (NotPossible, "Auth has no user with this e-mail."),
    "email_taken": (EmailTaken, "Another employee or auth user has that e-mail; `side` says which."),
    "employee_rejected": (EmployeeRejected, "A constraint, trigger or type of the employees table rejects the row."),
    "auth_refused": (AuthRefused, "Auth refuses the call, and a retry does not help."),
    "auth_key_refused": (AuthRefused, "Auth refuses the service role key; an admin must correct the setting."),
    "auth_too_old": (AuthRefused, "This version of Auth is too old."),
    "auth_unavailable": (AuthUnavailable, "Auth is unavailable: retry after Retry-After seconds."),
    "auth_unreachable": (AuthUnavailable, "Auth did not answer: retry after Retry-After seconds."),
    "auth_throttled": (AuthThrottled, "Auth limits the rate: wait for Retry-After seconds."),
    "lease_lost": (Unavailable, "The request took too long; the relay finishes or undoes it."),
    "database_error": (DatabaseError, "The database refused the call; the log has the reason."),
    "internal_error": (HTTPStatus.INTERNAL_SERVER_ERROR, "The service has an internal error; its log has more."),
    "database_unreachable": (Unavailable, "The database cannot be reached: retry after Retry-After seconds."),
    "busy": (Unavailable, "Other long requests are under way: retry after Retry-After seconds."),
    "database_unavailable": (Unavailable, "The database is unavailable: retry after Retry-After seconds."),
    "database_slow": (Unavailable, "The database did not answer in time; it may still complete the call."),
    "database_conflict": (Conflict, "Another transaction conflicts with the request: retry."),
    "not_migrated": (Unavailable, "The database lacks migrations: run `webhook-service migrate`."),
}

COMMON_REASONS = (
    "unauthorized",
    "too_many_attempts",
    "database_error",
    "internal_error",
    "database_unreachable",
    "database_unavailable",
    "database_slow",
    "database_conflict",
    "not_migrated",
)
"""The reasons that a response of any endpoint can have."""

BODY_REASONS = (
    "unreadable",
    "not_json",
    "not_utf8",
    "duplicate_key",
    "too_deep",
    "unstorable_text",
    "too_large",
    "invalid_query",
)
CSV_REASONS = ("unreadable", "too_large", "bad_file", "invalid_query")
"""The reasons that only a request with a CSV file can get."""
KEY_REASONS = ("key_reused", "request_under_way")
"""The reasons that only a request with an Idempotency-Key can get."""
AUTH_REASONS = (
    "no_auth_admin",
    "auth_refused",
    "auth_key_refused",
    "auth_too_old",
    "auth_unavailable",
    "auth_unreachable",
    "auth_throttled",
    "lease_lost",
)

LINK_REASONS = (
    *("employee_not_found", "not_found", "employee_rejected", "email_taken"),
    *("has_login", "inactive", "login_not_found", "login_taken", "login_changed", "unconfirmed", "under_way"),
)
"""The reasons for which an employee does not get a login that exists."""


def status_of(reason: str) -> HTTPStatus:
    """Return the HTTP status of a reason."""
    error = REASONS[reason][0]
    return error if isinstance(error, HTTPStatus) else STATUSES[error]
