"""The page /admin/auth-sync, with the current health, the events of the last hours, and the newest failures."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template

from webhook_service.events import Json
from webhook_service.ledger import employees, failing_loops, queries
from webhook_service.ledger.wording import relay_silence
from webhook_service.outbound import held
from webhook_service.web import Wiring
from webhook_service.web.pages import chart

NEWEST = 8
MAX_HELD = 20
HOURS = 24


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the health. `level` is good, warning or bad. `link` is a ledger status, "people" or ""."""

    level: str
    title: str
    says: str
    link: str = ""


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
            problems=problems,
            held=held.held(database, MAX_HELD),
            checks=checks(readiness, summary, problems, wiring.settings.notices.backlog_minutes * 60),
            chart=chart.of_hours(hours, HOURS, wiring.now()),
            failures=[event for event in failed if is_open_failure(event)][:NEWEST],
        )

    return views


def is_open_failure(event: Json) -> bool:
    """Return whether an admin may have to act. A run of reconcile cannot be replayed."""
    return event["direction"] != "maintenance" and event["dismissed_at"] is None


def checks(readiness: Json, summary: Json, problems: Json, longest_wait: float) -> list[Check]:
    """Return the checks of the health. The first check summarizes the other checks."""
    found = [
        relay_check(readiness["relay_last_run_seconds"], readiness["failing_loops"]),
        backlog_check(readiness["oldest_pending_seconds"], summary["events"]["PENDING"], longest_wait),
        failure_check(summary),
        drift_check(problems),
        *rights_checks(readiness["open_employees"]),
    ]
    levels = {check.level for check in found}
    if "bad" in levels:
        verdict = Check("bad", "Needs your attention", "The checks below say why.")
    elif "warning" in levels:
        verdict = Check("warning", "Working, with problems", "Events are processed, but some people need a decision.")
    else:
        verdict = Check("good", "All in sync", "Employees and logins agree, and events are processed.")
    return [verdict, *found]


def relay_check(seconds: float | None, failing: Sequence[Json] = ()) -> Check:
    if (silence := relay_silence(seconds)) is not None:
        return Check("bad", "Relay", f"No relay {silence}, so events that were not delivered are not applied.")
    if failing:
        others = f" Also failing: {failing_loops.names(failing[1:])}." if failing[1:] else ""
        return Check("bad", "Relay", f"{failing_loops.sentence(failing[0])}{others}")
    return Check("good", "Relay", "It runs, and applies events that were not delivered.")


def backlog_check(oldest: float | None, pending: int, longest_wait: float) -> Check:
    link = "PENDING"
    if oldest is None:
        return Check("good", "Waiting", "No event is waiting.")
    if oldest > longest_wait:
        return Check("bad", "Waiting", f"{pending:,} waiting, the oldest for {oldest / 60:.0f} min.", link)
    return Check("good", "Waiting", f"{pending:,} waiting, the oldest for {oldest:.0f} s.", link)


def failure_check(summary: Json) -> Check:
    failed, needs_attention = summary["events"]["FAILED"] - summary["dismissed"], summary["needs_attention"]
    if needs_attention:
        return Check("bad", "Failures", f"{needs_attention:,} of {failed:,} that failed need your attention.", "FAILED")
    if failed:
        return Check("warning", "Failures", f"{failed:,} failed, and are retried automatically.", "FAILED")
    return Check("good", "Failures", "None.")


def drift_check(problems: Json) -> Check:
    still_in, others = (
        problems["INACTIVE_WITH_AUTH"],
        sum(problems[name] for name in ("ORPHANED", "EMAIL_MISMATCH", "AMBIGUOUS", "UNUSABLE_EMAIL")),
    )
    if still_in:
        return Check(
            "bad", "People", f"{still_in:,} no longer work here, and their logins are not banned yet.", "people"
        )
    if others:
        return Check("warning", "People", f"{others:,} employees and logins do not agree.", "people")
    return Check("good", "People", "Dismissed employees cannot sign in; logins and employees agree.")


def rights_checks(problems: Sequence[Json]) -> list[Check]:
    """Return a check if roles may write employees that could take over logins. `problems`: see the SQL function."""
    if not problems:
        return []
    others = f" {len(problems) - 1} more: run `webhook-service doctor`." if problems[1:] else ""
    says = problems[0]["says"][:1].upper() + problems[0]["says"][1:]
    return [Check("bad", "Rights", f"{says}. Logins can be taken over.{others}")]
