"""The words of the overview's health checks."""

from collections.abc import Mapping

from webhook_service.wording.counts import counted

TITLES = {
    "relay": "Relay",
    "auth": "Supabase Auth",
    "waiting": "Waiting",
    "failures": "Failures",
    "comparison": "Comparison",
    "people": "People",
    "rights": "Rights",
}
"""The titles of the checks."""

LEVELS = {"good": "good", "warning": "open", "bad": "bad"}

SHOW = "Show"
SHOW_WAITING = "Show what waits"
OPEN_INBOX = "Open the inbox"

NOT_COMPARED = "Not compared yet"
COMPARE_NOW = (
    "Employees and logins have not been compared since the installation, so a dismissed employee may still be able to"
    " sign in. Compare them now."
)
WITH_PROBLEMS = "Working, with problems"
SEE_CHECKS = "The checks below say which."
SEE_MORE = "The checks below say more."
ALL_IN_SYNC = "All in sync"
AGREE = "Employees and logins agree, and changes are processed."

RELAY_NEVER_RAN = "The relay has never run. Changes that were not delivered are not applied."
RELAY_SILENT = "The relay has not run for {age}. Changes that were not delivered are not applied."
RELAY_RUNS = "It runs, and applies changes that were not delivered."
NO_RELAY = "The relay does not run"
RELAY_FAILS = "The relay fails"
ALSO_FAILING = "{sentence} Also failing: {names}."

NOT_CONFIGURED = "Not configured."
NEVER_CALLED = "It was not called yet."
ANSWERS = "It answers. Last recorded answer: {age} ago."
CALLED_AGAIN = "{why}. This has lasted for {age}. It is called again."

NOTHING_WAITS = "Nothing waits."
OLDEST = "The oldest has waited for {age}."
WAIT_TOO_LONG = "Changes wait too long"

NO_FAILURES = "None."

NEVER_COMPARED = "Employees and logins were never compared."
LAST_COMPARED = "The last one was {age} ago."

NOT_BANNED = "{headline}: not banned yet."
DO_NOT_AGREE = "Some employees and logins do not agree."
NOT_KNOWN = "Not known before the first comparison."
ALL_AGREE = "Dismissed employees cannot sign in; logins and employees agree."
PROBLEM = "{label}: {count}"

RIGHTS = "{problem}. Logins can be taken over. Run `webhook-service doctor`, which says what to do."
TAKEN_OVER = "Logins can be taken over"

ESTIMATED_HOURS = "About {count} events, at most {peak} an hour (UTC), estimated from a sample"
IN_ALL = "{SUCCESS:,} done, {PENDING:,} waiting, {FAILED:,} failed."
ESTIMATED_IN_ALL = "About {SUCCESS:,} done, {PENDING:,} waiting, {FAILED:,} failed."


def changes_not_made(count: int) -> str:
    return counted(
        count,
        "Not configured, so {count} login change will not be made.",
        "Not configured, so {count} login changes will not be made.",
    )


def auth_fails(count: int, why: str, age: str) -> str:
    """Say how many changes of logins wait because Auth fails. `why` is one of AUTH_FAILURES."""
    return counted(
        count,
        "{why}. This has lasted for {age}. {count} login change waits. Dismissed employees may still sign in.",
        "{why}. This has lasted for {age}. {count} login changes wait. Dismissed employees may still sign in.",
        why=why,
        age=age,
    )


def events_wait(count: int) -> str:
    return counted(count, "{count} event waits.", "{count} events wait.")


def changes_wait(count: int) -> str:
    return counted(count, "{count} login change waits.", "{count} login changes wait.")


def need_decision(count: int) -> str:
    return counted(count, "{count} event needs a decision", "{count} events need a decision")


def retried(count: int) -> str:
    return counted(count, "{count} failed, and is retried.", "{count} failed, and are retried.")


def not_corrected(count: int, age: str) -> str:
    return counted(
        count,
        "{age} ago: {count} difference, not corrected yet.",
        "{age} ago: {count} differences, not corrected yet.",
        age=age,
    )


def still_in(count: int) -> str:
    return counted(count, "{count} former employee can still sign in", "{count} former employees can still sign in")


def of_hours(total: int, most: int, *, is_estimated: bool) -> str:
    """Return the number of events of the chart, and the highest number in an hour (UTC)."""
    if is_estimated:
        return counted(total, ESTIMATED_HOURS, ESTIMATED_HOURS, peak=f"{most:,}")
    one = "{count} event, at most {peak} an hour (UTC)"
    return counted(total, one, "{count} events, at most {peak} an hour (UTC)", peak=f"{most:,}")


def in_all(events: Mapping[str, float], *, is_estimated: bool) -> str:
    """Return the number of all events by status."""
    numbers = {status: int(count) for status, count in events.items()}
    return (ESTIMATED_IN_ALL if is_estimated else IN_ALL).format(**numbers)
