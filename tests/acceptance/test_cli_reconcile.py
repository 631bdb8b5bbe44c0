"""`webhook-service reconcile`, `prune`, `relay --once` and `uninstall`, as an operator uses them."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.acceptance.command import Run, assert_one_clear_line
from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.capturing import auth_on


@pytest.fixture
def auth(database_url: str) -> Iterator[Auth]:
    with auth_on(database_url) as auth:
        yield auth


@pytest.fixture
def first_install(connection: Connection, auth: Auth) -> Connection:
    """A project with one employee and three users, who signed up before the triggers existed."""
    connection.execute("alter table auth.users disable trigger auth_sync_capture")
    hire(connection, "jane@example.com")
    for name in ("jane", "joe", "jim"):
        auth.admin_create(f"{name}@example.com")
    connection.execute("alter table auth.users enable trigger auth_sync_capture")
    return connection


def runs(connection: Connection) -> list[tuple[str, str]]:
    """The status and outcome of each run in the ledger."""
    query = "select status, outcome from integration_sync_log where direction = 'maintenance' order by id"
    return [(row["status"], row["outcome"]) for row in connection.execute(query)]


# reconcile


def test_a_dry_run_shows_the_result(run: Run, first_install: Connection) -> None:
    """A dry run counts the differences by kind, and shows what a run would do.

    It writes nothing, and ends with 1 if there is a difference.
    """
    code, output, errors = run("reconcile", "--dry-run")
    assert (code, errors) == (1, "")
    assert output.splitlines() == [
        "comparing",  # the bar, where there is no terminal
        "3 auth users compared with the 0 last known states. Differences: 3",
        "         3 unknown",
        "a run would cause",
        "         1 links",
        "         0 renamed employees",
        "         0 employees with another e-mail",
        "         0 orphans",
        "         0 logins banned",
        "         0 logins unbanned",
        "         0 logins with another e-mail",
        "         0 need a decision",
        "links",
        "  jane@example.com to employee 1",
    ]
    assert first_install.execute("select from integration_sync_log").fetchall() == []


def test_reconcile_repairs(run_installed: Run, first_install: Connection) -> None:
    """A run prints the differences and their outcomes. The ledger has the run, with its requester."""
    code, output, errors = run_installed("reconcile")
    assert (code, errors) == (0, "")
    assert output.splitlines() == [
        "comparing",  # the bars, where there is no terminal
        "applying",
        "3 auth users compared with the 0 last known states. Differences: 3",
        "         3 unknown",
        "outcomes",
        "         1 linked",
        "         2 unmatched",
    ]
    assert employee(first_install, 1)["auth_user_id"] is not None
    assert runs(first_install) == [("SUCCESS", "reconciled")]
    asked = first_install.execute("select request_data from integration_sync_log where direction = 'maintenance'")
    assert [row["request_data"]["requested_by"][:4] for row in asked] == ["cli:"]


@pytest.mark.parametrize("arguments", [["reconcile"], ["reconcile", "--dry-run"]])
def test_again_there_is_nothing(run: Run, first_install: Connection, arguments: list[str]) -> None:
    """After a reconcile there is no difference, and the next run, dry or not, ends with 0."""
    run("reconcile")
    code, output, _ = run(*arguments)
    assert code == 0
    assert "3 auth users compared with the 3 last known states. Differences: 0" in output.splitlines()


def test_what_cannot_be_applied_now_is_said(run: Run, first_install: Connection, database_url: str) -> None:
    """While another transaction holds an employee, the run does the rest, is recorded as failed and ends with 1.

    The relay applies the event later.
    """
    with psycopg.connect(database_url) as other:
        other.execute("update employees set first_name = first_name")
        code, output, _ = run("reconcile")
    assert (code, output.splitlines()[-1][:2]) == (1, "1 ")
    assert "The relay applies them later" in output
    assert runs(first_install) == [("FAILED", "incomplete")]
    first_install.execute("update integration_sync_log set next_attempt_at = now() where status = 'PENDING'")
    assert run("relay", "--once")[:2] == (0, "1 events were due, and 0 actions.\n")
    assert employee(first_install, 1)["auth_user_id"] is not None


def test_one_run_at_a_time(run: Run, connection: Connection) -> None:
    """While a run is under way, another one is refused in one line. A dry run works."""
    connection.execute("select auth_sync_begin_reconcile_v1('somebody', false)")
    code, _, errors = run("reconcile")
    assert code == 1
    assert_one_clear_line(errors, "[run_under_way]")
    assert run("reconcile", "--dry-run")[0] == 0


def test_without_auth_users(run: Run, connection: Connection) -> None:
    """Without auth.users, the run is refused in one line, and no success is recorded."""
    connection.execute("drop table auth.users cascade")
    code, _, errors = run("reconcile")
    assert code == 1
    assert_one_clear_line(errors, "[no_auth_users]")
    assert runs(connection) == []


@pytest.mark.parametrize("command", ["reconcile", "reconcile --dry-run", "relay --once", "prune --older-than 90d"])
def test_an_unreachable_database_is_one_clear_line(run: Run, command: str) -> None:
    """Each command reports in one line that it cannot reach the database."""
    code, _, errors = run(*command.split(), DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert code == 1
    assert_one_clear_line(errors, "[database_unreachable]")


@pytest.mark.parametrize("command", ["reconcile", "reconcile --dry-run", "relay --once", "prune --older-than 90d"])
def test_before_the_migrations_is_one_clear_line(run: Run, empty_database_url: str, command: str) -> None:
    """Each command reports in one line that the migrations have yet to run."""
    code, _, errors = run(*command.split(), DATABASE_URL=empty_database_url)
    assert code == 1
    assert_one_clear_line(errors, "[not_migrated]", "webhook-service migrate")


# relay --once


def test_relay_once(run_installed: Run, connection: Connection, auth: Auth) -> None:
    """`relay --once` applies all due events and prints their number. The next one finds none."""
    hire(connection, "jane@example.com")
    for name in ("jane", "joe"):
        auth.admin_create(f"{name}@example.com")
    assert run_installed("relay", "--once") == (0, "2 events were due, and 0 actions.\n", "")
    assert employee(connection, 1)["auth_user_id"] is not None
    assert run_installed("relay", "--once") == (0, "0 events were due, and 0 actions.\n", "")


# prune


@pytest.fixture
def old_events(run: Run, connection: Connection, auth: Auth) -> Connection:
    """Three events that were done 100 days ago, one that was done today, and one that has been pending for 100 days."""
    for name in ("jane", "joe", "jim", "jill"):
        auth.admin_create(f"{name}@example.com")
    run("relay", "--once")
    auth.admin_create("jo@example.com")
    connection.execute("update integration_sync_log set created_at = created_at - interval '100 days'")
    connection.execute(
        "update integration_sync_log set completed_at = completed_at - interval '100 days'"
        " where id in (select id from integration_sync_log where status = 'SUCCESS' order by id limit 3)"
    )
    return connection


def left(connection: Connection) -> list[str]:
    return [row["status"] for row in connection.execute("select status from integration_sync_log order by id")]


@pytest.mark.parametrize(
    "age", ["", "90", "d", "-1d", "1.5d", "90 d", "90D", "1y", "999999d", "١d", "0d", "12h", "23h"]
)
def test_a_bad_age_is_refused(refused_run: Run, connection: Connection, age: str) -> None:
    """A text that is not an age, or an age under a day, is refused in one line that names the option."""
    code, _, errors = refused_run("prune", "--older-than", age)
    assert code == 2
    assert_one_clear_line(errors, "--older-than")


@pytest.mark.parametrize("age", ["99999d", "99999w"])
def test_an_age_before_all_time(refused_run: Run, connection: Connection, age: str) -> None:
    """An age before all dates is accepted, or refused in one line."""
    code, output, errors = refused_run("prune", "--older-than", age, "--dry-run")
    if code:
        assert_one_clear_line(errors, "--older-than")
    else:
        assert output == "0 events would be removed.\n"


def test_an_age_must_be_given(refused_run: Run) -> None:
    """Without --older-than nothing is removed."""
    code, _, errors = refused_run("prune")
    assert code == 2
    assert_one_clear_line(errors, "--older-than")


@pytest.mark.parametrize(("age", "count"), [("90d", 3), ("12w", 3), ("2399h", 3), ("101d", 0)])
def test_a_dry_prune_counts(run: Run, old_events: Connection, age: str, count: int) -> None:
    """A dry run counts the events that were done that long ago, in days, weeks or hours, and removes none."""
    assert run("prune", "--older-than", age, "--dry-run") == (0, f"{count} events would be removed.\n", "")
    assert len(left(old_events)) == 5


def test_prune_removes(run_installed: Run, old_events: Connection) -> None:
    """Events that were done that long ago are removed. Open events stay at any age. The next run removes none."""
    code, output, errors = run_installed("prune", "--older-than", "90d")
    assert (code, output.splitlines()[-1], errors) == (0, "3 events removed.", "")
    assert left(old_events) == ["SUCCESS", "PENDING"]
    assert run_installed("prune", "--older-than", "90d")[1].splitlines()[-1] == "0 events removed."
