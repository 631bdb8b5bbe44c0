"""The error family. Each is named by what the caller should do, and carries a stable, public `reason`.

`reason` is a slug for machines, `detail` a sentence for people; neither ever holds a secret, a body or personal data.
HTTP statuses are the business of `web.errors` alone.
"""


class ServiceError(Exception):
    """The base of all our errors."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class BadSetting(ServiceError):
    """An environment variable is missing or unusable; the service does not start. The detail names the variable."""

    def __init__(self, variable: str, detail: str) -> None:
        super().__init__("bad_setting", f"{variable} {detail}")


class BadSignature(ServiceError):
    """The delivery is not from whom it should be: sign it with a current secret."""


class BadPayload(ServiceError):
    """The body can never be processed: do not send it again as it is."""


class PayloadTooLarge(BadPayload):
    """The body is over the limit."""


class WrongContentType(BadPayload):
    """The body is not declared as JSON."""


class InvalidPayload(BadPayload):
    """The body is JSON, but not an event of `auth.users`."""


class Unauthorized(ServiceError):
    """The caller of the admin API did not show the admin key."""


class InvalidQuery(ServiceError):
    """The parameters of an admin's request do not fit; `fields` is {name: [what is wrong]}."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        super().__init__("invalid_query", "The parameters do not fit.")
        self.fields = fields


class EventNotFound(ServiceError):
    """The ledger has no such event, or none that can be replayed."""


class BadLink(ServiceError):
    """The link is not one that we signed."""


class ExpiredLink(ServiceError):
    """The link was ours, and is too old."""


class EmployeeNotFound(ServiceError):
    """There is no such employee."""

    def __init__(self) -> None:
        super().__init__("employee_not_found", "There is no such employee.")


class EmployeeRejected(ServiceError):
    """Employees' own rules refuse it. `facts` says which, as far as is known: {"sqlstate", "constraint", "column"}."""

    def __init__(self, detail: str, facts: dict[str, str | None]) -> None:
        super().__init__("employee_rejected", detail)
        self.facts = facts


class EmailTaken(ServiceError):
    """Somebody has that e-mail: `side` is employees or auth, `holder` who, as far as it is known
    ({"employee_id", "auth_user_id"}).
    """

    def __init__(self, side: str, holder: dict[str, int | str | None]) -> None:
        super().__init__("email_taken", f"The e-mail is taken on the side of {side}.")
        self.side = side
        self.holder = holder


class Unavailable(ServiceError):
    """Ask again later: the database could not be asked, or could not answer now. Nothing is half done."""

    retry_after = 5
    """seconds"""


class Conflict(Unavailable):
    """Something in this call was in another transaction's way: ask again at once, with less in one call."""


class AuthUnavailable(ServiceError):
    """Ask the Auth Admin API again later. The call may have been carried out all the same: read before deciding."""

    retry_after = 5.0
    """seconds"""


class AuthThrottled(AuthUnavailable):
    """Auth asks for a pause of `retry_after` seconds; this call was not carried out."""

    def __init__(self, reason: str, detail: str, retry_after: float) -> None:
        super().__init__(reason, detail)
        self.retry_after = retry_after


class AuthUncertain(AuthUnavailable):
    """Whether the auth user was created is not known, and may not be for some seconds."""


class AuthRefused(ServiceError):
    """The Auth Admin API will not do that, however often it is asked. `code` is its own (`validation_failed`)."""

    def __init__(self, reason: str, detail: str, code: str = "") -> None:
        super().__init__(reason, detail)
        self.code = code


class AuthUserNotFound(AuthRefused):
    """There is no such auth user."""


class AuthEmailExists(AuthRefused):
    """Another auth user has that e-mail."""


class DatabaseError(ServiceError):
    """The database refused the call; asking again will not help."""


class NotPossible(ServiceError):
    """The command cannot do that here, or not now; the detail says why."""


class MigrationError(ServiceError):
    """The database's schema cannot be brought to what this version needs; the detail says why and what to do."""
