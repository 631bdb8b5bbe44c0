"""When to tell whom it concerns: what is so at this moment, and what was told before -> what to tell now. Pure.

The first of its kind is told at once. What follows is gathered: for a quarter of an hour, and after each message for
twice as long; so a thousand failures are few messages, and a bad day is no flood. While it lasts, it is told again
once a day. That it is over is told once, when it has been for five minutes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from webhook_service.events import Json

GATHERED = timedelta(minutes=15)
LONGEST_GATHERED = timedelta(hours=4)
REMINDED = timedelta(days=1)
WELL = timedelta(minutes=5)

MUCH_WORSE = 10
"""A backlog that grows is still the one that was told; at so many times its size it is told anew."""


class Kind(StrEnum):
    NEEDS_ATTENTION = "needs_attention"
    BACKLOG = "backlog"
    DRIFT = "drift"
    SILENCE = "silence"


class Step(StrEnum):
    """What a message tells of its kind."""

    PROBLEM = "problem"
    WORSE = "worse"
    REMINDER = "reminder"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is not well at this moment: how many; the oldest of them, by its id in the ledger; of drift, the
    run that found it. `facts` are the database's own, for the text.
    """

    count: int = 0
    since_id: int = 0
    mark: int = 0
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was reported of a kind. `reported_count` is how many of the present ones were reported; `gone_at` is
    the time since which the condition no longer holds.
    """

    is_open: bool = False
    opened_at: datetime | None = None
    gone_at: datetime | None = None
    reported_at: datetime | None = None
    reported_times: int = 0
    reported_count: int = 0
    mark: int = 0

    def until(self, now: datetime) -> "Remembered":
        """As if nothing were later than now: where a clock was set back, nobody waits until it has caught up."""
        return replace(
            self,
            opened_at=_earlier(self.opened_at, now),
            gone_at=_earlier(self.gone_at, now),
            reported_at=_earlier(self.reported_at, now),
        )

    def is_gathering(self, now: datetime) -> bool:
        """Whether what is new must wait for the next message."""
        if self.reported_at is None:
            return False
        doubled = min(max(self.reported_times - 1, 0), 10)
        return now - self.reported_at < min(LONGEST_GATHERED, GATHERED * (1 << doubled))


@dataclass(frozen=True, slots=True)
class Decision:
    """About a kind: what to remember from now on, and what to tell, if anything."""

    kind: Kind
    remembered: Remembered
    step: Step | None = None


def decide(
    conditions: Mapping[Kind, Condition],
    remembered: Mapping[Kind, Remembered],
    *,
    watched: frozenset[Kind] = frozenset(Kind),
    now: datetime,
) -> list[Decision]:
    """A decision for each kind of which there is something to tell, or to remember. What is not watched any more is
    forgotten, and nothing is said.
    """
    decisions = []
    for kind in Kind:
        known = remembered.get(kind, Remembered())
        before = known.until(now)
        if kind not in watched:
            decision = Decision(kind, replace(before, is_open=False, gone_at=None))
        elif (condition := conditions.get(kind)) is not None:
            decision = _so(kind, condition, before, now)
        else:
            decision = _well(kind, before, now)
        if decision.step is not None or decision.remembered != known:
            decisions.append(decision)
    return decisions


def _earlier(at: datetime | None, now: datetime) -> datetime | None:
    return min(at, now) if at is not None else None


def _so(kind: Kind, condition: Condition, before: Remembered, now: datetime) -> Decision:
    if not before.is_open:
        if before.is_gathering(now):  # it comes and goes
            return Decision(kind, before)
        opened = Remembered(is_open=True, opened_at=now)
        return Decision(kind, _reported(opened, condition, now), Step.PROBLEM)
    still = replace(before, gone_at=None)
    if kind is Kind.NEEDS_ATTENTION:  # what is mended meanwhile does not hide what is new
        still = replace(still, reported_count=min(before.reported_count, condition.count))
    if _is_worse(kind, condition, before) and not before.is_gathering(now):
        return Decision(kind, _reported(still, condition, now), Step.WORSE)
    if before.reported_at is not None and now - before.reported_at >= REMINDED:
        return Decision(kind, _reported(still, condition, now), Step.REMINDER)
    return Decision(kind, still)


def _is_worse(kind: Kind, condition: Condition, before: Remembered) -> bool:
    if kind is Kind.NEEDS_ATTENTION:
        return condition.count > before.reported_count
    if kind is Kind.BACKLOG:
        return condition.count >= max(before.reported_count, 1) * MUCH_WORSE
    return condition.mark > before.mark


def _reported(remembered: Remembered, condition: Condition, now: datetime) -> Remembered:
    return replace(
        remembered,
        reported_at=now,
        reported_times=remembered.reported_times + 1,
        reported_count=condition.count,
        mark=condition.mark,
    )


def _well(kind: Kind, before: Remembered, now: datetime) -> Decision:
    if not before.is_open:
        return Decision(kind, before)
    if before.gone_at is None:
        return Decision(kind, replace(before, gone_at=now))
    if now - before.gone_at < WELL:
        return Decision(kind, before)
    return Decision(
        kind, replace(before, is_open=False, gone_at=None, reported_at=now, reported_times=1), Step.RECOVERED
    )
