"""The page /admin/auth-sync, with the current health, the events of the last hours, and the newest failures."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template

from webhook_service.doctor import checks as doctor_checks
from webhook_service.doctor import relay_checks
from webhook_service.doctor.findings import Level
from webhook_service.events import Json
from webhook_service.ledger import comparison, employees, failing_loops, queries
from webhook_service.ledger.wording import AUTH_FAILURES, NO_ANSWER, SYNC_STATUSES, counted, describe, relay_silence
from webhook_service.outbound import held
from webhook_service.outbound.held import Reason
from webhook_service.web import Wiring
from webhook_service.web.pages import chart

NEWEST = 8
MAX_HELD = 20
HOURS = 24

INBOX = (("/admin/inbox", "Open the inbox"),)
NEEDS_ATTENTION = "/admin/events?needs_attention=true"
RETRIED = "/admin/events?status=FAILED&open=true"
OPEN = "/admin/events?open=true"
OPEN_ACTIONS = "/admin/events?open=true&direction=outbound"
"""The pages that list what a check counts."""

NOT_COMPARED = (
    "Employees and logins have not been compared since the installation, so a dismissed employee may still be able to"
    " sign in. Compare them now."
)


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the health. `level` is good, warning or bad.

    `links` are (path, text) of the pages that list what the check counts. `can_compare` shows the button that compares.
    `headline` is a bad check in a few words, for the line at the top.
    """

    level: str
    title: str
    says: str
    links: tuple[tuple[str, str], ...] = ()
    can_compare: bool = False
    headline: str = ""


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("overview", __name__, url_prefix="/admin")
    database = wiring.database

    @views.get("/auth-sync")
    def page() -> str:
        summary, problems = queries.summary(database), employees.problems(database)
        hours = queries.hours(database, HOURS)
        failed = queries.search(database, {"status": "FAILED"}, below=None, limit=3 * NEWEST)["events"]
        readiness = database.call("auth_sync_readiness_v1")
        return render_template(
            "overview.html",
            summary=summary,
            needs_setup=needs_setup(readiness),
            problems=problems,
            held={reason: held.held(database, MAX_HELD, reason) for reason in Reason},
            checks=checks(
                readiness,
                summary,
                problems,
                wiring.settings.notices.backlog_minutes * 60,
                has_auth=wiring.accounts is not None,
            ),
            chart=chart.of_hours(hours, HOURS, wiring.now()),
            failures=[event for event in failed if is_open_failure(event)][:NEWEST],
        )

    return views


def is_open_failure(event: Json) -> bool:
    """Return whether an admin may have to act. A run of reconcile cannot be replayed."""
    return event["direction"] != "maintenance" and event["dismissed_at"] is None


def needs_setup(readiness: Json) -> bool:
    """Return whether nothing was compared yet, no relay runs, or other roles may take over logins."""
    findings = [relay_checks.relay_runs(readiness), *doctor_checks.employees_rights(readiness)]
    return comparison.is_missing(readiness["comparison"]) or any(each.level is Level.WRONG for each in findings)


def checks(readiness: Json, summary: Json, problems: Json, longest_wait: float, *, has_auth: bool) -> list[Check]:
    """Return the checks of the health. The first check summarizes the other checks.

    `has_auth` says whether the Auth Admin API is configured.
    """
    compared = readiness["comparison"]
    found = [
        relay_check(readiness["relay_last_run_seconds"], readiness["failing_loops"]),
        auth_check(readiness["auth"], has_auth=has_auth),
        backlog_check(
            readiness["oldest_pending_seconds"], readiness["pending_events"], readiness["auth"], longest_wait
        ),
        failure_check(summary),
        *comparison_checks(compared),
        drift_check(problems, compared),
        *rights_checks(readiness["open_employees"]),
    ]
    levels = {check.level for check in found}
    if "bad" in levels:
        first, *others = [check.headline for check in found if check.level == "bad"]
        verdict = Check("bad", first, f"{'; '.join(others)}." if others else "The checks below say more.", INBOX)
    elif comparison.is_missing(compared):
        verdict = Check("warning", "Not compared yet", NOT_COMPARED)
    elif "warning" in levels:
        verdict = Check("warning", "Working, with problems", "The checks below say which.", INBOX)
    else:
        verdict = Check("good", "All in sync", "Employees and logins agree, and events are processed.")
    return [verdict, *found]


def relay_check(seconds: float | None, failing: Sequence[Json] = ()) -> Check:
    if (silence := relay_silence(seconds)) is not None:
        return Check(
            "bad",
            "Relay",
            f"No relay {silence}, so events that were not delivered are not applied.",
            headline="No relay runs",
        )
    if failing:
        others = f" Also failing: {failing_loops.names(failing[1:])}." if failing[1:] else ""
        return Check("bad", "Relay", f"{failing_loops.sentence(failing[0])}{others}", headline="The relay fails")
    return Check("good", "Relay", "It runs, and applies events that were not delivered.")


def auth_check(auth: Json, *, has_auth: bool) -> Check:
    """Return the check of Supabase Auth, from the last calls of all processes."""
    title, changes = "Supabase Auth", counted(auth["waiting"], "login change")
    links = ((OPEN_ACTIONS, "Show what waits"),) if auth["waiting"] else ()
    if not has_auth and auth["waiting"]:
        return Check("warning", title, f"Not configured, so {changes} will not be made.", links)
    if not has_auth:
        return Check("good", title, "Not configured.")
    if auth["failing_seconds"] is not None:
        why = f"{AUTH_FAILURES.get(str(auth['failure']), NO_ANSWER)} for {describe(auth['failing_seconds'])}."
        if not auth["waiting"]:
            return Check("warning", title, f"{why} It is called again.")
        verb = "waits" if auth["waiting"] == 1 else "wait"
        return Check("warning", title, f"{why} {changes} {verb}. Dismissed employees may still sign in.", links)
    if auth["answered_seconds"] is None:
        return Check("good", title, "It was not called yet.")
    return Check("good", title, f"It answers. Last recorded answer: {describe(auth['answered_seconds'])} ago.")


def backlog_check(oldest: float | None, events: int, auth: Json, longest_wait: float) -> Check:
    """Return the check of the events and the changes of logins that wait."""
    actions = int(auth["waiting"])
    if not events and not actions:
        return Check("good", "Waiting", "Nothing waits.")
    parts = [counted(events, "event")] if events else []
    parts += [counted(actions, "login change")] if actions else []
    age = max(oldest or 0, auth["waiting_seconds"] or 0)
    is_amber = age > longest_wait or (actions and auth["failing_seconds"] is not None)
    level = "bad" if (oldest or 0) > longest_wait else "warning" if is_amber else "good"
    says = f"{' and '.join(parts)} waiting, the oldest for {describe(age)}."
    return Check(level, "Waiting", says, ((OPEN, "Show"),), headline="Events wait too long")


def failure_check(summary: Json) -> Check:
    failed, needs_attention = summary["events"]["FAILED"] - summary["dismissed"], summary["needs_attention"]
    if needs_attention:
        headline = f"{counted(needs_attention, 'event')} {'need' if needs_attention != 1 else 'needs'} a decision"
        return Check("bad", "Failures", f"{headline}.", ((NEEDS_ATTENTION, "Show"),), headline=headline)
    if failed:
        return Check("warning", "Failures", f"{failed:,} failed, and are retried.", ((RETRIED, "Show"),))
    return Check("good", "Failures", "None.")


def comparison_checks(compared: Json) -> list[Check]:
    """Return the check of the last comparison, unless this database has no auth.users to compare with."""
    if not compared["can_compare"]:
        return []
    show = (("/admin/comparison", "Show"),)
    if compared["seconds"] is None:
        return [Check("warning", "Comparison", "Employees and logins were never compared.", (), can_compare=True)]
    age = f"{describe(compared['seconds'])} ago"
    if compared["is_dry"] and compared["count"]:
        return [
            Check(
                "warning", "Comparison", f"{age}: {counted(compared['count'], 'difference')}, not corrected yet.", show
            )
        ]
    if compared["seconds"] > comparison.OLD_SECONDS:
        return [Check("warning", "Comparison", f"The last one was {age}.", show, can_compare=True)]
    return [Check("good", "Comparison", f"The last one was {age}.", show)]


def drift_check(problems: Json, compared: Json) -> Check:
    if still_in := problems["INACTIVE_WITH_AUTH"]:
        headline = f"{counted(still_in, 'former employee')} can still sign in"
        links: tuple[tuple[str, str], ...] = ((people_with("INACTIVE_WITH_AUTH"), "Show"),)
        return Check("bad", "People", f"{headline}: not banned yet.", links, headline=headline)
    names = [name for name in ("ORPHANED", "EMAIL_MISMATCH", "AMBIGUOUS", "UNUSABLE_EMAIL") if problems[name]]
    if names:
        links = tuple((people_with(name), f"{SYNC_STATUSES[name][0]}: {problems[name]:,}") for name in names)
        return Check("warning", "People", "Some employees and logins do not agree.", links)
    if comparison.is_missing(compared):
        return Check("warning", "People", "Not known before the first comparison.")
    return Check("good", "People", "Dismissed employees cannot sign in; logins and employees agree.")


def people_with(sync_status: str) -> str:
    return f"/admin/employees?sync_status={sync_status}"


def rights_checks(problems: Sequence[Json]) -> list[Check]:
    """Return a check if roles may write employees that could take over logins. `problems`: see the SQL function."""
    if not problems:
        return []
    others = f" {len(problems) - 1} more: run `webhook-service doctor`." if problems[1:] else ""
    says = problems[0]["says"][:1].upper() + problems[0]["says"][1:]
    return [Check("bad", "Rights", f"{says}. Logins can be taken over.{others}", headline="Logins can be taken over")]
