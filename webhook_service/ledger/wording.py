"""What the ledger's words mean, for people: what happened, and what to do about it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Meaning:
    """`says` is a sentence; `todo` what an admin can do, "" where there is nothing to be done; `kind` as in KINDS."""

    kind: str
    says: str
    todo: str = ""


KINDS = {"done": "Changed something", "same": "Nothing to change", "waiting": "Waiting", "failed": "Failed"}

RETRIES = "It is tried again by itself; when it is given up, mend the cause and replay it."

EVENTS = {
    "linked": Meaning("done", "The auth user was linked to the employee."),
    "synced": Meaning("done", "What changed in Auth was copied to the employee."),
    "orphaned": Meaning(
        "done",
        "The auth user was deleted; the employee has no login any more.",
        "Give the employee another login, or switch the employee off.",
    ),
    "unchanged": Meaning("same", "The employee had it so already."),
    "unmatched": Meaning("same", "No employee matches this auth user yet; it is linked as soon as one does."),
    "unconfirmed": Meaning("same", "The e-mail is not confirmed, so nobody is linked by it."),
    "ignored": Meaning("same", "An anonymous auth user: it is nobody's."),
    "stale": Meaning("same", "Something newer is known already."),
    "duplicate": Meaning("same", "It had arrived before."),
    "ambiguous": Meaning(
        "failed",
        "Several employees match this auth user, and only one can have it.",
        "Choose the person on the page of the event, or mend the e-mail of the others.",
    ),
    "already_linked": Meaning(
        "failed",
        "The employee who matches is linked to another auth user; a link is never stolen.",
        "Find out which of the two logins is right, and delete the other one in Supabase.",
    ),
    "email_taken": Meaning(
        "failed",
        "Another employee has this e-mail, and employees' own rules allow it only once.",
        "Change the e-mail of the other employee, then replay this.",
    ),
    "employee_rejected": Meaning(
        "failed",
        "The employees table refused the values, by a rule or a trigger of its own.",
        "See its message; mend the rule or the value, then replay this.",
    ),
    "unreadable": Meaning("failed", "What was recorded cannot be read.", "See its message; run a reconcile."),
    "not_applied": Meaning("failed", "It could not be applied, for a reason of the database.", RETRIES),
}

ACTIONS = {
    "disabled": Meaning("done", "The login was banned and its sessions ended."),
    "enabled": Meaning("done", "The ban of the login was lifted."),
    "email_updated": Meaning("done", "The login has the employee's e-mail now."),
    "created": Meaning("done", "An employee was created together with a login."),
    "linked": Meaning("done", "An auth user that was there already was given to the employee."),
    "unchanged": Meaning("same", "Auth had it so already."),
    "stale": Meaning("same", "Something newer has overruled it."),
    "gone": Meaning("same", "There is no such auth user any more, so nobody can sign in."),
    "undone": Meaning("same", "Neither employee nor login was created."),
    "user_not_found": Meaning("failed", "Auth knows no such user.", "Run a reconcile: the link is out of date."),
    "email_taken": Meaning(
        "failed", "Another auth user has this e-mail.", "Change or delete the other auth user, then replay this."
    ),
    "auth_refused": Meaning("failed", "Auth refused the call.", "See its message, then replay this."),
    "auth_unavailable": Meaning("failed", "Auth did not answer.", RETRIES),
    "not_performed": Meaning("failed", "Auth said yes, but the user was not changed when it was read again.", RETRIES),
}

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

STATUSES = {"PENDING": "Waiting", "SUCCESS": "Done", "FAILED": "Failed"}

SYNC_STATUSES = {
    "OK": ("In step", "The employee and the login agree."),
    "MISSING_AUTH_UID": ("No login", "Works here, but has no login."),
    "INACTIVE_WITH_AUTH": ("Inactive with a login", "Does not work here any more, and the login is not banned yet."),
    "ORPHANED": ("Orphaned", "The login was deleted."),
    "EMAIL_MISMATCH": ("E-mail differs", "The login has another confirmed e-mail."),
    "AMBIGUOUS": ("Ambiguous", "A login matches this and other employees; an admin has to choose."),
}

UNKNOWN = Meaning("failed", "See its message.")
MAINTENANCE = Meaning("same", "A run of ours.")
PENDING = Meaning("waiting", "It waits for its turn.")


def meaning(direction: str, outcome: str | None) -> Meaning:
    """Of an outcome of an event (inbound) or an action (outbound); None is one that is still waiting."""
    if outcome is None:
        return PENDING
    if direction == "maintenance":
        return MAINTENANCE
    return (EVENTS if direction == "inbound" else ACTIONS).get(outcome, UNKNOWN)


def state(event: dict[str, object]) -> str:
    """Where an event stands, in a word or two."""
    if event["status"] == "FAILED":
        return "Given up" if event["next_attempt_at"] is None else "Failed, is tried again"
    return STATUSES[str(event["status"])]


def advice(outcome: str) -> str:
    """A sentence or two on a failure, of which it is not known whether it was an event's or an action's."""
    found = EVENTS.get(outcome) or ACTIONS.get(outcome) or UNKNOWN
    return f"{found.says} {found.todo}".rstrip()


def describe(seconds: float) -> str:
    """83 -> 1 min."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"
