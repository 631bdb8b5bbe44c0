"""The words about changes of several employees, who were chosen in the list."""

from webhook_service.wording.counts import counted

TITLES = {"create": "Create logins", "deactivate": "Deactivate", "activate": "Activate"}
QUESTIONS = {
    "create": ("Create a login for {count} employee?", "Create logins for {count} employees?"),
    "deactivate": ("Deactivate {count} employee?", "Deactivate {count} employees?"),
    "activate": ("Activate {count} employee?", "Activate {count} employees?"),
}
WORKING = {
    "create": ("Creating a login for {count} employee…", "Creating logins for {count} employees…"),
    "deactivate": ("Deactivating {count} employee…", "Deactivating {count} employees…"),
    "activate": ("Activating {count} employee…", "Activating {count} employees…"),
}
DONE = {
    "create": "Create logins: {done} of {count} done",
    "deactivate": "Deactivate: {done} of {count} done",
    "activate": "Activate: {done} of {count} done",
}

MISFITS = {
    "active": "already active",
    "inactive": "already inactive",
    "not_active": "inactive. Activate the employee first",
    "has_login": "there is a login already",
    "no_email": "there is no e-mail. Enter one first",
    "same_email": "another chosen employee has the same e-mail. Correct one of them first",
}
"""Why an employee is not changed."""
NOT_CHANGED = "Not changed: {why}."


def question(act: str, count: int) -> str:
    return counted(count, *QUESTIONS[act])


def working(act: str, count: int) -> str:
    return counted(count, *WORKING[act])


def not_changed(count: int, why: str) -> str:
    """Say how many of the chosen employees are not changed. `why` is one of MISFITS."""
    one = "{count} of the chosen employees is not changed: {why}."
    return counted(count, one, "{count} of the chosen employees are not changed: {why}.", why=why)
