"""`webhook-service reconcile` as a process: its exit codes, and the state after a kill."""

from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from tests.acceptance.command import Run, settings_for, started_command
from tests.acceptance.conftest import has_waiting_calls, wait_for
from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.captured import make_due, nothing_captured, relay_all
from webhook_service.ports import Database

MAIL = "jane@example.com"
RUNS = "select status, outcome from integration_sync_log where direction = 'maintenance' order by id"


WAITS_IN_A_RUN = """
create function waits() returns trigger language plpgsql as $$ begin
  if exists (select from public.integration_sync_log where direction = 'maintenance' and status = 'PENDING') then
    perform pg_advisory_xact_lock(1);
  end if;
  return new;
end $$;
create trigger waits before insert or update on auth_user_state for each row execute function waits();
"""
"""The command plans, and then begins a run. Each change of the run waits for the lock 1. No change of the plan does."""


@pytest.fixture
def jane(connection: Connection) -> int:
    return hire(connection, MAIL)


@pytest.fixture
def renamed(database: Database, connection: Connection, auth: Auth, jane: int) -> UUID:
    """Jane's auth user, which is linked and whose change of name was not captured."""
    user = auth.admin_create(MAIL)
    relay_all(database)
    with nothing_captured(connection):
        auth.update_metadata(user, {"first_name": "Jane"})
    return user


@pytest.mark.campaign
def test_a_killed_run_is_no_success_and_the_next_does_the_rest(
    run: Run,
    database: Database,
    database_url: str,
    tmp_path: Path,
    connection: Connection,
    renamed: UUID,
    jane: int,
) -> None:
    """A run that is killed while it applies differences is not recorded as a success, and nothing is lost."""
    environment = settings_for(database_url)
    connection.execute(WAITS_IN_A_RUN)
    with (
        psycopg.connect(database_url) as other,
        started_command(
            "reconcile", environment=environment, folder=tmp_path, output=tmp_path / "reconcile.log"
        ) as process,
    ):
        other.execute("select pg_advisory_xact_lock(1)")
        wait_for("it is at work", lambda: has_waiting_calls(connection))
        process.kill()
        process.wait()
    assert connection.execute(RUNS).fetchall() == [{"status": "PENDING", "outcome": None}]
    code, _, errors = run("reconcile")
    assert (code, "run_under_way" in errors) == (1, True)

    connection.execute("update integration_sync_log set leased_until = now() - interval '1 second'")
    assert run("reconcile")[0] == 0
    assert [tuple(row.values()) for row in connection.execute(RUNS)] == [
        ("FAILED", "interrupted"),
        ("SUCCESS", "reconciled"),
    ]
    make_due(connection)
    relay_all(database)
    assert employee(connection, jane)["first_name"] == "Jane"
    assert run("reconcile", "--dry-run")[0] == 0


def test_a_dry_run_reports_differences_to_scripts(run: Run, renamed: UUID, jane: int) -> None:
    """A dry run ends with 1 and lists what a run would do, or ends with 0 if there are no differences."""
    code, output, _ = run("reconcile", "--dry-run")
    assert code == 1
    assert f'employee {jane}: first_name "" -> "Jane"' in output
    assert run("reconcile")[0] == 0
    code, output, _ = run("reconcile", "--dry-run")
    assert (code, "1 auth users compared with the 1 last known states. Differences: 0" in output) == (0, True)


def test_without_auth_users_it_says_so_in_one_line(run: Run, connection: Connection) -> None:
    """Without auth.users, the command prints the reason for scripts and no traceback."""
    connection.execute("drop table auth.users cascade")
    code, _, errors = run("reconcile")
    assert code == 1
    assert "Traceback" not in errors
    assert "[no_auth_users]" in errors
