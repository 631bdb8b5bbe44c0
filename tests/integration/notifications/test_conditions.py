"""The database reports the conditions of the ledger that are worth a notice."""

from typing import Any

import pytest

from tests.employees import Connection
from webhook_service.ports import Database

HOUR = 3600


def conditions(database: Database, *, backlog: int = 900, silence: int | None = None, actions: bool = True) -> Any:
    seen = database.call(
        "auth_sync_conditions_v1", p_backlog_seconds=backlog, p_silence_seconds=silence, p_with_actions=actions
    )
    return {kind: facts for kind, facts in seen["conditions"].items() if facts is not None}


def enter(connection: Connection, **columns: Any) -> None:
    """Insert a row of the ledger. Times are in minutes from now."""
    row: dict[str, Any] = {"direction": "inbound", "operation": "INSERT", "status": "PENDING", "outcome": None}
    row |= {"priority": 0, "created_at": 0, "next_attempt_at": None, "changes": "{}"} | columns
    row["error_message"] = "it failed" if row["status"] == "FAILED" else None
    connection.execute(
        "insert into integration_sync_log (event_id, via, direction, operation, status, outcome, priority, changes,"
        "                                  error_message, created_at, next_attempt_at)"
        " values (gen_random_uuid(), 'capture', %(direction)s, %(operation)s, %(status)s, %(outcome)s, %(priority)s,"
        "         %(changes)s, %(error_message)s, now() + make_interval(mins => %(created_at)s),"
        "         now() + make_interval(mins => %(next_attempt_at)s))",
        row,
    )


PENDING = {"created_at": -20, "next_attempt_at": -20}
RETRYING = {"status": "FAILED", "outcome": "ambiguous", "created_at": -99}
ACTION = {"direction": "outbound", "operation": "disable_auth_user", "created_at": -20, "next_attempt_at": -20}
OUTAGE = ACTION | {"status": "FAILED", "outcome": "auth_unavailable", "next_attempt_at": 5}
CASES = {
    "an event that no relay claimed": (PENDING, "backlog"),
    "an event that just arrived": ({"created_at": -10, "next_attempt_at": -10}, None),
    "an event that is held again and again": ({"created_at": -20, "next_attempt_at": 0}, "backlog"),
    "an event that is retried in time": (RETRYING | {"next_attempt_at": 30}, None),
    "an event that is not retried in time": (RETRYING | {"next_attempt_at": -16}, "backlog"),
    "an event that needs attention": (RETRYING | {"next_attempt_at": None}, "needs_attention"),
    "a dismissal that no relay claimed": (ACTION, "backlog"),
    "a dismissal during an outage": (OUTAGE, "backlog"),
    "a bulk action that waits its turn": (ACTION | {"priority": 1}, None),
    "a bulk action since yesterday": (ACTION | {"priority": 1, "created_at": -1500}, "backlog"),
    "a dismissal that needs attention": (OUTAGE | {"next_attempt_at": None}, "needs_attention"),
    "a reconciliation that failed": (
        {"direction": "maintenance", "operation": "reconcile", "status": "FAILED", "outcome": "incomplete"},
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("row", "kind"), CASES.values(), ids=CASES.keys())
def test_rows_that_wait_too_long_or_need_attention_are_reported(
    database: Database, connection: Connection, row: dict[str, Any], kind: str | None
) -> None:
    """Rows that wait too long or need attention are reported as conditions, and other rows are not."""
    assert conditions(database) == {}
    enter(connection, **row)
    found = conditions(database)
    assert list(found) == ([kind] if kind is not None else [])
    if kind == "backlog":
        assert found[kind]["events"] + found[kind]["actions"] == 1
        assert found[kind]["oldest_seconds"] > 900


def test_bulk_actions_are_a_backlog_during_an_outage(database: Database, connection: Connection) -> None:
    """Bulk actions are a backlog at once if Auth is down, and never if this service performs no actions."""
    enter(connection, **ACTION | {"priority": 1})
    connection.execute("update auth_sync_rate set failures = 1")
    assert conditions(database)["backlog"]["actions"] == 1
    assert conditions(database, actions=False) == {}


def test_drift_is_reported_from_the_newest_run(database: Database, connection: Connection) -> None:
    """Drift is what the newest reconcile run found. The first run does not count, as it finds all earlier users."""
    run = {"direction": "maintenance", "operation": "reconcile", "status": "SUCCESS", "outcome": "reconciled"}
    connection.execute("alter table integration_sync_log drop constraint known_state")
    enter(connection, **run, changes='{"differences": {"unknown": 900}}')
    assert conditions(database) == {}
    enter(connection, **run, changes='{"differences": {"unknown": 2, "email": 1}}')
    enter(connection, **run | {"status": "FAILED", "outcome": "interrupted"})  # this run has no result
    drift = conditions(database)["drift"]
    assert (drift["count"], drift["differences"]) == (3, {"unknown": 2, "email": 1})
    enter(connection, **run, changes='{"differences": {}}')
    assert conditions(database) == {}


def test_silence_is_counted_from_the_last_event(database: Database, connection: Connection) -> None:
    """If silence is watched, it is counted from the last event, or from the installation if there is no event."""
    assert conditions(database, silence=HOUR) == {}
    connection.execute("update auth_sync_migrations set applied_at = now() - interval '2 hours'")
    assert conditions(database, silence=HOUR)["silence"]["seconds"] >= 2 * HOUR
    enter(connection, created_at=-61, next_attempt_at=60)
    enter(connection, **ACTION | {"created_at": 0})
    assert HOUR <= conditions(database, silence=HOUR)["silence"]["seconds"] < 2 * HOUR
    assert conditions(database) == {}
    enter(connection, next_attempt_at=60)
    assert conditions(database, silence=HOUR) == {}
