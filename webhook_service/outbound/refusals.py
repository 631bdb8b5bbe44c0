"""Maps the database's refusals to create or change an employee with a login to errors."""

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
GENERATED = "428C9"
"""The SQLSTATE of an attempt to write a generated column."""
REFUSALS = {
    "has_login": "The employee has a login.",
    "inactive": "The employee is not active.",
    "linked_again": "Only this employee matches the login, so it would be linked again. Correct the e-mail first.",
    "login_changed": "The employee does not have this login any more.",
    "login_not_found": "Auth has no user with this e-mail.",
    "login_taken": "The login belongs to another employee.",
    "unconfirmed": "The login's e-mail is not confirmed yet, so its owner is unknown.",
    "under_way": "Another request is creating a login for this employee.",
}


def no_auth_admin() -> NotPossible:
    """Return the error for a service in which the Auth Admin API is not configured."""
    detail = "The Auth Admin API is not configured: set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY."
    return NotPossible(NO_AUTH_ADMIN, detail)


def accepted(answer: Json) -> Json:
    """Return the database's result, unless it is a refusal: `{"refused": reason, ...}`.

    Raises EmailTaken, EmployeeRejected, InvalidQuery (unknown columns), EmployeeNotFound, Unavailable (`lease_lost`),
    NotPossible (the reasons in REFUSALS).
    """
    refused = answer.get("refused")
    if refused is None:
        return answer
    if refused == "email_taken":
        raise EmailTaken(answer["side"], {name: answer.get(name) for name in ("employee_id", "auth_user_id")})
    if refused == "employee_rejected":
        facts = {name: answer.get(name) for name in ("sqlstate", "constraint", "column")}
        if facts["sqlstate"] == GENERATED:
            detail = "is_active is generated in employees. Change the columns from which it is generated."
            raise EmployeeRejected(detail, facts | {"column": "is_active"})
        raise EmployeeRejected("The employees table refuses the change.", facts)
    if refused == "unknown_fields":
        raise InvalidQuery({name: ["Unknown field."] for name in answer["fields"]})
    if refused == "employee_not_found":
        raise EmployeeNotFound
    if refused == "lease_lost":
        raise Unavailable("lease_lost", "The request took too long; the relay finishes or undoes it.")
    raise NotPossible(refused, REFUSALS[refused])
