"""The texts that explain outcomes and statuses to people, and the steps that an admin can take."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from webhook_service.events import Json


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

EVENTS = {
    "linked": Meaning("done", "The auth user was linked to the employee."),
    "synced": Meaning("done", "The change in Auth was copied to the employee."),
    "orphaned": Meaning(
        "done",
        "The auth user was deleted; the employee no longer has a login.",
        "Give the employee another login, or deactivate the employee.",
    ),
    "unchanged": Meaning("same", "The employee already had these values."),
    "unmatched": Meaning("same", "No employee matches this auth user yet; it is linked as soon as one does."),
    "unconfirmed": Meaning("same", "The e-mail is not confirmed, so it links no employee."),
    "ignored": Meaning("same", "The auth user is anonymous, so it belongs to no employee."),
    "stale": Meaning("same", "A newer change was applied before."),
    "duplicate": Meaning("same", "It was applied before."),
    "ambiguous": Meaning(
        "failed",
        "Several employees match this auth user, and only one can have it.",
        "Choose the person on the event's page, or correct the e-mail of the other employees."
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
        "Correct the value, the rule or the trigger, then replay this event.",
    ),
    "unreadable": Meaning("failed", "The recorded event cannot be read.", "Read the error, then run a reconcile."),
    "not_applied": Meaning("failed", "The database could not apply it.", RETRIES),
}

ACTIONS = {
    "disabled": Meaning("done", "The login was banned and its sessions ended."),
    "enabled": Meaning("done", "The ban of the login was lifted."),
    "email_updated": Meaning("done", "The login has the employee's e-mail now."),
    "created": Meaning("done", "An employee was created together with a login."),
    "linked": Meaning("done", "The employee was linked to an existing auth user."),
    "unchanged": Meaning("same", "Auth already had these values."),
    "stale": Meaning("same", "A newer change has replaced it."),
    "gone": Meaning("same", "The auth user no longer exists, so it cannot sign in."),
    "undone": Meaning("same", "Neither employee nor login was created."),
    "user_not_found": Meaning("failed", "Auth has no such user.", "Run a reconcile: the link is out of date."),
    "email_taken": Meaning(
        "failed",
        "Another login has this e-mail.",
        "Correct the e-mail of the person who has the wrong one, then replay this action. Delete a login only if nobody"
        " uses it.",
    ),
    "auth_refused": Meaning("failed", "Auth refused the call.", "Read the error, fix it, then replay this action."),
    "auth_unavailable": Meaning("failed", "Auth did not respond.", RETRIES),
    "not_performed": Meaning("failed", "Auth accepted the change, but did not keep it.", RETRIES),
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

COLUMNS = {
    "email": "E-mail",
    "first_name": "First name",
    "last_name": "Last name",
    "employee_number": "Number",
    "auth_user_id": "Login",
    "orphaned_at": "Login deleted",
    "orphaned_auth_user_id": "Deleted login",
}
"""The columns of employees in words for people."""

DIRECTIONS = {"inbound": "from Auth", "outbound": "changes in Auth"}

STATUSES = {"PENDING": "Waiting", "SUCCESS": "Done", "FAILED": "Failed"}

SYNC_STATUSES = {
    "OK": ("In sync", "The employee and the login agree."),
    "MISSING_AUTH_UID": ("No login", "The employee is active, but has no login."),
    "INACTIVE_WITH_AUTH": ("Can still sign in", "The employee is inactive, and the login is not banned yet."),
    "ORPHANED": ("Login deleted", "The employee's login was deleted."),
    "EMAIL_MISMATCH": ("E-mail differs", "The login has another confirmed e-mail."),
    "AMBIGUOUS": ("Several matches", "A login matches this employee and others; an admin must choose."),
    "UNUSABLE_EMAIL": (
        "Unusable e-mail",
        "The employee has no login, and the e-mail cannot be the address of one; correct it in the employees table.",
    ),
}

LOGIN_RESULTS = {
    "none": "there is no login",
    "done": None,
    "held": "the ban waits for an admin",
    "queued": "the login follows",
    "failed": "the login could not be changed",
}
"""The audit's words for the login, by the `login` of `outbound.employee_changes.Switched`."""

LONGEST_ACT = timedelta(minutes=5)
"""An act without a result is in progress for this time. After that, its process has probably ended."""

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

AUTH_FAILURES = {
    "auth_key_refused": "Supabase refuses the key of this service",
    "no_auth_admin": "the Auth Admin API is not configured",
}
"""Why Auth does not perform a change, by the reason of the failure."""

NO_ANSWER = "Supabase does not answer"

UNKNOWN = Meaning("failed", "Read the error.")
MAINTENANCE = Meaning("same", "A reconcile run.")
PENDING = Meaning("waiting", "It is waiting for its turn.")


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
    return LABELS.get(outcome, outcome.replace("_", " ")) if outcome is not None else "–"


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


def audit_result(entry: Mapping[str, Json], now: datetime) -> str:
    """Return the result of an admin's act. `entry` is an entry of `auth_sync_audit_page_v1`."""
    result, reason = entry["result"], entry["reason"] or ""
    reason = LABELS.get(reason, reason)
    if result == "pending":
        return "In progress" if now - datetime.fromisoformat(entry["at"]) < LONGEST_ACT else "Not known"
    title = {"done": "Done", "refused": "Refused"}.get(result, "Not known")
    return f"{title}: {reason}" if reason else title


def advice(outcome: str) -> str:
    """Explain a failure of an event or an action in a sentence or two."""
    found = EVENTS.get(outcome) or ACTIONS.get(outcome) or UNKNOWN
    return f"{found.says} {found.todo}".rstrip()


def counted(count: int, noun: str) -> str:
    """Format a count and a noun: 1000, "event" -> "1,000 events"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def describe(seconds: float) -> str:
    """Format a duration in whole units: 83 -> "1 min"."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


MAX_RELAY_SILENCE_SECONDS = 120
"""The longest time without a pass of a relay that is not a finding."""


def relay_silence(seconds: float | None) -> str | None:
    """Say that no relay "has ever run" or "has run for 5 min", or return None if one has run recently.

    `seconds` is the time since the last pass of a relay, or None if there was none.
    """
    if seconds is None:
        return "has ever run"
    return f"has run for {describe(seconds)}" if seconds > MAX_RELAY_SILENCE_SECONDS else None
