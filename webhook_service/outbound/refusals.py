"""Why the database refuses to create an employee with a login, or to change one: its answer -> our error."""

from webhook_service.errors import (
    EmailTaken,
    EmployeeNotFound,
    EmployeeRejected,
    InvalidQuery,
    NotPossible,
    Unavailable,
)
from webhook_service.events import Json

NO_AUTH_ADMIN = "no_auth_admin"
REFUSALS = {
    "has_login": "The employee has a login.",
    "inactive": "The employee is not active.",
    "login_not_found": "Auth has no user with this e-mail.",
    "login_taken": "The login is another employee's.",
    "unconfirmed": "The login's e-mail is not confirmed yet, so nobody knows whose it is.",
    "under_way": "Somebody creates a login for this employee at this moment.",
}


def no_auth_admin() -> NotPossible:
    detail = "The Auth Admin API is not configured: set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY."
    return NotPossible(NO_AUTH_ADMIN, detail)


def accepted(answer: Json) -> Json:
    """The database's answer, where that is not a refusal."""
    refused = answer.get("refused")
    if refused is None:
        return answer
    if refused == "email_taken":
        raise EmailTaken(answer["side"], {name: answer.get(name) for name in ("employee_id", "auth_user_id")})
    if refused == "employee_rejected":
        facts = {name: answer.get(name) for name in ("sqlstate", "constraint", "column")}
        raise EmployeeRejected("The employees table refuses it.", facts)
    if refused == "unknown_fields":
        raise InvalidQuery({name: ["Unknown field."] for name in answer["fields"]})
    if refused == "employee_not_found":
        raise EmployeeNotFound
    if refused == "lease_lost":
        raise Unavailable("lease_lost", "It took too long; the relay finishes or undoes it.")
    raise NotPossible(refused, REFUSALS[refused])
