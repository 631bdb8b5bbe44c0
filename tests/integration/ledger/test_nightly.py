"""A relay reconciles once a day."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from tests.acceptance.conftest import wait_for
from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.captured import nothing_captured, nothing_linked
from webhook_service.app import relay_for
from webhook_service.ledger import comparison, nightly
from webhook_service.ledger.reconcile import begin
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.settings import SupabaseConnection

INSTALLED = "update auth_sync_migrations set applied_at = now() - interval '3 days'"
RUNS = "select status, error_message from integration_sync_log where direction = 'maintenance' order by id"


@pytest.fixture
def at() -> time:
    """The time of the day an hour ago."""
    return (datetime.now(UTC) - timedelta(hours=1)).time()


@pytest.fixture
def forgotten(connection: Connection, auth: Auth) -> int:
    """An employee whose login no trigger captured."""
    connection.execute(INSTALLED)
    with nothing_captured(connection):
        auth.admin_create("jane@example.com")
    return hire(connection, "jane@example.com")


def runs(connection: Connection) -> list[dict[str, Any]]:
    return connection.execute(RUNS).fetchall()


def test_a_relay_reconciles_once_a_day(connection: Connection, database: Database, forgotten: int, at: time) -> None:
    """The first relay after the time reconciles, and no relay does so again before the next day."""
    for _ in range(2):
        nightly.run_once(database, Policy(), at)
    assert employee(connection, forgotten)["auth_user_id"] is not None
    assert runs(connection) == [{"status": "SUCCESS", "error_message": None}]
    connection.execute("update integration_sync_log set created_at = created_at - interval '1 day'")
    nightly.run_once(database, Policy(), at)
    assert len(runs(connection)) == 2


def test_no_run_on_the_day_of_the_installation(connection: Connection, database: Database, at: time) -> None:
    """A person can make the first run with its preview, before a relay makes one."""
    nightly.run_once(database, Policy(), at)
    assert runs(connection) == []


@pytest.mark.parametrize(("hours", "count"), [(0, 1), (2, 2)])
def test_a_failed_run_is_repeated_after_an_hour(
    connection: Connection, database: Database, at: time, hours: int, count: int
) -> None:
    """A run that has failed is repeated on the same day, but not at once."""
    connection.execute(INSTALLED)
    nightly.run_once(database, Policy(), at)
    connection.execute(
        "update integration_sync_log set status = 'FAILED', outcome = 'incomplete', completed_at = null,"
        " error_message = 'interrupted', created_at = now() - %s",
        [timedelta(hours=hours)],
    )
    at = (datetime.now(UTC) - timedelta(hours=3)).time()
    nightly.run_once(database, Policy(), at)
    assert len(runs(connection)) == count


def test_too_many_bans_stop_the_run(connection: Connection, database: Database, auth: Auth, at: time) -> None:
    """A run that would ban an unusual share of the company changes nothing, and the ledger says why."""
    connection.execute(INSTALLED)
    with nothing_captured(connection), nothing_linked(connection):
        for number in range(21):
            user = auth.admin_create(f"e{number}@example.com")
            hire(connection, f"e{number}@example.com", auth_user_id=user, is_active=False)
    nightly.run_once(database, Policy(), at)
    [run] = runs(connection)
    assert run["status"] == "FAILED"
    assert "would ban 21 logins, and the limit is 20. Nothing was changed" in run["error_message"]
    assert connection.execute("select from integration_sync_log where direction <> 'maintenance'").fetchall() == []
    compared = comparison.current(database)
    assert (compared["is_dry"], compared["count"]) == (True, 21)  # the overview says that nothing was corrected


def test_a_run_in_progress_is_left_alone(connection: Connection, database: Database, forgotten: int, at: time) -> None:
    """While an admin's run from before the time is in progress, a relay makes no second run and does not fail."""
    begin(database, "ann", dry_run=False)
    connection.execute("update integration_sync_log set created_at = created_at - interval '1 day'")
    nightly.run_once(database, Policy(), at)
    assert [run["status"] for run in runs(connection)] == ["PENDING"]


def test_a_relay_has_the_loop(connection: Connection, database: Database, forgotten: int, at: time) -> None:
    """A relay with RECONCILE_AT reconciles by itself."""
    relay = relay_for(SupabaseConnection("http://unused", "unused"), database, Policy(), None, reconcile_at=at)
    relay.start()
    try:
        wait_for("the run", lambda: [run for run in runs(connection) if run["status"] == "SUCCESS"])
    finally:
        relay.stop(patience=20)
