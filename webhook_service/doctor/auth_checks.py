"""Doctor's checks of the outbound direction: the Auth Admin API, and the open actions.

The parameter `facts` is the result of `auth_sync_inspect_v1`.
"""

from collections.abc import Callable
from typing import TypeVar
from uuid import uuid4

from webhook_service.db.deadline import Deadline
from webhook_service.doctor.findings import RECONCILE, Finding, note, ok, wrong
from webhook_service.errors import AuthRefused, AuthUnavailable, Unavailable
from webhook_service.events import Json
from webhook_service.policy import Policy
from webhook_service.ports import AuthAdmin, AuthSettings
from webhook_service.wording.counts import counted

T = TypeVar("T")

AUTH_SECONDS = 3.0
"""The time limit of each call of Auth. Other calls of the service may wait longer."""

MAX_OVERDUE_SECONDS = 300
"""The longest acceptable wait of an action that is not part of a bulk."""


def reachable(admin: AuthAdmin | None) -> Finding:
    """Check that Auth responds to a request for a random id, which no auth user has.

    `admin` is None if the Auth Admin API is not configured. An error of Auth becomes a finding and is not raised.
    """
    if admin is None:
        todo = "set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY; until then a dismissed employee keeps the login"
        says = "the Auth Admin API is not configured: changes of employees are only recorded"
        return note("auth", f"{says}, and each confirmed e-mail counts as proven", todo)
    try:
        in_time(lambda: admin.get(uuid4()))
    except AuthUnavailable as error:
        todo = "check SUPABASE_URL, and Supabase's status; waiting actions are performed once Auth responds"
        return wrong("auth", f"the Auth Admin API does not respond ({error.reason}): {error.detail}", todo)
    except AuthRefused as error:
        todo = "check SUPABASE_SERVICE_ROLE_KEY"
        return wrong("auth", f"the Auth Admin API refuses this service ({error.reason}): {error.detail}", todo)
    return ok("auth", "the Auth Admin API responds")


def in_time(call: Callable[[], T]) -> T:
    """Call Auth, and return the result. Raises AuthUnavailable after AUTH_SECONDS, and the errors of the call."""
    deadline = Deadline(1, AUTH_SECONDS)
    try:
        return deadline.run(call)
    except Unavailable as error:
        raise AuthUnavailable("auth_unreachable", f"Auth did not answer within {AUTH_SECONDS:.0f} s.") from error
    finally:
        deadline.close()


def autoconfirm(auth: AuthSettings | None, facts: Json, policy: Policy) -> list[Finding]:
    """Check whether e-mails are proven, unless `reachable` has reported that nothing is known about Auth."""
    if auth is None and facts["autoconfirm"] is None:
        return []
    return [proof(auth, facts, policy)]


def proof(auth: AuthSettings | None, facts: Json, policy: Policy) -> Finding:
    """Check whether Auth confirms e-mails without proof (`mailer_autoconfirm`), and what the database knows of it.

    An error of Auth becomes a finding and is not raised.
    """
    stored, links = facts["autoconfirm"], policy.link_unproven_emails
    try:
        current = in_time(auth.confirms_without_proof) if auth is not None else None
    except (AuthUnavailable, AuthRefused):
        current = None
    if current is None and stored is None:
        todo = "if sign-ups need no confirmation (mailer_autoconfirm), set SUPABASE_URL and its key, or turn it off"
        return note("autoconfirm", "Auth's settings were never read: a confirmed e-mail counts as proven", todo)
    if current is not None and (current or stored) and (current, links) != (stored, facts["link_unproven"]):
        says = "the database does not have the settings of Auth"
        todo = "start a relay, which reads them every 5 minutes"
        return (wrong if current else note)("autoconfirm", says, todo, "webhook-service relay")
    if not (stored if current is None else current):
        return ok("autoconfirm", "Auth confirms an e-mail only with proof")
    if links:
        says = "anyone can sign up with an employee's e-mail and becomes that employee (LINK_UNPROVEN_EMAILS=on)"
        return note("autoconfirm", says, "turn on `Confirm email` in the project's Auth settings")
    todo = "turn on `Confirm email` in the project's Auth settings, then reconcile"
    says = "Auth confirms e-mails without proof: auth users are linked by employee number only"
    return note("autoconfirm", says, todo, RECONCILE)


def actions(facts: Json) -> list[Finding]:
    """Check for actions that wait too long or need attention."""
    counts = facts["actions"]
    overdue = counts["overdue_seconds"] or 0
    says = f"{counts['open']} to be performed"
    findings = [
        wrong(
            "actions",
            f"{says}, some for over {MAX_OVERDUE_SECONDS // 60} min",
            "check that a relay runs, and read its log",
        )
        if overdue > MAX_OVERDUE_SECONDS
        else ok("actions", says)
    ]
    if counts["needs_attention"]:
        one, many = "{count} failed, and is no longer retried", "{count} failed, and are no longer retried"
        says = counted(counts["needs_attention"], one, many)
        todo = "open the inbox (/admin/inbox), fix the cause, then try again"
        findings.append(wrong("actions", says, todo, "webhook-service replay EVENT_ID"))
    return findings


def held(facts: Json) -> list[Finding]:
    """Check for bans that wait for an admin. `held list` has the reasons."""
    if not facts["held_bans"]:
        return []
    todo = "read the list, then ban the logins (`held release`), or drop the bans (`held discard`)"
    says = counted(
        facts["held_bans"],
        "{count} waits for an admin: the employee was deactivated, and can still sign in",
        "{count} wait for an admin: the employees were deactivated, and can still sign in",
    )
    return [wrong("held_bans", says, todo, "webhook-service held list")]


def sessions(facts: Json) -> list[Finding]:
    """Check that the SQL functions may end sessions."""
    if facts.get("ends_sessions") is False:
        todo = "grant select, delete on auth.sessions to the owner of this service's functions"
        says = "a dismissal bans, but may not end sessions: they end when they are refreshed"
        return [note("sessions", says, todo)]
    return []
