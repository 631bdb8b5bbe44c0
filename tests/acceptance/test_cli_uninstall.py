"""`webhook-service uninstall` and `sql --uninstall`, as an operator uses them."""

from collections.abc import Callable

import psycopg
import pytest

from tests.acceptance.command import Run, assert_one_clear_line
from tests.employees import Connection, employee, hire
from tests.integration.capturing import auth_on

OURS = """
select c.relname as name from pg_class c
 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'S', 'i')
   and c.relname ~ 'auth_sync|integration_sync|auth_user_state'
union all
select proname from pg_proc where pronamespace = 'public'::regnamespace and proname ~ 'auth_sync'
union all
select tgname from pg_trigger where tgname ~ 'auth_sync'
"""


def by_command(run: Run, url: str) -> None:
    assert run("uninstall", "--yes")[::2] == (0, "")


def by_hand(run: Run, url: str) -> None:
    code, script, errors = run("sql", "--uninstall")
    assert (code, errors) == (0, "")
    with psycopg.connect(url) as connection:
        connection.execute(script.encode())


@pytest.mark.parametrize("uninstall", [by_command, by_hand])
def test_nothing_of_ours_stays(
    run: Run, connection: Connection, database_url: str, uninstall: Callable[[Run, str], None]
) -> None:
    """Uninstalling removes our triggers, functions, tables and indexes. Employees, their links and auth.users stay."""
    hire(connection, "jane@example.com")
    with auth_on(database_url) as auth:
        jane = auth.admin_create("jane@example.com")
    assert run("relay", "--once")[1] == "1 events were due, and 0 actions.\n"
    before = employee(connection, 1)
    uninstall(run, database_url)
    assert [row["name"] for row in connection.execute(OURS)] == []
    assert (employee(connection, 1), before["auth_user_id"]) == (before, jane)


@pytest.mark.parametrize("uninstall", [by_command, by_hand])
def test_auth_and_employees_work_on(
    run: Run, connection: Connection, database_url: str, uninstall: Callable[[Run, str], None]
) -> None:
    """After an uninstall, users sign up, change and are deleted, and employees are hired and changed."""
    uninstall(run, database_url)
    with auth_on(database_url) as auth:
        user = auth.admin_create("jane@example.com")
        auth.admin_change_email(user, "jane.doe@example.com")
        auth.hard_delete(user)
    employee_id = hire(connection, "jane@example.com")
    connection.execute("update employees set email = 'jane.doe@example.com'")
    assert employee(connection, employee_id)["email"] == "jane.doe@example.com"


def test_it_may_be_installed_again(run: Run, connection: Connection, database_url: str) -> None:
    """A migration installs it again, and a reconcile finds the links that were kept."""
    hire(connection, "jane@example.com")
    with auth_on(database_url) as auth:
        auth.admin_create("jane@example.com")
    run("relay", "--once")
    before = employee(connection, 1)
    assert run("uninstall", "--yes")[0] == 0
    assert run("migrate")[0] == 0
    assert run("reconcile")[0] == 0
    assert employee(connection, 1) == before
    assert run("reconcile", "--dry-run")[0] == 0


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_it_asks_before(run: Run, connection: Connection, answer: str) -> None:
    """Any answer except yes keeps everything."""
    code, output, _ = run("uninstall", stdin=answer)
    assert (code, "[y/N]" in output) == (1, True)
    assert len(connection.execute(OURS).fetchall()) > 30


def test_yes_is_an_answer(run_installed: Run, connection: Connection) -> None:
    """The answer yes removes everything of ours."""
    code, output, _ = run_installed("uninstall", stdin="y\n")
    assert (code, output.endswith("Removed. Employees and their columns are unchanged.\n")) == (0, True)
    assert [row["name"] for row in connection.execute(OURS)] == []


def test_where_nothing_is_installed(run: Run, empty_database_url: str) -> None:
    """Uninstalling from an empty database does no harm."""
    assert run("uninstall", "--yes", DATABASE_URL=empty_database_url)[0] == 0


def test_a_table_in_use(run: Run, connection: Connection, database_url: str) -> None:
    """While another transaction holds a table, nothing is removed, and one line says so."""
    with psycopg.connect(database_url) as other:
        other.execute("lock table employees")
        code, _, errors = run("uninstall", "--yes")
    assert code == 1
    assert_one_clear_line(errors, "[not_uninstalled]")
    assert len(connection.execute(OURS).fetchall()) > 30


@pytest.mark.parametrize(
    ("url", "mentioned"),
    [("postgresql://127.0.0.1:1/none", "[not_uninstalled]"), ("mysql://db.example.com/x", "DATABASE_URL")],
)
def test_an_error_is_one_clear_line(refused_run: Run, url: str, mentioned: str) -> None:
    """An unreachable database and a URL of another kind are one clear line each."""
    code, _, errors = refused_run("uninstall", "--yes", DATABASE_URL=url)
    assert code == 1
    assert_one_clear_line(errors, mentioned)
