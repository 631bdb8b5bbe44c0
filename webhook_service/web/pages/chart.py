"""The chart of events per hour, as rectangles and an axis that the template draws. All lengths are in percent."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from webhook_service.events import Json
from webhook_service.wording import outcomes

GAP = 0.5
LOWEST = 1.5
"""The space between the hours and the lowest height of a bar, in percent of the chart."""
STEPS = 4
"""The largest number of steps of the axis."""
KINDS = ("done", "same", "waiting", "failed")


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle. (x, y) is its upper left corner, and `kind` is one of KINDS."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of the axis and its height from the top."""

    label: str
    y: float


@dataclass(frozen=True, slots=True)
class Hour:
    """The events of an hour. `counts` has their number by kind, and `outcomes` by outcome."""

    begins: datetime
    counts: Counter[str]
    outcomes: Counter[str]

    @property
    def filter(self) -> dict[str, str]:
        """The filter of the list of events that has the events of this hour."""
        ends = self.begins + timedelta(hours=1)
        return {"since": f"{self.begins:%Y-%m-%dT%H:%MZ}", "until": f"{ends:%Y-%m-%dT%H:%MZ}"}

    def filter_of(self, outcome: str) -> dict[str, str]:
        """The filter of the list of events that has the events of this hour with this outcome."""
        return self.filter | ({"status": "PENDING"} if outcome == "pending" else {"outcome": outcome})


@dataclass(frozen=True, slots=True)
class Chart:
    """The hours, oldest first, each with its left edge and its bars. `most` is the highest number of events an hour."""

    hours: tuple[Hour, ...]
    columns: tuple[tuple[Hour, float, list[Bar]], ...]
    ticks: tuple[Tick, ...]
    most: int
    is_estimated: bool

    @property
    def total(self) -> int:
        return sum(hour.counts.total() for hour in self.hours)

    @property
    def width(self) -> float:
        """The width of an hour."""
        return round(100 / len(self.hours), 3)


def of_hours(reported: Json, last: int, now: datetime) -> Chart:
    """Return the chart of the `last` hours until `now`, from the result of `ledger.queries.hours`.

    The chart includes hours without events.
    """
    this = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hours = {
        begins: Hour(begins, Counter(), Counter())
        for begins in (this - timedelta(hours=n) for n in range(last - 1, -1, -1))
    }
    for row in reported["hours"]:
        hour = hours.get(datetime.fromisoformat(row["hour"]).astimezone(UTC))
        if hour is None or row["direction"] == "maintenance":
            continue
        outcome = None if row["outcome"] == "pending" else row["outcome"]
        hour.counts[outcomes.meaning(row["direction"], outcome).kind] += row["events"]
        hour.outcomes[row["outcome"]] += row["events"]
    most = max((hour.counts.total() for hour in hours.values()), default=0)
    step, top = axis(most)
    ticks = tuple(Tick(short(value), round(100 - value / top * 100, 2)) for value in range(0, top + 1, step))
    columns = tuple(
        (hour, round(place * 100 / last, 3), stacked(hour, place * 100 / last, 100 / last, top))
        for place, hour in enumerate(hours.values())
    )
    return Chart(tuple(hours.values()), columns, ticks, most, reported["is_estimated"])


def axis(most: int) -> tuple[int, int]:
    """Return the step of the axis, which is 1, 2 or 5 times a power of ten, and its end, a multiple of the step."""
    steps = (digit * 10**exponent for exponent in count() for digit in (1, 2, 5))
    step = next(each for each in steps if each * STEPS >= most)
    return step, max(step, -(-most // step) * step)


def short(value: int) -> str:
    """Format a number of the axis: 500 -> "500", 1500 -> "1.5k", 2000000 -> "2M"."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return str(value)


def stacked(hour: Hour, left: float, width: float, top: int) -> list[Bar]:
    """Return the bars of an hour from the bottom up. Each bar is high enough to be visible."""
    heights = {kind: max(LOWEST, hour.counts[kind] / top * 100) for kind in KINDS if hour.counts[kind]}
    if heights:  # the highest bar gives room to bars that are higher than their share
        highest = max(heights, key=lambda kind: heights[kind])
        heights[highest] -= max(0, sum(heights.values()) - 100)
    ground, bars = 100.0, []
    for kind, height in heights.items():
        ground -= height
        bars.append(Bar(kind, round(left + GAP / 2, 3), round(ground, 2), round(width - GAP, 3), round(height, 2)))
    return bars
