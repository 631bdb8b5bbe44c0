"""The texts of notices, with counts, reasons and advice. They contain no name, e-mail or id of a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from webhook_service.events import Json
from webhook_service.ledger import failing_loops
from webhook_service.notifications.decide import Condition, Decision, Kind, Step
from webhook_service.wording import comparisons, counts, outcomes
from webhook_service.wording.counts import describe

PATHS = {
    Kind.NEEDS_ATTENTION: "/admin/inbox",
    Kind.BACKLOG: "/admin/events?open=true",
    Kind.DRIFT: "/admin/comparison",
    Kind.SILENCE: "/admin/auth-sync#health",
    Kind.FAILING_LOOP: "/admin/auth-sync#health",
    Kind.HELD_ACTIONS: "/admin/auth-sync#held",
}
"""The pages that list what a notice counts. The link of a message leads to one of them."""

RUNBOOK = "{docs}/how-to/runbook.md#{section}"
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
    Kind.DRIFT: "The newest comparison found no difference",
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

    def body(self, kind: Kind, link: str | None, docs_url: str | None = None) -> str:
        """Return the lines, the link or the path of a page that shows more, and those of the runbook's section."""
        where = f"See {link}" if link else f"See {PATHS[kind]} of the service."
        runbook = f"Runbook: {RUNBOOK.format(docs=docs_url or 'docs', section=SECTIONS[kind])}"
        return "\n".join([*self.lines, "", where, *([] if self.is_resolved else [runbook])])


ENDED = "{ended}."
ENDED_AFTER = "{ended}. It lasted for {age}."
BEGAN = "It began {age} ago."
TITLES = {
    Step.FIRING: "{title}",
    Step.WORSE: "Worse: {title}",
    Step.REPEATED: "Still firing: {title}",
    Step.RESOLVED: "Resolved: {title}",
}


def message(decision: Decision, condition: Condition | None, opened_at: datetime | None, now: datetime) -> Message:
    """Return the text of a decision that has a step. `condition` is None if the condition is resolved."""
    age = describe((now - opened_at).total_seconds()) if opened_at is not None else None
    if condition is None:
        ended = RESOLVED[decision.kind]
        line = (ENDED if age is None else ENDED_AFTER).format(ended=ended, age=age)
        return Message(TITLES[Step.RESOLVED].format(title=ended), (line,), is_resolved=True)
    step = decision.step or Step.FIRING
    title, lines = TEXTS[decision.kind](condition)
    if step is not Step.FIRING and age is not None:
        lines = (*lines, BEGAN.format(age=age))
    return Message(TITLES[step].format(title=title), lines, condition.since_id)


def needs_attention(condition: Condition) -> tuple[str, tuple[str, ...]]:
    found: Mapping[str, int] = condition.facts["outcomes"]
    advice = tuple(f"- {outcomes.label(outcome)}: {outcomes.advice(outcome)}" for outcome, _ in ranked(found))
    line = counted(
        condition.count,
        "{count} event is no longer retried. {listed}.",
        "{count} events are no longer retried. {listed}.",
        listed=listed(found, outcomes.LABELS),
    )
    title = counted(condition.count, "{count} event needs a decision", "{count} events need a decision")
    return title, (line, *advice)


def backlog(condition: Condition) -> tuple[str, tuple[str, ...]]:
    events, actions = int(condition.facts["events"]), int(condition.facts["actions"])
    age = describe(float(condition.facts["oldest_seconds"]))
    lines = [f"The oldest change has waited for {age}, and should be done by now."]
    if events:
        lines += [
            counted(events, "{count} event of Supabase Auth waits.", "{count} events of Supabase Auth wait."),
            "Check that a relay runs, and read the warnings in its log.",
        ]
    if actions:
        lines += [
            counted(actions, "{count} change of a login waits.", "{count} changes of logins wait."),
            "A dismissed employee may still be able to sign in. Check Auth with `webhook-service doctor`.",
        ]
    return f"The oldest change has waited for {age}", tuple(lines)


def drift(condition: Condition) -> tuple[str, tuple[str, ...]]:
    found = listed(condition.facts["differences"], comparisons.DIFFERENCES)
    title = counted(
        condition.count,
        "{count} difference between employees and logins",
        "{count} differences between employees and logins",
    )
    return title, (
        f"The newest run of reconcile found: {found}.",
        "It wrote the differences to the ledger as events, which are applied.",
        "Some changes were not captured. Run `webhook-service doctor` to find the cause, then"
        " `webhook-service reconcile` again. This is resolved once a run finds no difference.",
    )


def silence(condition: Condition) -> tuple[str, tuple[str, ...]]:
    age = describe(float(condition.facts["seconds"]))
    return f"No change of a login for {age}", (
        f"No change of a login has arrived from Supabase Auth for {age}.",
        "If people have signed up, or have changed their e-mail or name since then, the trigger is missing: run"
        " `webhook-service doctor`. A sign-in is not a change.",
    )


def held_actions(condition: Condition) -> tuple[str, tuple[str, ...]]:
    age = describe(float(condition.facts["oldest_seconds"]))
    title = counted(condition.count, "{count} ban waits for a decision", "{count} bans wait for a decision")
    return title, (
        "An unusual share of the employees was deactivated, or another employee has the e-mail of a login."
        " Until an admin decides, these people can still sign in.",
        f"The oldest ban has waited for {age}.",
        "If they have left, ban the logins in the inbox or with `webhook-service held release`, each reason by itself."
        " If the import was wrong, correct the employees: the ban of an employee who is active again is dropped.",
    )


def failing_loop(condition: Condition) -> tuple[str, tuple[str, ...]]:
    loops = condition.facts["loops"]
    todo = "Fix the cause. The warnings `relay pass failed` in the log of the relay have the whole error."
    title = counted(
        condition.count,
        "{count} loop of the relay is failing: {names}",
        "{count} loops of the relay are failing: {names}",
        names=failing_loops.names(loops),
    )
    return title, (*(f"- {failing_loops.sentence(each)}" for each in loops), todo)


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


def counted(count: int, one: str, many: str, **values: object) -> str:
    """Return `one` or `many` with the count, of which the database counts at most MAX_COUNT."""
    return counts.counted(count, one, many, most=MAX_COUNT, **values)


def ranked(numbers: Mapping[str, Json]) -> list[tuple[str, int]]:
    """Return the names and counts, with the highest count first."""
    return sorted(((name, int(count)) for name, count in numbers.items()), key=lambda each: (-each[1], each[0]))


def listed(numbers: Mapping[str, Json], labels: Mapping[str, str]) -> str:
    """List the labels of names with their counts: "Several matches: 700, E-mail in use: 300"."""
    return ", ".join(f"{labels.get(name, name)}: {count:,}" for name, count in ranked(numbers))
