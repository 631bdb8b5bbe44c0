"""Errors over a direct connection. Supabase Lite does not pass on the SQLSTATE of an error.

An error that the event did not cause leaves no writes.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from tests.auth_traffic import CANARY, insert, update
from tests.employees import Connection
from tests.integration.people import Person
from tests.supabase_lite_server import TEST_FUNCTIONS
from tests.webhook_events import work_of
from webhook_service.db.direct import CONNECTIONS, DirectDatabase
from webhook_service.errors import Unavailable
from webhook_service.inbound.processing import process_batch
from webhook_service.policy import Policy


@pytest.fixture
def jane(database_url: str) -> Iterator[Person]:
    """Jane, who is hired and has signed up, in a new database. Her confirmation links her."""
    database = DirectDatabase(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute(TEST_FUNCTIONS)
    jane = Person(database)
    jane.hire()
    assert jane.process(signup=insert(jane.id, at=1, email=jane.email))[0].outcome == "unconfirmed"
    yield jane
    database.close()


@pytest.fixture
def watcher(database_url: str) -> Iterator[Connection]:
    """A second connection that does not use the service's code, for use while the first connection holds a lock."""
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as watcher:
        yield watcher


def confirm(jane: Person) -> str:
    """Confirm Jane's e-mail. Return the outcome, or the text of the Unavailable."""
    try:
        return jane.process(confirm=update(jane.id, at=2, **jane.confirmed()))[0].outcome
    except Unavailable as error:
        return str(error)


def everything(connection: Connection) -> list[Any]:
    """Return all rows that a call could have left behind."""
    return connection.execute("""
        select 'log' as of, to_jsonb(l) as it from integration_sync_log l
        union all select 'state', to_jsonb(s) from auth_user_state s
        union all select 'employee', to_jsonb(e) from employees e
        union all select 'replay', to_jsonb(r) from integration_sync_replays r order by 1, 2""").fetchall()


def before_updates_of_employees(connection: Connection, statement: str) -> None:
    connection.execute("create function disturb() returns trigger language plpgsql as 'begin end'")
    connection.execute(
        sql.SQL("create or replace function disturb() returns trigger language plpgsql as {}").format(
            f"begin {statement}; return new; end"
        )
    )
    connection.execute("create trigger t before update on employees for each row execute function disturb()")


def wait_until_one_waits(watcher: Connection, kind: str) -> int:
    """Wait until a backend of this database waits for a "Lock" or in a sleep ("Timeout"). Return its process id."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = watcher.execute(
            "select pid from pg_stat_activity where datname = current_database() and wait_event_type = %s", [kind]
        ).fetchone()
        if found is not None:
            return int(found["pid"])
    pytest.fail(f"no backend waits for a {kind}")


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "53100", "53200", "55P03", "57014"])
def test_a_retryable_error_leaves_nothing(jane: Person, connection: Connection, sqlstate: str) -> None:
    """A retryable error raises Unavailable without the error's text, and leaves no writes.

    The call succeeds after the cause is gone.
    """
    before = everything(connection)
    before_updates_of_employees(connection, f"raise exception '{CANARY}' using errcode = '{sqlstate}'")
    reported = confirm(jane)
    assert sqlstate in reported
    assert "canary" not in reported
    assert everything(connection) == before
    connection.execute("drop function disturb cascade")
    assert confirm(jane) == "linked"


@pytest.mark.parametrize(
    "sqlstate", ["P0001", "22003", "23514", "42501", "P0004", "55000", "08006", "57P03", "58030", "XX000"]
)
def test_an_employees_own_error_fails_one_event(jane: Person, connection: Connection, sqlstate: str) -> None:
    """A change that the employees table refuses is recorded as FAILED and does not delay the other events."""
    before_updates_of_employees(connection, f"raise exception 'no' using errcode = '{sqlstate}'")
    other = Person(jane.database)
    results = process_batch(
        jane.database,
        [
            work_of(update(jane.id, at=2, **jane.confirmed()), "refused"),
            work_of(insert(other.id, **other.confirmed()), "other"),
        ],
        Policy(),
    )
    assert {result.event_id: str(result.outcome) for result in results} == {
        "refused": "employee_rejected",
        "other": "unmatched",
    }


@pytest.mark.parametrize("when", ["", "deferrable initially deferred"], ids=["at-once", "at-commit"])
def test_a_taken_email_fails_one_event(jane: Person, connection: Connection, when: str) -> None:
    """If e-mails of employees are unique, a change to a taken e-mail is refused as email_taken, even at the commit."""
    assert confirm(jane) == "linked"
    connection.execute(sql.SQL(f"alter table employees add unique (email) {when}"))
    connection.execute("insert into employees (email) values ('taken@example.com')")
    [result] = jane.process(change=update(jane.id, at=3, **jane.confirmed(email="taken@example.com")))
    assert (result.status, result.outcome) == ("FAILED", "email_taken")


def test_a_serialization_failure_leaves_nothing(
    jane: Person, connection: Connection, watcher: Connection, database_url: str
) -> None:
    """A real serialization failure leaves no writes.

    Another transaction changes the employee after the call began, under strict isolation.
    """
    name = sql.Identifier(connection.info.dbname)
    connection.execute(sql.SQL("alter database {} set default_transaction_isolation = 'repeatable read'").format(name))
    strict = DirectDatabase(database_url)
    before = everything(connection)
    with ThreadPoolExecutor(1) as thread:
        with connection.transaction():
            connection.execute("update employees set email = email")
            reported = thread.submit(confirm, Person(strict, jane.id))
            wait_until_one_waits(watcher, "Lock")
        assert "40001" in reported.result()
    strict.close()
    assert everything(connection) == before


def test_a_deadlock_leaves_nothing(jane: Person, connection: Connection, watcher: Connection) -> None:
    """A real deadlock leaves no writes.

    Another transaction holds the employee, and then locks the state that the call holds.
    """
    before = everything(connection)
    connection.execute("set deadlock_timeout = '1min'")  # so that the call detects the deadlock and fails
    with ThreadPoolExecutor(1) as thread:
        with connection.transaction():
            connection.execute("select from employees for update")
            reported = thread.submit(confirm, jane)
            wait_until_one_waits(watcher, "Lock")
            connection.execute("select from auth_user_state for update")
        assert "40P01" in reported.result()
    assert everything(connection) == before
    assert confirm(jane) == "linked"


@pytest.mark.parametrize("table", ["employees", "auth_user_state", "integration_sync_log"])
def test_a_lock_that_stays_leaves_nothing(jane: Person, connection: Connection, table: str) -> None:
    """A call waits for a locked row or table only for a short time, and then leaves no writes."""
    before = everything(connection)
    with connection.transaction():
        connection.execute(sql.SQL("lock table {} in exclusive mode").format(sql.Identifier(table)))
        assert "55P03" in confirm(jane)
    assert everything(connection) == before
    assert confirm(jane) == "linked"


def test_a_statement_timeout_leaves_nothing(jane: Person, connection: Connection) -> None:
    """PostgreSQL cancels a call that takes too long instead of completing it later."""
    before = everything(connection)
    before_updates_of_employees(connection, "perform pg_sleep(60)")
    assert "57014" in confirm(jane)
    assert everything(connection) == before


@pytest.mark.parametrize(
    ("end", "reports"), [("pg_cancel_backend", "57014"), ("pg_terminate_backend", "database_unreachable")]
)
def test_a_killed_backend_leaves_nothing(jane: Person, connection: Connection, end: str, reports: str) -> None:
    """A backend that an operator, a shutdown or a crash ends during a call leaves no writes. The next call succeeds."""
    before = everything(connection)
    before_updates_of_employees(connection, "perform pg_sleep(60)")
    with ThreadPoolExecutor(1) as thread:
        reported = thread.submit(confirm, jane)
        connection.execute(f"select {end}(%s)", [wait_until_one_waits(connection, "Timeout")])
        assert reports in reported.result()
    assert everything(connection) == before
    connection.execute("drop function disturb cascade")
    assert confirm(jane) == "linked"


def test_connections_that_broke_while_idle_are_replaced(jane: Person, connection: Connection) -> None:
    """After a restart of the database, each idle connection fails at most once."""
    connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    assert "linked" in [confirm(jane) for _ in range(CONNECTIONS + 1)]


def test_large_numbers_are_exact(jane: Person) -> None:
    """A bigint keeps all its digits in both directions."""
    assert jane.database.call("test_echo", p_value=[2**63 - 1, -(2**63)]) == [2**63 - 1, -(2**63)]
