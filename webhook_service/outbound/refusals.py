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
from webhook_service.wording.employees import MANAGED, REJECTED, REJECTED_BY_RULE

NO_AUTH_ADMIN = "no_auth_admin"
GENERATED = "428C9"
"""The SQLSTATE of an attempt to write a generated column."""
REFUSALS = {
    "has_login": "The employee has a login already. Take it away first.",
    "inactive": "The employee is not active. Activate the employee first.",
    "linked_again": "Only this employee matches the login, so it would be linked again. Correct the e-mail first.",
    "login_changed": "The employee does not have this login any more. Reload the page.",
    "login_not_found": "Supabase has no login with this e-mail or id. Correct it, or create a new login.",
    "login_taken": "The login belongs to another employee. Take it away from that employee first.",
    "unconfirmed": "The e-mail of the login is not confirmed yet, so its owner is unknown. Try again when it is.",
    "under_way": "Another request is creating a login for this employee. Reload the page in a minute.",
}


def no_auth_admin() -> NotPossible:
    """Return the error for a service in which the Auth Admin API is not configured."""
    detail = "The Auth Admin API is not configured: set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY."
    return NotPossible(NO_AUTH_ADMIN, detail)


def accepted(answer: Json) -> Json:
    """Return the database's result, unless it is a refusal: `{"refused": reason, ...}`.

    Raises EmailTaken, EmployeeRejected, InvalidQuery (unknown columns), EmployeeNotFound, Unavailable (`lease_lost`),
    NotPossible (`managed_by_directory`, and the reasons in REFUSALS).
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
        rule = facts["constraint"]
        raise EmployeeRejected(REJECTED if rule is None else REJECTED_BY_RULE.format(rule=rule), facts)
    if refused == "unknown_fields":
        raise InvalidQuery({name: ["Unknown field."] for name in answer["fields"]})
    if refused == "employee_not_found":
        raise EmployeeNotFound
    if refused == "lease_lost":
        raise Unavailable("lease_lost", "The request took too long; the relay finishes or undoes it.")
    if refused == "managed_by_directory":
        raise NotPossible(refused, MANAGED.format(name=answer["name"]))
    raise NotPossible(refused, REFUSALS[refused])
