"""Pure functions that decide from the current conditions and the earlier notices which notices to send.

The terms are those of Prometheus Alertmanager. The first notice of a kind is sent immediately. Later changes are
gathered for a group interval of a quarter of an hour. The interval doubles after each notice, so that a thousand
failures cause few notices. The notice of a firing condition is repeated once a day. A condition is resolved when it
has not held for five minutes, and this is reported once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from webhook_service.events import Json

GROUP_INTERVAL = timedelta(minutes=15)
MAX_GROUP_INTERVAL = timedelta(hours=4)
REPEAT_INTERVAL = timedelta(days=1)
RESOLVE_DELAY = timedelta(minutes=5)

BACKLOG_GROWTH_FACTOR = 10
"""A backlog is worse if its size is at least this multiple of the reported size."""


class Kind(StrEnum):
    """The conditions that notices report."""

    NEEDS_ATTENTION = "needs_attention"
    BACKLOG = "backlog"
    DRIFT = "drift"
    SILENCE = "silence"
    FAILING_LOOP = "failing_loop"
    HELD_ACTIONS = "held_actions"


class Step(StrEnum):
    """The reason for a notice: a condition began, got worse, is still firing, or is resolved."""

    FIRING = "firing"
    WORSE = "worse"
    REPEATED = "repeated"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that holds now.

    `count` is the number of events, actions, differences or loops. `since_id` is the ledger id of the oldest event or
    action. `mark` is the reconcile run that found a drift. `facts` is the JSON object of `auth_sync_conditions_v1`, for
    the text.
    """

    count: int = 0
    since_id: int = 0
    mark: int = 0
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Remembered:
    """The earlier notices of a kind, which are a row of `auth_sync_notices`.

    `is_open` says that the condition is firing. `gone_at` is the time since which the condition does not hold, or None
    if it holds. `reported_times` counts the notices since the condition began. `reported_count` is the number of
    current events that were reported.
    """

    is_open: bool = False
    opened_at: datetime | None = None
    gone_at: datetime | None = None
    reported_at: datetime | None = None
    reported_times: int = 0
    reported_count: int = 0
    mark: int = 0

    def until(self, now: datetime) -> "Remembered":
        """Replace times that are later than `now` by `now`. Otherwise a clock that was set back would delay notices."""
        return replace(
            self,
            opened_at=_earlier(self.opened_at, now),
            gone_at=_earlier(self.gone_at, now),
            reported_at=_earlier(self.reported_at, now),
        )

    def is_in_group_interval(self, now: datetime) -> bool:
        """Return whether changes must wait for the end of the group interval."""
        if self.reported_at is None:
            return False
        doubled = min(max(self.reported_times - 1, 0), 10)
        return now - self.reported_at < min(MAX_GROUP_INTERVAL, GROUP_INTERVAL * (1 << doubled))


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about a kind. `remembered` is to be stored. `step` is the notice to send, or None for no notice."""

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
    """Return a decision for each kind that has a notice to send, or new values to remember.

    A kind that is not in `watched` is closed without a notice.
    """
    decisions = []
    for kind in Kind:
        known = remembered.get(kind, Remembered())
        before = known.until(now)
        if kind not in watched:
            decision = Decision(kind, replace(before, is_open=False, gone_at=None))
        elif (condition := conditions.get(kind)) is not None:
            decision = _holds(kind, condition, before, now)
        else:
            decision = _holds_no_longer(kind, before, now)
        if decision.step is not None or decision.remembered != known:
            decisions.append(decision)
    return decisions


def _earlier(at: datetime | None, now: datetime) -> datetime | None:
    return min(at, now) if at is not None else None


def _holds(kind: Kind, condition: Condition, before: Remembered, now: datetime) -> Decision:
    if not before.is_open:
        if before.is_in_group_interval(now):  # an unsteady condition causes only one notice in a group interval
            return Decision(kind, before)
        opened = Remembered(is_open=True, opened_at=now)
        return Decision(kind, _reported(opened, condition, now), Step.FIRING)
    still = replace(before, gone_at=None)
    if kind in (Kind.NEEDS_ATTENTION, Kind.FAILING_LOOP):  # what was fixed must not hide new failures
        still = replace(still, reported_count=min(before.reported_count, condition.count))
    if _is_worse(kind, condition, before) and not before.is_in_group_interval(now):
        return Decision(kind, _reported(still, condition, now), Step.WORSE)
    if before.reported_at is not None and now - before.reported_at >= REPEAT_INTERVAL:
        return Decision(kind, _reported(still, condition, now), Step.REPEATED)
    return Decision(kind, still)


def _is_worse(kind: Kind, condition: Condition, before: Remembered) -> bool:
    if kind in (Kind.NEEDS_ATTENTION, Kind.FAILING_LOOP, Kind.HELD_ACTIONS):
        return condition.count > before.reported_count
    if kind is Kind.BACKLOG:
        return condition.count >= max(before.reported_count, 1) * BACKLOG_GROWTH_FACTOR
    return condition.mark > before.mark


def _reported(remembered: Remembered, condition: Condition, now: datetime) -> Remembered:
    return replace(
        remembered,
        reported_at=now,
        reported_times=remembered.reported_times + 1,
        reported_count=condition.count,
        mark=condition.mark,
    )


def _holds_no_longer(kind: Kind, before: Remembered, now: datetime) -> Decision:
    if not before.is_open:
        return Decision(kind, before)
    if before.gone_at is None:
        return Decision(kind, replace(before, gone_at=now))
    if now - before.gone_at < RESOLVE_DELAY:
        return Decision(kind, before)
    return Decision(
        kind, replace(before, is_open=False, gone_at=None, reported_at=now, reported_times=1), Step.RESOLVED
    )
