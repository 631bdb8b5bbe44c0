"""The chart, the health checks and the wording of the pages."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from webhook_service.events import Json
from webhook_service.web.pages import chart, overview

NOW = datetime(2026, 11, 22, 12, 34, tzinfo=UTC)


def row(hours_ago: int, events: int, outcome: str = "linked", direction: str = "inbound") -> dict[str, Json]:
    begins = NOW.replace(minute=0) - timedelta(hours=hours_ago)
    return {"hour": begins.isoformat(), "events": events, "outcome": outcome, "direction": direction}


def drawn(*rows: dict[str, Json]) -> chart.Chart:
    return chart.of_hours({"hours": list(rows), "is_estimated": False}, 24, NOW)


def test_a_chart_has_every_hour() -> None:
    """A chart has all 24 hours up to the current hour, oldest first. An hour without events has no bar."""
    empty = drawn()
    assert [hour.begins for hour in empty.hours] == [
        datetime(2026, 11, 21, 13, tzinfo=UTC) + timedelta(hours=n) for n in range(24)
    ]
    assert (empty.most, empty.total) == (0, 0)
    assert not any(bars for _, _, bars in empty.columns)


def test_the_bars_of_an_hour_are_stacked() -> None:
    """An hour's bars are stacked by kind, as high as the axis says, always visible, and inside the chart."""
    found = drawn(row(0, 900), row(0, 100, "ambiguous"), row(1, 500), row(1, 1, "pending"), row(23, 500, "unchanged"))
    assert (found.most, found.total) == (1000, 2001)
    stacks = [bars for _, _, bars in found.columns if bars]
    assert [[bar.kind for bar in bars] for bars in stacks] == [["same"], ["done", "waiting"], ["done", "failed"]]
    for bars in stacks:
        assert bars[0].y + bars[0].height == pytest.approx(100, abs=0.02)
        assert all(upper.y + upper.height == pytest.approx(lower.y, abs=0.02) for lower, upper in pairwise(bars))
        assert all(0 <= bar.x <= bar.x + bar.width <= 100 and bar.y >= 0 and bar.height >= 1.5 for bar in bars)
    assert [bars[0].height for bars in stacks] == [50, 50, 90]


def test_small_bars_do_not_leave_the_chart() -> None:
    """If small bars are drawn higher than their share, the highest bar of the hour is lower by as much."""
    [bars] = [bars for _, _, bars in drawn(row(0, 1998), row(0, 1, "pending"), row(0, 1, "ambiguous")).columns if bars]
    assert (bars[-1].y, [bar.height for bar in bars]) == (0, [97, 1.5, 1.5])


@pytest.mark.parametrize(
    ("most", "labels"),
    [
        (0, ["0", "1"]),
        (1, ["0", "1"]),
        (4, ["0", "1", "2", "3", "4"]),
        (5, ["0", "2", "4", "6"]),
        (37, ["0", "10", "20", "30", "40"]),
        (1000, ["0", "500", "1k"]),
        (5200, ["0", "2k", "4k", "6k"]),
        (1_700_000, ["0", "500k", "1M", "1.5M", "2M"]),
    ],
)
def test_the_axis_has_round_numbers(most: int, labels: list[str]) -> None:
    """The axis has at most four equal steps of 1, 2 or 5 times a power of ten, from 0 to at least the fullest hour."""
    ticks = drawn(row(3, most)).ticks if most else drawn().ticks
    assert [tick.label for tick in ticks] == labels
    assert (ticks[0].y, ticks[-1].y) == (100, 0)


def test_an_hour_leads_to_its_events() -> None:
    """The filter of an hour begins with it and ends with the next, and the filter of an outcome names the outcome."""
    hour = drawn().hours[-1]
    assert hour.filter == {"since": "2026-11-22T12:00Z", "until": "2026-11-22T13:00Z"}
    assert hour.filter_of("linked") == hour.filter | {"outcome": "linked"}
    assert hour.filter_of("pending") == hour.filter | {"status": "PENDING"}


def test_a_chart_leaves_out_other_rows() -> None:
    """A chart leaves out maintenance runs and hours outside of its range, and converts hours of other time zones."""
    elsewhere = row(2, 7) | {"hour": "2026-11-22T15:30:00+05:30"}
    found = drawn(row(1, 5, direction="maintenance"), row(24, 5), row(-1, 5), elsewhere)
    assert [(hour.begins.hour, hour.counts.total()) for hour in found.hours if hour.counts] == [(10, 7)]


FAILING = {"loop": "actions", "seconds": 9.0, "relays": 2, "reason": "database_error", "detail": "It broke."}
GOOD: dict[str, Any] = {
    "seconds": 1,
    "failing": [],
    "open": [],
    "oldest": None,
    "pending": 0,
    "waiting": 0,
    "waiting_seconds": None,
    "auth_failing": None,
    "has_auth": True,
    "failed": 0,
    "needs_attention": 0,
    "dismissed": 0,
    "can_compare": True,
    "compared": 60,
    "is_dry": False,
    "differences": 0,
    "still_in": 0,
    "others": 0,
}
NAMES = ("verdict", "Relay", "Supabase Auth", "Waiting", "Failures", "Comparison", "People", "Rights")


@pytest.mark.parametrize(
    ("changes", "levels"),
    [
        ({}, {}),
        ({"seconds": None}, {"Relay": "bad"}),
        ({"seconds": 121}, {"Relay": "bad"}),
        ({"failing": [FAILING, FAILING]}, {"Relay": "bad"}),
        ({"oldest": 900, "pending": 3}, {}),
        ({"oldest": 901, "pending": 3}, {"Waiting": "bad"}),
        ({"waiting": 1, "waiting_seconds": 5}, {}),
        ({"waiting": 1, "waiting_seconds": 901}, {"Waiting": "warning"}),
        ({"auth_failing": 5}, {"Supabase Auth": "warning"}),
        ({"auth_failing": 5, "waiting": 1, "waiting_seconds": 5}, {"Supabase Auth": "warning", "Waiting": "warning"}),
        ({"has_auth": False}, {}),
        ({"has_auth": False, "waiting": 1, "waiting_seconds": 5}, {"Supabase Auth": "warning"}),
        ({"failed": 2}, {"Failures": "warning"}),
        ({"failed": 2, "dismissed": 2}, {}),
        ({"failed": 2, "needs_attention": 1}, {"Failures": "bad"}),
        ({"compared": None}, {"Comparison": "warning", "People": "warning"}),
        ({"compared": None, "can_compare": False}, {"Comparison": None}),
        ({"compared": 8 * 86400}, {"Comparison": "warning"}),
        ({"is_dry": True}, {}),
        ({"is_dry": True, "differences": 3}, {"Comparison": "warning"}),
        ({"is_dry": False, "differences": 3}, {}),
        ({"others": 1}, {"People": "warning"}),
        ({"others": 1, "still_in": 1}, {"People": "bad"}),
        ({"compared": None, "still_in": 1}, {"Comparison": "warning", "People": "bad"}),
        ({"open": [{"problem": "clients_may_write", "says": "anon may write"}]}, {"Rights": "bad"}),
    ],
)
def test_the_levels_of_the_health_checks(changes: dict[str, Any], levels: dict[str, str | None]) -> None:
    """The overall level is the worst of the relay, Auth, the waiting events, the failures and the differences."""
    found = checks_of(GOOD | changes)
    expected = dict.fromkeys(NAMES[1:-1], "good") | levels
    assert {check.title: check.level for check in found[1:]} == {name: at for name, at in expected.items() if at}
    assert all(check.headline for check in found[1:] if check.level == "bad")
    order = ("good", "warning", "bad")
    assert found[0].level == max((check.level for check in found[1:]), key=order.index)


def test_the_line_at_the_top_names_what_is_bad() -> None:
    """The line at the top begins with the first bad check, and names the others."""
    assert checks_of(GOOD | {"failed": 5, "needs_attention": 4})[0].title == "4 events need a decision"
    found = checks_of(GOOD | {"failed": 2, "needs_attention": 1, "still_in": 2})[0]
    assert (found.title, found.says) == ("1 event needs a decision", "2 former employees can still sign in.")


def checks_of(given: dict[str, Any]) -> list[overview.Check]:
    auth = {"failing_seconds": given["auth_failing"], "failure": None, "answered_seconds": 3}
    readiness = {
        "relay_last_run_seconds": given["seconds"],
        "oldest_pending_seconds": given["oldest"],
        "pending_events": given["pending"],
        "failing_loops": given["failing"],
        "open_employees": given["open"],
        "auth": auth | {"waiting": given["waiting"], "waiting_seconds": given["waiting_seconds"]},
        "comparison": {
            "can_compare": given["can_compare"],
            "seconds": given["compared"],
            "is_dry": given["is_dry"],
            "count": given["differences"],
        },
    }
    summary = {
        "events": {"PENDING": given["pending"], "FAILED": given["failed"]},
        "needs_attention": given["needs_attention"],
        "dismissed": given["dismissed"],
    }
    problems = {"INACTIVE_WITH_AUTH": given["still_in"], "ORPHANED": given["others"]} | {
        name: 0 for name in ("EMAIL_MISMATCH", "AMBIGUOUS", "UNUSABLE_EMAIL", "MISSING_AUTH_UID")
    }
    return overview.checks(readiness, summary, problems, 900, has_auth=given["has_auth"])
