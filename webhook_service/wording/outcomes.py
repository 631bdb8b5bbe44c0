"""The outcomes, operations and statuses of events and actions, and the steps that an admin can take."""

from dataclasses import dataclass

from webhook_service.wording.counts import counted


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of an outcome.

    `kind` is a key of KINDS. `says` is a sentence. `todo` is the advice to an admin, or "".
    """

    kind: str
    says: str
    todo: str = ""


KINDS = {"done": "Changed something", "same": "Nothing to change", "waiting": "Waiting", "failed": "Failed"}

RETRIES = "It is retried automatically. Once it is no longer retried, fix the cause and replay it."
RECONCILE = "Run `webhook-service reconcile`, which reads the login again."
READ_MESSAGE = "Read the message under Technical details, fix the cause, then replay this action."

EVENTS = {
    "linked": Meaning("done", "The login was linked to the employee."),
    "synced": Meaning("done", "The change in Auth was copied to the employee."),
    "orphaned": Meaning(
        "done",
        "The login was deleted, so the employee has no login now.",
        "Give the employee another login, or deactivate the employee.",
    ),
    "unchanged": Meaning("same", "The employee already had these values."),
    "unmatched": Meaning("same", "No employee matches this login yet. It is linked as soon as one does."),
    "unconfirmed": Meaning("same", "The e-mail is not confirmed, so the login is not linked to an employee."),
    "ignored": Meaning("same", "The login is anonymous, so it belongs to no employee."),
    "stale": Meaning("same", "A newer change was applied before."),
    "duplicate": Meaning("same", "It was applied before."),
    "ambiguous": Meaning(
        "failed",
        "Several employees match this login, and only one can have it.",
        "Choose the owner in the inbox or on this page, or correct the e-mail of the other employees."
        " If they are one person, see One person in several companies in docs/how-to/existing-table.md.",
    ),
    "already_linked": Meaning(
        "failed",
        "The matching employee has another login, and a link is never taken over.",
        "If both logins belong to one person, delete the login that is not used in Supabase. If they belong to two"
        " people, correct the e-mail of the wrong one, then replay this event.",
    ),
    "email_taken": Meaning(
        "failed",
        "Another employee has this e-mail, and the employees table allows it only once.",
        "Correct the e-mail of the person who has the wrong one, then replay this event.",
    ),
    "employee_rejected": Meaning(
        "failed",
        "A rule or a trigger of the employees table rejected this change.",
        "Correct the value, or change the rule or the trigger, then replay this event.",
    ),
    "unreadable": Meaning("failed", "The recorded event cannot be read.", RECONCILE),
    "not_applied": Meaning("failed", "The database could not save the change.", RETRIES),
}

ACTIONS = {
    "disabled": Meaning("done", "The login was banned and its sessions ended."),
    "enabled": Meaning("done", "The ban of the login was lifted."),
    "email_updated": Meaning("done", "The login has the employee's e-mail now."),
    "created": Meaning("done", "An employee was created together with a login."),
    "linked": Meaning("done", "The employee was linked to an existing login."),
    "unchanged": Meaning("same", "The login had these values already."),
    "stale": Meaning("same", "A newer change has replaced it."),
    "gone": Meaning("same", "The login no longer exists, so it cannot sign in."),
    "undone": Meaning("same", "Neither an employee nor a login was created."),
    "user_not_found": Meaning("failed", "Supabase does not know this login.", RECONCILE),
    "email_taken": Meaning(
        "failed",
        "Another login has this e-mail.",
        "Correct the e-mail of the person who has the wrong one, then replay this action. Delete a login only if nobody"
        " uses it.",
    ),
    "auth_refused": Meaning(
        "failed",
        "Supabase refused the change.",
        READ_MESSAGE,
    ),
    "auth_unavailable": Meaning("failed", "Supabase did not answer.", RETRIES),
    "not_performed": Meaning("failed", "Supabase accepted the change, but did not keep it.", RETRIES),
    "changed_by_client": Meaning(
        "failed",
        "A user wrote the employee's e-mail or login without proof.",
        "If it is right, approve it on the action's page, or replay the action. If not, drop it there.",
    ),
}

LABELS = {
    "pending": "Waiting",
    "linked": "Linked",
    "synced": "Copied",
    "unchanged": "No change",
    "orphaned": "Login deleted",
    "unmatched": "No employee yet",
    "unconfirmed": "E-mail not confirmed",
    "ignored": "Anonymous",
    "stale": "Outdated",
    "duplicate": "Applied before",
    "ambiguous": "Several matches",
    "already_linked": "Employee has another login",
    "email_taken": "E-mail in use",
    "employee_rejected": "Rejected by a database rule",
    "unreadable": "Unreadable",
    "not_applied": "Not applied",
    "disabled": "Login banned",
    "enabled": "Ban lifted",
    "email_updated": "E-mail set",
    "created": "Created",
    "gone": "Login gone",
    "undone": "Undone",
    "user_not_found": "Login not found",
    "auth_refused": "Refused by Supabase",
    "auth_unavailable": "Supabase did not answer",
    "not_performed": "Not kept by Supabase",
    "changed_by_client": "Waits for approval",
    "asked_again": "Requested again",
    "reconciled": "Compared",
    "incomplete": "Not complete",
    "interrupted": "Interrupted",
}
"""The outcomes in words for people. The slugs stay the values of filters, of the API and of the metrics."""

OPERATIONS = {
    "INSERT": "Signed up",
    "UPDATE": "Changed",
    "DELETE": "Deleted",
    "disable_auth_user": "Ban the login",
    "enable_auth_user": "Lift the ban",
    "update_auth_email": "Change the login's e-mail",
    "create_auth_user": "Create a login",
    "reconcile": "Reconcile",
}

DIRECTIONS = {"inbound": "from Auth", "outbound": "changes in Auth"}

STATUSES = {"PENDING": "Waiting", "SUCCESS": "Done", "FAILED": "Failed"}

UNKNOWN = Meaning("failed", "The reason is under Technical details.")
MAINTENANCE = Meaning("same", "A run of reconcile, which compares all employees with all logins.")
PENDING = Meaning("waiting", "It waits for its turn.")


def meaning(direction: str, outcome: str | None) -> Meaning:
    """Return the meaning of an outcome. The outcome of a pending row is None.

    `direction` is `inbound` (events), `outbound` (actions) or `maintenance` (runs of reconcile).
    """
    if outcome is None:
        return PENDING
    if direction == "maintenance":
        return MAINTENANCE
    return (EVENTS if direction == "inbound" else ACTIONS).get(outcome, UNKNOWN)


def label(outcome: str | None) -> str:
    """Return an outcome in words, or a dash if there is none yet."""
    return LABELS.get(outcome, outcome) if outcome is not None else "–"


def state(event: dict[str, object]) -> str:
    """Return the status of an event or action in a few words. `event` is a row of `ledger.queries.events`."""
    if event["status"] == "FAILED" and event.get("dismissed_at") is not None:
        return "Dismissed"
    if event["status"] == "FAILED":
        return "Needs attention" if event["next_attempt_at"] is None else "Retrying"
    changes = event.get("changes")
    if event["status"] == "PENDING" and isinstance(changes, dict) and "sessions_end_again_at" in changes:
        return "Banned, sessions end again"
    return STATUSES[str(event["status"])]


def advice(outcome: str) -> str:
    """Explain a failure of an event or an action in a sentence or two."""
    found = EVENTS.get(outcome) or ACTIONS.get(outcome) or UNKNOWN
    return f"{found.says} {found.todo}".rstrip()


def attempts(status: str, count: int) -> str:
    """Return the number of attempts in words."""
    if status == "SUCCESS":
        return counted(count or 1, "Done at the first attempt.", "Done after {count} attempts.")
    if not count:
        return "Not tried yet."
    return counted(count, "Tried once so far.", "Tried {count} times so far.")
