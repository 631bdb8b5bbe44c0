"""What a message says: counts, reasons and what to do. Nobody's name, e-mail or id."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from webhook_service.events import Json
from webhook_service.ledger import wording
from webhook_service.ledger.wording import describe
from webhook_service.notifications.decide import Condition, Decision, Kind, Step

WHERE = {
    Kind.NEEDS_ATTENTION: "/admin/events?status=FAILED",
    Kind.BACKLOG: "/admin/auth-sync",
    Kind.DRIFT: "/admin/auth-sync",
    Kind.SILENCE: "/admin/auth-sync",
}
"""Where to look, where no link can be made."""

RECOVERED = {
    Kind.NEEDS_ATTENTION: "Nothing waits for an admin any more",
    Kind.BACKLOG: "The backlog is worked off",
    Kind.DRIFT: "The newest reconciliation found no difference",
    Kind.SILENCE: "Events arrive again",
}


@dataclass(frozen=True, slots=True)
class Message:
    """`since_id` is where the link leads to, in the ledger."""

    title: str
    lines: tuple[str, ...]
    since_id: int = 0

    def body(self, kind: Kind, link: str | None) -> str:
        where = f"See {link}" if link else f"See {WHERE[kind]} of the service."
        return "\n".join([*self.lines, "", where])


def message(decision: Decision, condition: Condition | None, opened_at: datetime | None, now: datetime) -> Message:
    """The text of a decision that has a step. `condition` is None where it has recovered."""
    if condition is None:
        lasted = f" It lasted for {describe((now - opened_at).total_seconds())}." if opened_at is not None else ""
        return Message(f"Recovered: {RECOVERED[decision.kind]}", (f"{RECOVERED[decision.kind]}.{lasted}",))
    title, lines = TEXTS[decision.kind](condition)
    before = {Step.WORSE: "Worse: ", Step.REMINDER: "Still so: "}.get(decision.step or Step.PROBLEM, "")
    if decision.step is not Step.PROBLEM and opened_at is not None:
        lines = (*lines, f"It began {describe((now - opened_at).total_seconds())} ago.")
    return Message(before + title, lines, condition.since_id)


def needs_attention(condition: Condition) -> tuple[str, tuple[str, ...]]:
    outcomes: Mapping[str, int] = condition.facts["outcomes"]
    advice = tuple(f"- {outcome}: {wording.advice(outcome)}" for outcome, _ in ranked(outcomes))
    title = f"{counted(condition.count, 'event')} given up"
    return title, (f"{title}: {listed(outcomes)}. They wait for an admin.", *advice)


def backlog(condition: Condition) -> tuple[str, tuple[str, ...]]:
    events, actions = int(condition.facts["events"]), int(condition.facts["actions"])
    parts = [counted(events, "event")] if events else []
    parts += [counted(actions, "change of employees", "changes of employees")] if actions else []
    age = describe(float(condition.facts["oldest_seconds"]))
    lines = [f"{' and '.join(parts)} should be done by now; the oldest has waited for {age}."]
    if events:
        lines.append("- Events: see that a relay runs, and what it logs as `relay pass failed` or `not applied`.")
    if actions:
        lines.append(
            "- Changes of employees (who was dismissed may still sign in): see that Auth answers, with"
            " `webhook-service doctor`."
        )
    return f"Backlog: the oldest has waited for {age}", tuple(lines)


def drift(condition: Condition) -> tuple[str, tuple[str, ...]]:
    return f"Drift: {counted(condition.count, 'difference')} found", (
        f"The newest reconciliation found {counted(condition.count, 'difference')}: "
        f"{listed(condition.facts['differences'])}. It entered them as events, which are applied.",
        "Changes were made that nothing captured: run `webhook-service doctor` for the cause, then"
        " `webhook-service reconcile` again: this is over once it finds nothing.",
    )


def silence(condition: Condition) -> tuple[str, tuple[str, ...]]:
    age = describe(float(condition.facts["seconds"]))
    return f"Silence: no event for {age}", (
        f"No event of auth.users has come for {age}.",
        "Where people do sign up and sign in, the trigger is gone: run `webhook-service doctor`.",
    )


TEXTS = {Kind.NEEDS_ATTENTION: needs_attention, Kind.BACKLOG: backlog, Kind.DRIFT: drift, Kind.SILENCE: silence}

CAPPED = 10_000
"""The database counts no further."""


def counted(count: int, one: str, many: str = "") -> str:
    """1000, event -> 1,000 events."""
    return f"{'over ' if count >= CAPPED else ''}{count:,} {one if count == 1 else many or one + 's'}"


def ranked(counts: Mapping[str, Json]) -> list[tuple[str, int]]:
    return sorted(((name, int(count)) for name, count in counts.items()), key=lambda each: (-each[1], each[0]))


def listed(counts: Mapping[str, Json]) -> str:
    """ambiguous 700, email_taken 300."""
    return ", ".join(f"{name} {count:,}" for name, count in ranked(counts))
