"""The chart of events per hour, as rectangles that the template draws."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from webhook_service.events import Json
from webhook_service.ledger import wording

WIDTH, HEIGHT, GAP = 720, 160, 4
KINDS = ("done", "same", "waiting", "failed")


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle in the units of the drawing. (x, y) is its upper left corner, and `kind` is one of KINDS."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Hour:
    """The events of an hour. `counts` has their number by kind, and `outcomes` by outcome."""

    begins: datetime
    counts: Counter[str]
    outcomes: Counter[str]


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart's hours, oldest first, and their bars. `most` is the number of events of the highest bar."""

    hours: tuple[Hour, ...]
    bars: tuple[Bar, ...]
    most: int
    is_estimated: bool
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def total(self) -> int:
        return sum(hour.counts.total() for hour in self.hours)


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
        hour.counts[wording.meaning(row["direction"], outcome).kind] += row["events"]
        hour.outcomes[row["outcome"]] += row["events"]
    most = max((hour.counts.total() for hour in hours.values()), default=0)
    bars = tuple(bar for place, hour in enumerate(hours.values()) for bar in stacked(hour, place, last, most))
    return Chart(tuple(hours.values()), bars, most, reported["is_estimated"])


def stacked(hour: Hour, place: int, places: int, most: int) -> list[Bar]:
    """Return the bars of an hour from the bottom up. Each bar is high enough to be visible."""
    step, ground, bars = WIDTH / places, float(HEIGHT), []
    for kind in KINDS:
        if count := hour.counts[kind]:
            height = max(2.0, count / most * (HEIGHT - 10))
            ground -= height
            bars.append(
                Bar(kind, round(place * step + GAP / 2, 1), round(ground, 1), round(step - GAP, 1), round(height, 1))
            )
    return bars
