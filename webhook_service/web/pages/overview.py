"""The page /admin/auth-sync, with the current health, the events of the last hours, and the newest failures."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template

from webhook_service.doctor import checks as doctor_checks
from webhook_service.doctor import relay_checks
from webhook_service.doctor.findings import Level
from webhook_service.events import Json
from webhook_service.ledger import comparison, employees, failing_loops, queries
from webhook_service.outbound import held
from webhook_service.outbound.held import Reason
from webhook_service.web import Wiring
from webhook_service.web.pages import chart
from webhook_service.wording import health as words
from webhook_service.wording.counts import describe, relay_silence
from webhook_service.wording.employees import AUTH_FAILURES, NO_ANSWER, SYNC_STATUSES

NEWEST = 8
MAX_HELD = 20
HOURS = 24

INBOX = (("/admin/inbox", words.OPEN_INBOX),)
NEEDS_ATTENTION = "/admin/events?needs_attention=true"
RETRIED = "/admin/events?status=FAILED&open=true"
OPEN = "/admin/events?open=true"
OPEN_ACTIONS = "/admin/events?open=true&direction=outbound"
"""The pages that list what a check counts."""


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
        says = " ".join(f"{headline}." for headline in others) or words.SEE_MORE
        verdict = Check("bad", first, says, INBOX)
    elif comparison.is_missing(compared):
        verdict = Check("warning", words.NOT_COMPARED, words.COMPARE_NOW)
    elif "warning" in levels:
        verdict = Check("warning", words.WITH_PROBLEMS, words.SEE_CHECKS, INBOX)
    else:
        verdict = Check("good", words.ALL_IN_SYNC, words.AGREE)
    return [verdict, *found]


def relay_check(seconds: float | None, failing: Sequence[Json] = ()) -> Check:
    title = words.TITLES["relay"]
    if (silence := relay_silence(seconds, never=words.RELAY_NEVER_RAN, silent=words.RELAY_SILENT)) is not None:
        return Check("bad", title, silence, headline=words.NO_RELAY)
    if failing:
        says = failing_loops.sentence(failing[0])
        if failing[1:]:
            says = words.ALSO_FAILING.format(sentence=says, names=failing_loops.names(failing[1:]))
        return Check("bad", title, says, headline=words.RELAY_FAILS)
    return Check("good", title, words.RELAY_RUNS)


def auth_check(auth: Json, *, has_auth: bool) -> Check:
    """Return the check of Supabase Auth, from the last calls of all processes."""
    title, waiting = words.TITLES["auth"], int(auth["waiting"])
    links = ((OPEN_ACTIONS, words.SHOW_WAITING),) if waiting else ()
    if not has_auth and waiting:
        return Check("warning", title, words.changes_not_made(waiting), links)
    if not has_auth:
        return Check("good", title, words.NOT_CONFIGURED)
    if auth["failing_seconds"] is not None:
        why, age = AUTH_FAILURES.get(str(auth["failure"]), NO_ANSWER), describe(auth["failing_seconds"])
        if not waiting:
            return Check("warning", title, words.CALLED_AGAIN.format(why=why, age=age))
        return Check("warning", title, words.auth_fails(waiting, why, age), links)
    if auth["answered_seconds"] is None:
        return Check("good", title, words.NEVER_CALLED)
    return Check("good", title, words.ANSWERS.format(age=describe(auth["answered_seconds"])))


def backlog_check(oldest: float | None, events: int, auth: Json, longest_wait: float) -> Check:
    """Return the check of the events and the changes of logins that wait."""
    title, actions = words.TITLES["waiting"], int(auth["waiting"])
    if not events and not actions:
        return Check("good", title, words.NOTHING_WAITS)
    age = max(oldest or 0, auth["waiting_seconds"] or 0)
    is_amber = age > longest_wait or (actions and auth["failing_seconds"] is not None)
    level = "bad" if (oldest or 0) > longest_wait else "warning" if is_amber else "good"
    says = [words.events_wait(events)] if events else []
    says += [words.changes_wait(actions)] if actions else []
    says += [words.OLDEST.format(age=describe(age))]
    return Check(level, title, " ".join(says), ((OPEN, words.SHOW),), headline=words.WAIT_TOO_LONG)


def failure_check(summary: Json) -> Check:
    title = words.TITLES["failures"]
    failed, needs_attention = summary["events"]["FAILED"] - summary["dismissed"], summary["needs_attention"]
    if needs_attention:
        headline = words.need_decision(needs_attention)
        return Check("bad", title, f"{headline}.", ((NEEDS_ATTENTION, words.SHOW),), headline=headline)
    if failed:
        return Check("warning", title, words.retried(failed), ((RETRIED, words.SHOW),))
    return Check("good", title, words.NO_FAILURES)


def comparison_checks(compared: Json) -> list[Check]:
    """Return the check of the last comparison, unless this database has no auth.users to compare with."""
    title, show = words.TITLES["comparison"], (("/admin/comparison", words.SHOW),)
    if not compared["can_compare"]:
        return []
    if compared["seconds"] is None:
        return [Check("warning", title, words.NEVER_COMPARED, (), can_compare=True)]
    age = describe(compared["seconds"])
    if compared["is_dry"] and compared["count"]:
        return [Check("warning", title, words.not_corrected(compared["count"], age), show)]
    says = words.LAST_COMPARED.format(age=age)
    if compared["seconds"] > comparison.OLD_SECONDS:
        return [Check("warning", title, says, show, can_compare=True)]
    return [Check("good", title, says, show)]


def drift_check(problems: Json, compared: Json) -> Check:
    title = words.TITLES["people"]
    if still_in := problems["INACTIVE_WITH_AUTH"]:
        headline = words.still_in(still_in)
        links: tuple[tuple[str, str], ...] = ((people_with("INACTIVE_WITH_AUTH"), words.SHOW),)
        return Check("bad", title, words.NOT_BANNED.format(headline=headline), links, headline=headline)
    names = [name for name in ("ORPHANED", "EMAIL_MISMATCH", "AMBIGUOUS", "UNUSABLE_EMAIL") if problems[name]]
    if names:
        links = tuple(
            (people_with(name), words.PROBLEM.format(label=SYNC_STATUSES[name][0], count=f"{problems[name]:,}"))
            for name in names
        )
        return Check("warning", title, words.DO_NOT_AGREE, links)
    if comparison.is_missing(compared):
        return Check("warning", title, words.NOT_KNOWN)
    return Check("good", title, words.ALL_AGREE)


def people_with(sync_status: str) -> str:
    return f"/admin/employees?sync_status={sync_status}"


def rights_checks(problems: Sequence[Json]) -> list[Check]:
    """Return a check if roles may write employees that could take over logins. `problems`: see the SQL function."""
    if not problems:
        return []
    problem = problems[0]["says"][:1].upper() + problems[0]["says"][1:]
    return [Check("bad", words.TITLES["rights"], words.RIGHTS.format(problem=problem), headline=words.TAKEN_OVER)]
