"""The chart, the health checks and the wording of the pages."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from webhook_service.events import Action, ActionOutcome, Json, Operation, Outcome, Status
from webhook_service.ledger import wording
from webhook_service.ledger.employees import SyncStatus
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
    assert (empty.bars, empty.most, empty.total) == ((), 0, 0)


def test_the_bars_of_an_hour_are_stacked() -> None:
    """An hour's bars are stacked by kind, in proportion to the highest hour, always visible, and inside the chart."""
    found = drawn(row(0, 900), row(0, 100, "ambiguous"), row(1, 500), row(1, 1, "pending"), row(23, 500, "unchanged"))
    assert (found.most, found.total) == (1000, 2001)
    by_place: dict[float, list[chart.Bar]] = {}
    for bar in found.bars:
        by_place.setdefault(bar.x, []).append(bar)
        assert 0 <= bar.x <= bar.x + bar.width <= found.width
        assert 0 <= bar.y <= bar.y + bar.height <= found.height
        assert bar.height >= 2
    assert [[bar.kind for bar in bars] for _, bars in sorted(by_place.items())] == [
        ["same"], ["done", "waiting"], ["done", "failed"],
    ]  # fmt: skip
    for bars in by_place.values():
        assert bars[0].y + bars[0].height == pytest.approx(found.height, abs=0.2)
        assert all(upper.y + upper.height == pytest.approx(lower.y, abs=0.2) for lower, upper in pairwise(bars))
    [low, _], [high, _] = by_place[min(set(by_place) - {2.0})], by_place[max(by_place)]
    assert high.height == pytest.approx(low.height * 9 / 5, abs=0.2)


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
    order = ("good", "warning", "bad")
    assert found[0].level == max((check.level for check in found[1:]), key=order.index)


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


def test_every_value_has_a_wording() -> None:
    """Each outcome, operation, status and sync status has a wording, and each failure has a remedy."""
    assert {str(outcome) for outcome in Outcome} <= wording.EVENTS.keys()
    assert {str(outcome) for outcome in ActionOutcome} <= wording.ACTIONS.keys()
    assert {str(outcome) for outcome in (*Outcome, *ActionOutcome)} <= wording.LABELS.keys()
    assert {str(name) for name in (*Operation, *Action)} <= wording.OPERATIONS.keys()
    assert {str(status) for status in Status} <= wording.STATUSES.keys()
    assert {str(status) for status in SyncStatus} <= wording.SYNC_STATUSES.keys()
    for meaning in (*wording.EVENTS.values(), *wording.ACTIONS.values()):
        assert meaning.kind in wording.KINDS
        assert meaning.says.endswith(".")
        assert meaning.kind != "failed" or meaning.todo
