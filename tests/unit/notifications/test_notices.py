"""The times and the texts of notices."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from webhook_service.events import ActionOutcome, Outcome
from webhook_service.notifications.decide import Condition, Decision, Kind, Remembered, Step, decide
from webhook_service.notifications.text import message
from webhook_service.wording.outcomes import ACTIONS, EVENTS, advice

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NEEDS_ATTENTION, BACKLOG, DRIFT, SILENCE, FAILING_LOOP, HELD_ACTIONS = Kind
ALL = frozenset(Kind)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def reported(minutes: float, count: int = 1, *, times: int = 1, mark: int = 0, gone: float | None = None) -> Remembered:
    """A firing condition that was reported this number of minutes ago."""
    gone_at = ago(gone) if gone is not None else None
    return Remembered(True, ago(minutes), gone_at, ago(minutes), times, count, mark)


def closed(minutes: float) -> Remembered:
    """A condition whose recovery was reported this number of minutes ago."""
    return Remembered(False, ago(900), None, ago(minutes), 1, 1)


def one(kind: Kind, count: int = 1, mark: int = 0) -> dict[Kind, Condition]:
    return {kind: Condition(count, mark=mark)}


CASES: list[tuple[str, Kind, dict[Kind, Condition], Remembered, Step | None]] = [
    # the case, the kind, the current condition, the last notice, and the notice that is sent now
    ("no condition", NEEDS_ATTENTION, {}, Remembered(), None),
    ("the first event is reported at once", NEEDS_ATTENTION, one(NEEDS_ATTENTION), Remembered(), Step.FIRING),
    ("a thousand events are one notice", NEEDS_ATTENTION, one(NEEDS_ATTENTION, 1000), Remembered(), Step.FIRING),
    ("an unchanged condition is not reported again", NEEDS_ATTENTION, one(NEEDS_ATTENTION), reported(20), None),
    ("new events are gathered", NEEDS_ATTENTION, one(NEEDS_ATTENTION, 2), reported(14.9), None),
    ("gathered events are reported together", NEEDS_ATTENTION, one(NEEDS_ATTENTION, 2), reported(15), Step.WORSE),
    ("each interval is twice as long", NEEDS_ATTENTION, one(NEEDS_ATTENTION, 3), reported(29, 2, times=2), None),
    ("after a doubled interval", NEEDS_ATTENTION, one(NEEDS_ATTENTION, 3), reported(30, 2, times=2), Step.WORSE),
    ("an interval has a limit", NEEDS_ATTENTION, one(NEEDS_ATTENTION, 3), reported(240, 2, times=99), Step.WORSE),
    ("fewer events are not reported", NEEDS_ATTENTION, one(NEEDS_ATTENTION, 1), reported(60, 9), None),
    ("a condition is repeated after a day", NEEDS_ATTENTION, one(NEEDS_ATTENTION), reported(1440), Step.REPEATED),
    ("a condition is not repeated within a day", NEEDS_ATTENTION, one(NEEDS_ATTENTION), reported(1439), None),
    ("a condition that ended now", NEEDS_ATTENTION, {}, reported(60), None),
    ("a condition that ended less than five minutes ago", NEEDS_ATTENTION, {}, reported(60, gone=4.9), None),
    ("a condition that ended five minutes ago", NEEDS_ATTENTION, {}, reported(60, gone=5), Step.RESOLVED),
    ("a recovery is reported once", NEEDS_ATTENTION, {}, closed(1), None),
    ("a condition that soon begins again", NEEDS_ATTENTION, one(NEEDS_ATTENTION), closed(14), None),
    ("a condition that begins again later", NEEDS_ATTENTION, one(NEEDS_ATTENTION), closed(15), Step.FIRING),
    ("a backlog", BACKLOG, one(BACKLOG), Remembered(), Step.FIRING),
    ("a backlog that grows", BACKLOG, one(BACKLOG, 9), reported(60), None),
    ("a backlog that grows tenfold", BACKLOG, one(BACKLOG, 10), reported(60), Step.WORSE),
    ("a clock that was set back a year", NEEDS_ATTENTION, one(NEEDS_ATTENTION), reported(-525600), None),
    ("a condition that ended before the clock was set back", NEEDS_ATTENTION, {}, reported(60, gone=-525600), None),
    ("drift", DRIFT, one(DRIFT, 5, mark=7), Remembered(), Step.FIRING),
    ("drift of the same run", DRIFT, one(DRIFT, 5, mark=7), reported(60, 5, mark=7), None),
    ("less drift of another run", DRIFT, one(DRIFT, 2, mark=8), reported(60, 5, mark=7), Step.WORSE),
    ("silence", SILENCE, one(SILENCE, 0), Remembered(), Step.FIRING),
    ("held bans", HELD_ACTIONS, one(HELD_ACTIONS, 30), Remembered(), Step.FIRING),
    ("more held bans", HELD_ACTIONS, one(HELD_ACTIONS, 31), reported(60, 30), Step.WORSE),
    ("silence that lasts", SILENCE, one(SILENCE, 0), reported(600, 0), None),
    ("a failing loop", FAILING_LOOP, one(FAILING_LOOP), Remembered(), Step.FIRING),
    ("the same failing loop", FAILING_LOOP, one(FAILING_LOOP), reported(60), None),
    ("a second failing loop", FAILING_LOOP, one(FAILING_LOOP, 2), reported(60), Step.WORSE),
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
    for decision in decisions:  # a repeated decision sends no notice
        again = decide(conditions, {kind: decision.remembered}, watched=ALL, now=NOW)
        assert again == []


def test_a_repaired_event_does_not_hide_a_new_failure() -> None:
    """A notice is sent if one more event fails after nine of ten were replayed, although fewer fail than before."""
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
    """Silence that is no longer watched is closed without a notice, because it has not ended."""
    [decision] = decide({}, {SILENCE: reported(60)}, watched=ALL - {SILENCE}, now=NOW)
    assert (decision.step, decision.remembered.is_open) == (None, False)


def text_of(kind: Kind, step: Step, condition: Condition | None, opened_at: datetime | None = None) -> str:
    reported = message(Decision(kind, Remembered(), step), condition, opened_at, NOW)
    return f"{reported.title}\n{reported.body(kind, None)}"


FAILING = {"loop": "actions", "seconds": 120, "relays": 1, "detail": "It broke."}
THOUSAND = Condition(1000, facts={"outcomes": {"email_taken": 300, "ambiguous": 700}})
TEXTS: list[tuple[Kind, Step, Condition | None, list[str]]] = [
    (
        NEEDS_ATTENTION,
        Step.FIRING,
        THOUSAND,
        ["1,000 events need a decision", "Several matches: 700, E-mail in use: 300.", advice("ambiguous")],
    ),
    (NEEDS_ATTENTION, Step.WORSE, THOUSAND, ["Worse: 1,000 events", "It began 2 h ago", "/admin/inbox"]),
    (NEEDS_ATTENTION, Step.RESOLVED, None, ["Resolved: Nothing needs attention any more", "It lasted for 2 h."]),
    (
        *(BACKLOG, Step.FIRING),
        Condition(3, facts={"events": 1, "actions": 2, "oldest_seconds": 1000.5}),
        ["has waited for 16 min", "1 event of Supabase Auth waits.", "2 changes of logins wait."],
    ),
    (
        *(DRIFT, Step.REPEATED),
        Condition(2, facts={"differences": {"unknown": 2}}),
        ["Still firing: 2 differences", "Login that was never seen before: 2"],
    ),
    (
        HELD_ACTIONS,
        Step.FIRING,
        Condition(30, facts={"oldest_seconds": 7300}),
        ["30 bans wait for a decision", "for 2 h", "held release"],
    ),
    (
        *(SILENCE, Step.FIRING),
        Condition(facts={"seconds": 7300}),
        ["No change of a login for 2 h", "doctor", "A sign-in is not a change."],
    ),
    (
        *(FAILING_LOOP, Step.FIRING),
        Condition(2, facts={"loops": [FAILING, FAILING | {"loop": "monitor", "relays": 3}]}),
        [
            "2 loops of the relay are failing: `actions`, `monitor`",
            "- The loop `actions` has failed for 2 min: It broke. Meanwhile a dismissed employee may still",
            "- The loop `monitor` has failed for 2 min in 3 relays: It broke.",
            "the log of the relay",
        ],
    ),
    (FAILING_LOOP, Step.RESOLVED, None, ["Resolved: No loop is failing any more"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "step", "condition", "says"), TEXTS)
def test_the_text_of_a_message(kind: Kind, step: Step, condition: Condition | None, says: list[str]) -> None:
    """A message has the count and kind of events, the start, the remedy, and the page or command with details."""
    text = text_of(kind, step, condition, ago(120))
    assert [part for part in says if part not in text] == []


def test_every_reason_of_a_failure_has_its_advice() -> None:
    """Each outcome of a failed event or action has a remedy for the message."""
    done = "linked synced unchanged orphaned unmatched unconfirmed ignored stale duplicate"
    done += " disabled enabled email_updated created gone undone"
    failures = {*Outcome, *ActionOutcome} - set(done.split())
    assert all((EVENTS.get(outcome) or ACTIONS[outcome]).todo for outcome in failures)


def test_a_clock_that_was_set_back_does_not_stop_notices() -> None:
    """A notice with a time in the future counts as sent now, so that later notices are sent in time."""
    ahead = reported(-525600, gone=-525600)
    [first] = decide({}, {NEEDS_ATTENTION: ahead}, now=NOW)
    assert (first.step, first.remembered.gone_at, first.remembered.reported_at) == (None, NOW, NOW)
    [then] = decide({}, {NEEDS_ATTENTION: first.remembered}, now=NOW + timedelta(minutes=5))
    assert then.step is Step.RESOLVED
    [still] = decide(one(NEEDS_ATTENTION, 2), {NEEDS_ATTENTION: ahead}, now=NOW)
    [worse] = decide(one(NEEDS_ATTENTION, 2), {NEEDS_ATTENTION: still.remembered}, now=NOW + timedelta(minutes=15))
    assert worse.step is Step.WORSE
