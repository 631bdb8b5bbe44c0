"""All errors of the service. Each class is named by what the caller should do.

`reason` is a stable, public slug for machines, and `detail` a sentence for people. Neither ever holds a secret, a
request body or personal data. Only `web.errors` knows their HTTP statuses.
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
    """The body can never be processed; the sender must not send the same body again."""


class PayloadTooLarge(BadPayload):
    """The body is larger than the limit."""


class WrongContentType(BadPayload):
    """The Content-Type is not JSON."""


class InvalidPayload(BadPayload):
    """The body is JSON, but not an event of `auth.users`."""


class Unauthorized(ServiceError):
    """The request to the admin API has no valid admin key."""


class InvalidQuery(ServiceError):
    """The parameters of an admin's request are invalid; `fields` is {name: [error text]}."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        super().__init__("invalid_query", "The parameters are invalid.")
        self.fields = fields


class EventNotFound(ServiceError):
    """The ledger has no such event, or none that can be replayed."""


class BadLink(ServiceError):
    """The link does not have a valid signature of this service."""


class ExpiredLink(ServiceError):
    """The link has a valid signature, and has expired."""


class EmployeeNotFound(ServiceError):
    """There is no such employee."""

    def __init__(self) -> None:
        super().__init__("employee_not_found", "There is no such employee.")


class EmployeeRejected(ServiceError):
    """A rule of the employees table, such as a constraint or a trigger, rejects the row.

    `facts` is {"sqlstate", "constraint", "column"}; an unknown one is None.
    """

    def __init__(self, detail: str, facts: dict[str, str | None]) -> None:
        super().__init__("employee_rejected", detail)
        self.facts = facts


class EmailTaken(ServiceError):
    """Another employee or auth user has that e-mail.

    `side` is `employees` or `auth`; `holder` is {"employee_id", "auth_user_id"}, as far as these are known.
    """

    def __init__(self, side: str, holder: dict[str, int | str | None]) -> None:
        super().__init__("email_taken", f"The e-mail is already in use in {side}.")
        self.side = side
        self.holder = holder


class Unavailable(ServiceError):
    """The database cannot be reached or cannot answer now; the caller should retry. A call is never half done."""

    retry_after = 5
    """Seconds to wait before the retry."""


class Conflict(Unavailable):
    """The call conflicts with another transaction; the caller should retry at once, with fewer works in one call."""


class AuthUnavailable(ServiceError):
    """The Auth Admin API cannot be reached or cannot answer now; the caller should retry later.

    The call may have taken effect all the same: read the auth user before deciding what to do.
    """

    retry_after = 5.0
    """Seconds to wait before the retry."""


class AuthThrottled(AuthUnavailable):
    """Auth answered 429: wait `retry_after` seconds. The call has taken no effect."""

    def __init__(self, reason: str, detail: str, retry_after: float) -> None:
        super().__init__(reason, detail)
        self.retry_after = retry_after


class AuthUncertain(AuthUnavailable):
    """It is not known whether the auth user was created, and this may last for some seconds."""


class AuthRefused(ServiceError):
    """The Auth Admin API refuses the call, and a retry does not help. `code` is Auth's, such as `validation_failed`."""

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
    """The command is not possible here, or not now; the detail says why."""


class MigrationError(ServiceError):
    """The database's schema cannot be migrated to this version; the detail says why and what to do."""
