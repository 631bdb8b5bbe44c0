"""The texts of notices, with counts, reasons and advice. They contain no name, e-mail or id of a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from webhook_service.events import Json
from webhook_service.ledger import failing_loops, wording
from webhook_service.ledger.wording import describe
from webhook_service.notifications.decide import Condition, Decision, Kind, Step

PATHS = {
    Kind.NEEDS_ATTENTION: "/admin/inbox",
    Kind.BACKLOG: "/admin/events?open=true",
    Kind.DRIFT: "/admin/comparison",
    Kind.SILENCE: "/admin/auth-sync#health",
    Kind.FAILING_LOOP: "/admin/auth-sync#health",
    Kind.HELD_ACTIONS: "/admin/auth-sync#held",
}
"""The pages that list what a notice counts. The link of a message leads to one of them."""

RUNBOOK = "docs/how-to/runbook.md"
SECTIONS = {
    Kind.NEEDS_ATTENTION: "needs-attention",
    Kind.BACKLOG: "backlog",
    Kind.DRIFT: "drift",
    Kind.SILENCE: "nothing-received",
    Kind.FAILING_LOOP: "loop-failing",
    Kind.HELD_ACTIONS: "bans-held",
}
"""The sections of the runbook."""

RESOLVED = {
    Kind.NEEDS_ATTENTION: "Nothing needs attention any more",
    Kind.BACKLOG: "The backlog is done",
    Kind.DRIFT: "The newest reconcile run found no difference",
    Kind.SILENCE: "Events arrive again",
    Kind.FAILING_LOOP: "No loop is failing any more",
    Kind.HELD_ACTIONS: "No ban is held any more",
}


@dataclass(frozen=True, slots=True)
class Message:
    """A notice's text. `since_id` is the ledger id from which its link lists rows.

    `is_resolved` says whether the message reports the end of a condition.
    """

    title: str
    lines: tuple[str, ...]
    since_id: int = 0
    is_resolved: bool = False

    def body(self, kind: Kind, link: str | None) -> str:
        """Return the lines, and the link or the path of a page that shows more."""
        where = f"See {link}" if link else f"See {PATHS[kind]} of the service."
        runbook = [] if self.is_resolved else [f"Runbook: {RUNBOOK}#{SECTIONS[kind]}"]
        return "\n".join([*self.lines, "", where, *runbook])


def message(decision: Decision, condition: Condition | None, opened_at: datetime | None, now: datetime) -> Message:
    """Return the text of a decision that has a step. `condition` is None if the condition is resolved."""
    if condition is None:
        lasted = f" It lasted for {describe((now - opened_at).total_seconds())}." if opened_at is not None else ""
        ended = RESOLVED[decision.kind]
        return Message(f"Resolved: {ended}", (f"{ended}.{lasted}",), is_resolved=True)
    title, lines = TEXTS[decision.kind](condition)
    before = {Step.WORSE: "Worse: ", Step.REPEATED: "Still firing: "}.get(decision.step or Step.FIRING, "")
    if decision.step is not Step.FIRING and opened_at is not None:
        lines = (*lines, f"It began {describe((now - opened_at).total_seconds())} ago.")
    return Message(before + title, lines, condition.since_id)


def needs_attention(condition: Condition) -> tuple[str, tuple[str, ...]]:
    outcomes: Mapping[str, int] = condition.facts["outcomes"]
    advice = tuple(f"- {outcome}: {wording.advice(outcome)}" for outcome, _ in ranked(outcomes))
    is_one = condition.count == 1
    title = f"{counted(condition.count, 'event')} {'needs' if is_one else 'need'} attention"
    return title, (f"{title}: {listed(outcomes)}. {'It is' if is_one else 'They are'} no longer retried.", *advice)


def backlog(condition: Condition) -> tuple[str, tuple[str, ...]]:
    events, actions = int(condition.facts["events"]), int(condition.facts["actions"])
    parts = [counted(events, "event")] if events else []
    parts += [counted(actions, "change of employees", "changes of employees")] if actions else []
    age = describe(float(condition.facts["oldest_seconds"]))
    lines = [f"{' and '.join(parts)} should be done by now; the oldest has waited for {age}."]
    if events:
        lines.append("- Events: check that a relay runs, and read the warnings in its log.")
    if actions:
        lines.append(
            "- Changes of employees (a dismissed employee may still be able to sign in): check with"
            " `webhook-service doctor` that Auth responds."
        )
    return f"Backlog: the oldest has waited for {age}", tuple(lines)


def drift(condition: Condition) -> tuple[str, tuple[str, ...]]:
    return f"Drift: {counted(condition.count, 'difference')} found", (
        f"The newest reconcile run found {counted(condition.count, 'difference')}: "
        f"{listed(condition.facts['differences'])}. It wrote them to the ledger as events, which are applied.",
        "Some changes were not captured. Run `webhook-service doctor` to find the cause, then"
        " `webhook-service reconcile` again. This is resolved once a run finds no difference.",
    )


def silence(condition: Condition) -> tuple[str, tuple[str, ...]]:
    age = describe(float(condition.facts["seconds"]))
    return f"Silence: no event for {age}", (
        f"No event of auth.users has arrived for {age}.",
        "If people have signed up, or have changed their e-mail or name since then, the trigger is missing: run"
        " `webhook-service doctor`. Sign-ins are not events.",
    )


def held_actions(condition: Condition) -> tuple[str, tuple[str, ...]]:
    age = describe(float(condition.facts["oldest_seconds"]))
    title = f"{counted(condition.count, 'ban')} of logins held"
    return title, (
        f"An unusual share of the employees was deactivated, or another employee has the e-mail of a login: {title},"
        f" the oldest for {age}. Until an admin decides,"
        " these people can still sign in.",
        "If they have left, release the bans on the overview or with `webhook-service held release`, each"
        " reason by itself. If the import was wrong, correct the employees: the ban of an employee who is active again"
        " is dropped.",
    )


def failing_loop(condition: Condition) -> tuple[str, tuple[str, ...]]:
    loops = condition.facts["loops"]
    title = f"{counted(condition.count, 'loop of the relay is', 'loops of the relay are')} failing"
    todo = "Fix the cause. The warnings `relay pass failed` in the log of the relay have the whole error."
    return f"{title}: {failing_loops.names(loops)}", (*(f"- {failing_loops.sentence(each)}" for each in loops), todo)


TEXTS = {
    Kind.NEEDS_ATTENTION: needs_attention,
    Kind.BACKLOG: backlog,
    Kind.DRIFT: drift,
    Kind.SILENCE: silence,
    Kind.FAILING_LOOP: failing_loop,
    Kind.HELD_ACTIONS: held_actions,
}

MAX_COUNT = 10_000
"""The largest number to which the database counts."""


def counted(count: int, one: str, many: str = "") -> str:
    """Format a count and a noun: 1000, "event" -> "1,000 events"."""
    return f"{'over ' if count >= MAX_COUNT else ''}{count:,} {one if count == 1 else many or one + 's'}"


def ranked(counts: Mapping[str, Json]) -> list[tuple[str, int]]:
    """Return the names and counts, with the highest count first."""
    return sorted(((name, int(count)) for name, count in counts.items()), key=lambda each: (-each[1], each[0]))


def listed(counts: Mapping[str, Json]) -> str:
    """List names with counts: "ambiguous 700, email_taken 300"."""
    return ", ".join(f"{name} {count:,}" for name, count in ranked(counts))
