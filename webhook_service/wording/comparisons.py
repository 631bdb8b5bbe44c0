"""The words about comparisons of employees with logins, and about runs of reconcile."""

from webhook_service.wording.counts import counted, describe

DIFFERENCES = {
    "unknown": "Login that was never seen before",
    "deleted": "Login that was deleted",
    "email": "Another e-mail in Auth",
    "ban": "Another ban in Auth",
    "changed": "Other values in Auth",
    "orphan": "Employee whose login was deleted",
    "missing_link": "Login that fits an employee, without a link",
    "stale_email": "E-mail that was not copied to the employee",
    "not_disabled": "Inactive employee whose login is not banned",
    "not_enabled": "Active employee whose login is still banned",
    "email_not_sent": "E-mail that was not set in Auth",
    "employee_gone": "Deleted employee whose login is not banned",
}
"""The kinds of differences that a comparison finds."""

PLANNED = {
    "ban": "Login is banned",
    "undecided": "Needs a decision",
    "orphan": "Loses a login that was deleted",
    "link": "Gets the login",
    "email": "Gets another e-mail",
    "auth_email": "Login gets another e-mail",
    "unban": "Ban of the login is lifted",
    "name": "Gets another name",
}
"""The effects of a run of reconcile, by the kinds of `ledger.plan`, the most important first."""


def compared(users: int, seconds: float) -> str:
    """Say how many logins were compared, and when."""
    one = "{age} ago, the employees were compared with {count} login."
    return counted(users, one, "{age} ago, the employees were compared with {count} logins.", age=describe(seconds))


def found(count: int, *, is_dry: bool) -> str:
    """Say what a comparison (`is_dry`) or a run has found. The text between ** is emphasized."""
    if not count:
        return "They agreed."
    if is_dry:
        one = "The comparison found {count} difference, **not corrected yet**."
        return counted(count, one, "The comparison found {count} differences, **not corrected yet**.")
    return counted(
        count,
        "The run found {count} difference, and corrected it if it could.",
        "The run found {count} differences, and corrected what it could.",
    )
