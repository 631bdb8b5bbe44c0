"""Notices: when a notice of each kind is sent, and its text."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from webhook_service.events import ActionOutcome, Outcome
from webhook_service.ledger.wording import ACTIONS, EVENTS, advice
from webhook_service.notifications.decide import Condition, Decision, Kind, Remembered, Step, decide
from webhook_service.notifications.text import message

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NEEDS_ATTENTION, BACKLOG, DRIFT, SILENCE, HELD_ACTIONS = Kind
ALL = frozenset(Kind)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def reported(minutes: float, count: int = 1, *, times: int = 1, mark: int = 0, gone: float | None = None) -> Remembered:
    """A firing condition that was reported so many minutes ago."""
    gone_at = ago(gone) if gone is not None else None
    return Remembered(True, ago(minutes), gone_at, ago(minutes), times, count, mark)


def closed(minutes: float) -> Remembered:
    """A condition whose recovery was reported so many minutes ago."""
    return Remembered(False, ago(900), None, ago(minutes), 1, 1)


def one(kind: Kind, count: int = 1, mark: int = 0) -> dict[Kind, Condition]:
    return {kind: Condition(count, mark=mark)}


CASES: list[tuple[str, Kind, dict[Kind, Condition], Remembered, Step | None]] = [
    # the case; the kind; the current condition; the last notice; the notice that is sent now
    ("all is well", NEEDS_ATTENTION, {}, Remembered(), None),
    ("the first at once", NEEDS_ATTENTION, one(NEEDS_ATTENTION), Remembered(), Step.FIRING),
    ("a thousand are one", NEEDS_ATTENTION, one(NEEDS_ATTENTION, 1000), Remembered(), Step.FIRING),
    ("no news", NEEDS_ATTENTION, one(NEEDS_ATTENTION), reported(20), None),
    ("news are gathered", NEEDS_ATTENTION, one(NEEDS_ATTENTION, 2), reported(14.9), None),
    ("and reported together", NEEDS_ATTENTION, one(NEEDS_ATTENTION, 2), reported(15), Step.WORSE),
    ("for twice as long each time", NEEDS_ATTENTION, one(NEEDS_ATTENTION, 3), reported(29, 2, times=2), None),
    ("and then reported", NEEDS_ATTENTION, one(NEEDS_ATTENTION, 3), reported(30, 2, times=2), Step.WORSE),
    ("but never for long", NEEDS_ATTENTION, one(NEEDS_ATTENTION, 3), reported(240, 2, times=99), Step.WORSE),
    ("fewer are not news", NEEDS_ATTENTION, one(NEEDS_ATTENTION, 1), reported(60, 9), None),
    ("a day later it still stays", NEEDS_ATTENTION, one(NEEDS_ATTENTION), reported(1440), Step.REPEATED),
    ("and not before", NEEDS_ATTENTION, one(NEEDS_ATTENTION), reported(1439), None),
    ("gone, since now", NEEDS_ATTENTION, {}, reported(60), None),
    ("gone for a while", NEEDS_ATTENTION, {}, reported(60, gone=4.9), None),
    ("gone for good", NEEDS_ATTENTION, {}, reported(60, gone=5), Step.RESOLVED),
    ("recovery is reported once", NEEDS_ATTENTION, {}, closed(1), None),
    ("back at once: it comes and goes", NEEDS_ATTENTION, one(NEEDS_ATTENTION), closed(14), None),
    ("back later", NEEDS_ATTENTION, one(NEEDS_ATTENTION), closed(15), Step.FIRING),
    ("a backlog", BACKLOG, one(BACKLOG), Remembered(), Step.FIRING),
    ("that grows", BACKLOG, one(BACKLOG, 9), reported(60), None),
    ("that explodes", BACKLOG, one(BACKLOG, 10), reported(60), Step.WORSE),
    ("a clock set back a year", NEEDS_ATTENTION, one(NEEDS_ATTENTION), reported(-525600), None),
    ("and then it is well", NEEDS_ATTENTION, {}, reported(60, gone=-525600), None),
    ("drift", DRIFT, one(DRIFT, 5, mark=7), Remembered(), Step.FIRING),
    ("the same run", DRIFT, one(DRIFT, 5, mark=7), reported(60, 5, mark=7), None),
    ("another run, that finds less", DRIFT, one(DRIFT, 2, mark=8), reported(60, 5, mark=7), Step.WORSE),
    ("silence", SILENCE, one(SILENCE, 0), Remembered(), Step.FIRING),
    ("held bans", HELD_ACTIONS, one(HELD_ACTIONS, 30), Remembered(), Step.FIRING),
    ("more held bans", HELD_ACTIONS, one(HELD_ACTIONS, 31), reported(60, 30), Step.WORSE),
    ("that lasts", SILENCE, one(SILENCE, 0), reported(600, 0), None),
]


@pytest.mark.parametrize(
    ("kind", "conditions", "before", "step"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_when_a_notice_is_sent(
    kind: Kind, conditions: dict[Kind, Condition], before: Remembered, step: Step | None
) -> None:
    """A notice is sent when a condition begins, gets worse, lasts for a day or ends, and never in between."""
    decisions = decide(conditions, {kind: before}, watched=ALL, now=NOW)
    assert [decision.step for decision in decisions if decision.step is not None] == ([step] if step else [])
    for decision in decisions:  # the same decision again sends nothing
        again = decide(conditions, {kind: decision.remembered}, watched=ALL, now=NOW)
        assert again == []


def test_a_repaired_event_does_not_hide_a_new_failure() -> None:
    """A notice is sent when one more event fails after nine of ten were replayed, though fewer fail than before."""
    [fewer] = decide(one(NEEDS_ATTENTION, 1), {NEEDS_ATTENTION: reported(20, 10)}, watched=ALL, now=NOW)
    assert fewer.remembered.reported_count == 1
    [more] = decide(one(NEEDS_ATTENTION, 2), {NEEDS_ATTENTION: fewer.remembered}, watched=ALL, now=NOW)
    assert more.step is Step.WORSE


def test_a_short_gap_does_not_end_a_condition() -> None:
    """A gap of less than five minutes is neither a recovery nor a new problem."""
    [gap] = decide({}, {BACKLOG: reported(60)}, watched=ALL, now=NOW)
    [back] = decide(one(BACKLOG), {BACKLOG: gap.remembered}, watched=ALL, now=NOW + timedelta(minutes=4))
    assert (back.step, back.remembered) == (None, replace(reported(60), gone_at=None))


def test_a_condition_that_is_not_watched_is_forgotten() -> None:
    """Silence that is no longer watched is closed without a notice, because it has not recovered."""
    [decision] = decide({}, {SILENCE: reported(60)}, watched=ALL - {SILENCE}, now=NOW)
    assert (decision.step, decision.remembered.is_open) == (None, False)


def text_of(kind: Kind, step: Step, condition: Condition | None, opened_at: datetime | None = None) -> str:
    reported = message(Decision(kind, Remembered(), step), condition, opened_at, NOW)
    return f"{reported.title}\n{reported.body(kind, None)}"


THOUSAND = Condition(1000, facts={"outcomes": {"email_taken": 300, "ambiguous": 700}})
TEXTS: list[tuple[Kind, Step, Condition | None, list[str]]] = [
    (
        NEEDS_ATTENTION,
        Step.FIRING,
        THOUSAND,
        ["1,000 events need attention: ambiguous 700, email_taken 300", advice("ambiguous")],
    ),
    (NEEDS_ATTENTION, Step.WORSE, THOUSAND, ["Worse: 1,000 events", "It began 2 h ago", "/admin/events?status=FAILED"]),
    (NEEDS_ATTENTION, Step.RESOLVED, None, ["Resolved: Nothing needs attention any more", "It lasted for 2 h."]),
    (
        *(BACKLOG, Step.FIRING),
        Condition(3, facts={"events": 1, "actions": 2, "oldest_seconds": 1000.5}),
        ["1 event and 2 changes of employees should be done by now; the oldest has waited for 16 min"],
    ),
    (DRIFT, Step.REPEATED, Condition(2, facts={"differences": {"unknown": 2}}), ["Still firing: Drift", "unknown 2"]),
    (
        HELD_ACTIONS,
        Step.FIRING,
        Condition(30, facts={"oldest_seconds": 7300}),
        ["30 bans of logins held", "for 2 h", "held release"],
    ),
    (SILENCE, Step.FIRING, Condition(facts={"seconds": 7300}), ["no event for 2 h", "doctor"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "step", "condition", "says"), TEXTS)
def test_what_a_message_says(kind: Kind, step: Step, condition: Condition | None, says: list[str]) -> None:
    """A message has the count, the kind, the time of its start, what to do, and where to read more."""
    text = text_of(kind, step, condition, ago(120))
    assert [part for part in says if part not in text] == []


def test_every_reason_of_a_failure_has_its_advice() -> None:
    """Each outcome of a failed event or action has an advice for the message."""
    done = "linked synced unchanged orphaned unmatched unconfirmed ignored stale duplicate"
    done += " disabled enabled email_updated created gone undone"
    failures = {*Outcome, *ActionOutcome} - set(done.split())
    assert all((EVENTS.get(outcome) or ACTIONS[outcome]).todo for outcome in failures)


def test_a_clock_that_was_set_back_does_not_stop_notices() -> None:
    """A notice with a time in the future counts as sent now, so that later notices are sent at their time."""
    ahead = reported(-525600, gone=-525600)
    [first] = decide({}, {NEEDS_ATTENTION: ahead}, now=NOW)
    assert (first.step, first.remembered.gone_at, first.remembered.reported_at) == (None, NOW, NOW)
    [then] = decide({}, {NEEDS_ATTENTION: first.remembered}, now=NOW + timedelta(minutes=5))
    assert then.step is Step.RESOLVED
    [still] = decide(one(NEEDS_ATTENTION, 2), {NEEDS_ATTENTION: ahead}, now=NOW)
    [worse] = decide(one(NEEDS_ATTENTION, 2), {NEEDS_ATTENTION: still.remembered}, now=NOW + timedelta(minutes=15))
    assert worse.step is Step.WORSE
