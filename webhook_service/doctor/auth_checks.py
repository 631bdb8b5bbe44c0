"""What doctor finds about the other direction: the Auth Admin API, and the actions that wait for it."""

from uuid import uuid4

from webhook_service.doctor.findings import Finding, note, ok, wrong
from webhook_service.errors import AuthRefused, AuthUnavailable
from webhook_service.events import Json
from webhook_service.ports import AuthAdmin

MAX_OVERDUE = 300
"""Seconds that an action of a small statement may wait."""


def auth(admin: AuthAdmin | None, facts: Json) -> list[Finding]:
    """`admin` is None where none is configured."""
    return [reachable(admin), *actions(facts), *sessions(facts)]


def reachable(admin: AuthAdmin | None) -> Finding:
    """Asks for a user that cannot be there."""
    if admin is None:
        todo = "set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY; until then a dismissed employee keeps the login"
        return note("auth", "the Auth Admin API is not configured: changes of employees are only noted", todo)
    try:
        admin.get(uuid4())
    except AuthUnavailable as error:
        todo = "see SUPABASE_URL, and Supabase's status; what waits is performed once it answers"
        return wrong("auth", f"the Auth Admin API does not answer ({error.reason})", todo)
    except AuthRefused as error:
        return wrong("auth", f"the Auth Admin API refuses us ({error.reason})", "see SUPABASE_SERVICE_ROLE_KEY")
    return ok("auth", "the Auth Admin API answers")


def actions(facts: Json) -> list[Finding]:
    counts = facts["actions"]
    overdue = counts["overdue_seconds"] or 0
    says = f"{counts['open']} to be performed"
    findings = [
        wrong("actions", f"{says}, some for over {MAX_OVERDUE // 60} min", "see that a relay runs, and what it logs")
        if overdue > MAX_OVERDUE
        else ok("actions", says)
    ]
    if counts["needs_attention"]:
        todo = "see /admin/api/events?status=FAILED, mend the cause, `webhook-service replay EVENT_ID`"
        findings.append(wrong("actions", f"{counts['needs_attention']} have failed and wait for an admin", todo))
    return findings


def sessions(facts: Json) -> list[Finding]:
    if facts.get("ends_sessions") is False:
        todo = "grant select, delete on auth.sessions to the owner of our functions"
        return [note("sessions", "a dismissal bans, but may not end sessions: they die as they are refreshed", todo)]
    return []
