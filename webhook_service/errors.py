"""All errors of the service. The class says what the caller should do.

`reason` is a stable, public slug for machines, and `detail` is a sentence for people. They never contain a secret, a
request body or personal data. Only `web.errors` maps errors to HTTP statuses.
"""


class ServiceError(Exception):
    """The base class of all errors of this service."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class BadSetting(ServiceError):
    """An environment variable is missing or unusable, so the service does not start. The detail names the variable."""

    def __init__(self, variable: str, detail: str) -> None:
        super().__init__("bad_setting", f"{variable} {detail}")


class BadSignature(ServiceError):
    """The delivery is not signed with a current secret, or its time is out of tolerance."""


class BadPayload(ServiceError):
    """The body cannot be processed, and a retry does not help."""


class PayloadTooLarge(BadPayload):
    """The body is larger than the limit."""


class WrongContentType(BadPayload):
    """The Content-Type is not JSON."""


class InvalidPayload(BadPayload):
    """The body is JSON, but not an event of `auth.users`."""


class Unauthorized(ServiceError):
    """The request to the admin API has no valid admin key."""


class TooManyAttempts(ServiceError):
    """The address has tried too many wrong keys, and must wait for `retry_after` seconds before the next attempt."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("too_many_attempts", "Too many attempts with a wrong key: wait for Retry-After seconds.")
        self.retry_after = retry_after


class NotAllowed(ServiceError):
    """The admin's role does not allow the request. The detail says which role is needed."""


class InvalidQuery(ServiceError):
    """The parameters of an admin's request are invalid. `fields` is {name: [error text]}."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        super().__init__("invalid_query", "The parameters are invalid.")
        self.fields = fields


class KeyReused(ServiceError):
    """The Idempotency-Key was used for another request. The caller must use a new key."""

    def __init__(self) -> None:
        detail = "This Idempotency-Key was used for another path or body. Use a new key for a new request."
        super().__init__("key_reused", detail)


class RequestUnderWay(ServiceError):
    """A request with the same Idempotency-Key is under way, or its process has ended. The caller should retry."""

    retry_after = 2
    """Seconds to wait before the retry."""

    def __init__(self) -> None:
        super().__init__(
            "request_under_way", "The request with this Idempotency-Key is under way: retry for its answer."
        )


class EventNotFound(ServiceError):
    """The ledger has no such event, or the event cannot be replayed."""


class BadLink(ServiceError):
    """The link does not have a valid signature of this service."""


class ExpiredLink(ServiceError):
    """The link has a valid signature, but has expired."""


class EmployeeNotFound(ServiceError):
    """There is no such employee."""

    def __init__(self) -> None:
        super().__init__("employee_not_found", "There is no such employee.")


class EmployeeRejected(ServiceError):
    """The employees table rejects the row, for example because of a constraint or a trigger.

    `facts` is {"sqlstate", "constraint", "column"}, in which unknown values are None.
    """

    def __init__(self, detail: str, facts: dict[str, str | None]) -> None:
        super().__init__("employee_rejected", detail)
        self.facts = facts


class EmailTaken(ServiceError):
    """Another employee or auth user has that e-mail.

    `side` is `employees` or `auth`. `holder` is {"employee_id", "auth_user_id"}, in which unknown values are None or
    missing.
    """

    TEXTS = {
        "employees": "Another employee has this e-mail. Correct one of the two e-mails.",
        "auth": "Another login has this e-mail. Give that login to the employee, or correct the e-mail.",
    }

    def __init__(self, side: str, holder: dict[str, int | str | None]) -> None:
        super().__init__("email_taken", self.TEXTS[side])
        self.side = side
        self.holder = holder


class Unavailable(ServiceError):
    """The database is unavailable, and the caller should retry. A call takes effect completely or not at all."""

    retry_after = 5
    """Seconds to wait before the retry."""


class Conflict(Unavailable):
    """The call conflicts with another transaction. The caller should retry immediately, with fewer works in a call."""


class AuthUnavailable(ServiceError):
    """The Auth Admin API is unavailable, and the caller should retry later.

    The call may have taken effect nevertheless, so the caller must read the auth user before the retry.
    """

    retry_after = 5.0
    """Seconds to wait before the retry."""


class AuthThrottled(AuthUnavailable):
    """Auth answered 429, and the caller must wait for `retry_after` seconds. The call has not taken effect."""

    def __init__(self, reason: str, detail: str, retry_after: float) -> None:
        super().__init__(reason, detail)
        self.retry_after = retry_after


class AuthUncertain(AuthUnavailable):
    """Auth may have created the auth user, or may still create it within some seconds."""


class AuthRefused(ServiceError):
    """The Auth Admin API refuses the call, and a retry does not help.

    `code` is Auth's code, such as `validation_failed`.
    """

    def __init__(self, reason: str, detail: str, code: str = "") -> None:
        super().__init__(reason, detail)
        self.code = code


class AuthUserNotFound(AuthRefused):
    """There is no such auth user."""


class AuthEmailExists(AuthRefused):
    """Another auth user has that e-mail."""


class DatabaseError(ServiceError):
    """The database refused the call, and a retry does not help."""


class NotPossible(ServiceError):
    """The command is not possible in this installation, or not at this time. The detail says why."""


class MigrationError(ServiceError):
    """The database's schema cannot be migrated to this version. The detail says why and what to do."""
