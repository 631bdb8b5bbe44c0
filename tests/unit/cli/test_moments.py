"""A time on the command line is a date, a time, or how long ago."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from webhook_service.cli.moments import Moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22", "2026-11-22T00:00:00+00:00"),
        ("2026-11-22T10:00", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22 10:00:30Z", "2026-11-22T10:00:30+00:00"),
        ("2026-11-22T10:00+02:00", "2026-11-22T10:00:00+02:00"),
    ],
)
def test_a_date_or_a_time_is_utc_unless_it_has_a_zone(text: str, moment: str) -> None:
    """A date is its midnight in UTC, and a time keeps its zone."""
    assert Moment().convert(text, None, None) == moment


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90s", timedelta(seconds=90)),
        ("90m", timedelta(minutes=90)),
        ("12h", timedelta(hours=12)),
        ("3d", timedelta(days=3)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_a_duration_is_counted_back_from_now(text: str, ago: timedelta) -> None:
    """A number with a unit is so long ago."""
    before = datetime.now(UTC) - ago
    moment = datetime.fromisoformat(Moment().convert(text, None, None))
    assert before <= moment <= datetime.now(UTC) - ago


@pytest.mark.parametrize("text", ["yesterday", "", "3 days", "-3d", "3y", "2026-13-01", "999999w"])
def test_anything_else_is_refused_with_examples(text: str) -> None:
    """The error shows the three forms."""
    with pytest.raises(click.BadParameter, match="not a date .* a time .* or a duration"):
        Moment().convert(text, None, None)
