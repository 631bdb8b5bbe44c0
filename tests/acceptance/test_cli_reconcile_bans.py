"""`webhook-service reconcile` asks before it bans logins, and stops before it bans many."""

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.command import COMMAND, Run, assert_one_clear_line, environment_in, settings_for
from tests.auth_stand_in import Auth
from tests.employees import Connection, hire
from tests.integration.captured import nothing_captured, nothing_linked


def left(connection: Connection, auth: Auth, count: int) -> None:
    """Employees who left before the installation, and whose logins still work."""
    with nothing_captured(connection), nothing_linked(connection):
        for number in range(count):
            mail = f"left{number}@example.com"
            hire(connection, mail, first_name="Lea", last_name=f"Left{number}", is_active=False)
            auth.admin_create(mail)


def requested(connection: Connection) -> int:
    """How many bans are requested."""
    query = "select from integration_sync_log where operation = 'disable_auth_user'"
    return len(connection.execute(query).fetchall())


def linked(connection: Connection) -> int:
    return len(connection.execute("select from employees where auth_user_id is not null").fetchall())


def test_a_dry_run_shows_the_bans_by_name(run: Run, connection: Connection, auth: Auth) -> None:
    """A dry run names the people whose logins would be banned."""
    left(connection, auth, 2)
    code, output, _ = run("reconcile", "--dry-run")
    lines = output.splitlines()
    names = ["  Lea Left0 (left0@example.com)", "  Lea Left1 (left1@example.com)"]
    assert (code, sorted(lines[lines.index("logins banned") + 1 :])) == (1, names)
    assert "         2 logins banned" in lines
    assert requested(connection) == 0


def test_without_a_terminal_bans_need_yes(run: Run, connection: Connection, auth: Auth) -> None:
    """A run that bans changes nothing without `--yes` where nobody can be asked, and bans with it."""
    left(connection, auth, 1)
    code, _, errors = run("reconcile")
    assert (code, linked(connection), requested(connection)) == (1, 0, 0)
    assert_one_clear_line(errors, "[not_confirmed]")
    assert run("reconcile", "--yes")[0] == 0
    assert (linked(connection), requested(connection)) == (1, 1)


def test_more_bans_than_the_limit_stop_the_run(run: Run, connection: Connection, auth: Auth) -> None:
    """A run that would ban more than 20 logins changes nothing, says how to go on, and does it with `--max-bans`."""
    left(connection, auth, 21)
    code, _, errors = run("reconcile", "--yes")
    assert (code, linked(connection), requested(connection)) == (1, 0, 0)
    assert_one_clear_line(errors, "[too_many_bans]")
    assert "--max-bans 21" in errors
    assert run("reconcile", "--yes", "--max-bans", "20")[0] == 1
    assert run("reconcile", "--yes", "--max-bans", "21")[0] == 0
    assert (linked(connection), requested(connection)) == (21, 21)


@pytest.mark.parametrize(("answer", "code", "bans"), [("y\n", 0, 1), ("n\n", 1, 0)])
def test_a_terminal_is_asked(
    database_url: str, tmp_path: Path, connection: Connection, auth: Auth, answer: str, code: int, bans: int
) -> None:
    """On a terminal, the run names the people and asks; with a no it changes nothing."""
    left(connection, auth, 1)
    terminal, end = pty.openpty()
    with subprocess.Popen(
        [COMMAND, "reconcile"],
        env=environment_in(tmp_path) | settings_for(database_url),
        cwd=tmp_path,
        stdin=end,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        os.write(terminal, answer.encode())
        output, _ = process.communicate(timeout=60)
    os.close(end)
    os.close(terminal)
    assert "Lea Left0 (left0@example.com)" in output
    assert "Ban 1 login?" in output
    assert (process.returncode, linked(connection), requested(connection)) == (code, bans, bans)
