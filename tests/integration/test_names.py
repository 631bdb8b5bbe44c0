"""The names that employees are searched by: in a table of ours, which follows employees in the same transaction."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.employees import Connection, hire
from tests.integration.migrating import execute
from tests.integration.test_direct_database import wait_until_one_waits
from webhook_service import ledger
from webhook_service.db import migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.ports import Database


@pytest.fixture
def jane(connection: Connection) -> int:
    return hire(connection, "jane@example.com", first_name="Jane", last_name="Doe")


def found(database: Database, typed: str) -> list[int]:
    people = ledger.search(database, {"person": typed}, below=None, limit=1)["people"]
    return [person["employee_id"] for person in people]


def rename(connection: psycopg.Connection[Any], employee_id: int, first_name: str) -> None:
    connection.execute("update employees set first_name = %s where employee_id = %s", [first_name, employee_id])


@pytest.mark.parametrize("typed", ["ann do", "doe an"])
def test_a_new_name_is_searched_for_at_once(connection: Connection, database: Database, jane: int, typed: str) -> None:
    """Either way round; and the name of before is nobody's any more."""
    rename(connection, jane, "Ann")
    assert found(database, typed) == [jane]
    assert found(database, "jane") == [jane]  # her e-mail
    assert found(database, "jane d") == []


def test_many_are_renamed_by_one_statement(connection: Connection, database: Database) -> None:
    """As an import does: those it gives another name, and those it leaves theirs."""
    people = [hire(connection, first_name=name, last_name="Doe") for name in ("Ann", "Bea", "Cleo")]
    connection.execute("update employees set first_name = replace(first_name, 'Bea', 'Dora')")
    assert found(database, "doe") == people
    assert found(database, "dora doe") == [people[1]]


def forget(connection: Connection) -> None:
    connection.execute("delete from employees")


def truncate(connection: Connection) -> None:
    connection.execute("truncate employees")


@pytest.mark.parametrize("leave", [forget, truncate])
def test_nothing_is_kept_of_those_who_left(
    connection: Connection, jane: int, leave: Callable[[Connection], None]
) -> None:
    """A name is personal data."""
    hire(connection, first_name="Joe")
    leave(connection)
    assert connection.execute("select * from auth_sync_names").fetchall() == []


def test_what_is_rolled_back_is_nobodys_name(connection: Connection, database: Database, jane: int) -> None:
    """The table follows in the same transaction, not after it."""
    with connection.transaction(force_rollback=True):
        rename(connection, jane, "Ann")
    assert (found(database, "jane do"), found(database, "ann do")) == ([jane], [])


def test_a_new_name_leaves_the_indexes_of_employees_alone(connection: Connection, jane: int) -> None:
    """What this table is for: the row's next version stands beside it, and no index of employees is written."""
    with connection.transaction():
        rename(connection, jane, "Ann")
        query = "select pg_stat_get_xact_tuples_hot_updated('employees'::regclass) as rows"
        assert connection.execute(query).fetchall() == [{"rows": 1}]


def test_those_from_before_are_found(empty_database_url: str) -> None:
    """Employees that were there before the first migration, with columns of other types."""
    execute(
        empty_database_url,
        "create table employees (employee_id integer primary key, email text, last_name varchar(80));"
        "insert into employees values (7, 'old@example.com', 'Hand')",
    )
    migrate.migrate(empty_database_url)
    database = DirectDatabase(empty_database_url)
    assert found(database, "hand") == [7]
    database.close()


def test_names_that_no_trigger_saw_are_found_once_it_is_back(
    connection: Connection, database: Database, database_url: str, jane: int
) -> None:
    """Somebody writes employees with the triggers off, and deletes some; `migrate` switches them on, and mends it."""
    joe = hire(connection, first_name="Joe")
    connection.execute("alter table employees disable trigger user")
    rename(connection, jane, "Ann")
    new = hire(connection, first_name="Cleo")
    connection.execute("delete from employees where employee_id = %s", [joe])
    migrate.migrate(database_url)
    assert [found(database, typed) for typed in ("ann do", "cleo", "joe", "jane do")] == [[jane], [new], [], []]
    assert connection.execute("select from auth_sync_names").rowcount == 2


def test_who_is_renamed_while_names_are_filled_is_found(
    connection: Connection, database: Database, database_url: str, jane: int
) -> None:
    """Filling locks nobody out: a change that is under way meanwhile is waited for, and its name is taken, too."""
    connection.execute("drop trigger auth_sync_names_updated on employees")
    with psycopg.connect(database_url) as writer, ThreadPoolExecutor() as pool:
        rename(writer, jane, "Ann")
        migrated = pool.submit(migrate.migrate, database_url)
        wait_until_one_waits(connection, "Lock")
        writer.commit()
        migrated.result()
    assert (found(database, "ann do"), found(database, "jane do")) == ([jane], [])


def test_an_import_does_not_fail_for_a_name(connection: Connection, jane: int) -> None:
    """Whatever is wrong with our table, employees are written; who writes them is warned."""
    warnings: list[str | None] = []
    connection.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
    connection.execute("alter table auth_sync_names add constraint nobody check (false) not valid")
    rename(connection, jane, "Ann")
    forget(connection)
    assert warnings == ["webhook-service: names of employees cannot be searched yet (23514); a relay will find them"]


CORRECTS = """
create function correct() returns trigger language plpgsql as $$
begin
  update employees set first_name = 'Joanna' where employee_id = new.employee_id and first_name = 'Jo';
  delete from employees where employee_id = new.employee_id and first_name = 'Nobody';
  return null;
end $$;
create trigger corrects after insert or update on employees for each row execute function correct();
"""


def names(connection: Connection) -> list[tuple[int, str | None]]:
    kept = connection.execute("select * from auth_sync_names order by employee_id").fetchall()
    return [(row["employee_id"], row["first_name"]) for row in kept]


@pytest.mark.parametrize("by", ["insert", "update"])
def test_what_an_owners_trigger_makes_of_a_name_is_the_name(connection: Connection, by: str) -> None:
    """Its own change comes to us first, and the statement's afterwards: the row as it is by then counts."""
    connection.execute(CORRECTS)
    employees = [hire(connection, first_name=name if by == "insert" else None) for name in ("Jo", "Nobody", "Ann")]
    if by == "update":
        for number, name in zip(employees, ("Jo", "Nobody", "Ann"), strict=True):
            rename(connection, number, name)
    assert names(connection) == [(employees[0], "Joanna"), (employees[2], "Ann")]


def test_a_name_goes_with_its_employee_to_another_id(connection: Connection, jane: int) -> None:
    """And nothing is left at the old one."""
    connection.execute("update employees set employee_id = 700 where employee_id = %s", [jane])
    assert names(connection) == [(700, "Jane")]


def test_deleted_and_inserted_by_one_statement(connection: Connection, jane: int) -> None:
    """Whichever of both the triggers hear of last."""
    joe = hire(connection, first_name="Joe")
    connection.execute(
        "with gone as (delete from employees where employee_id = any(%s) returning *)"
        " insert into employees (employee_id, first_name) overriding system value"
        " select employee_id, 'New' from gone limit 1",
        [[jane, joe]],
    )
    [kept] = connection.execute("select employee_id from employees").fetchall()
    assert names(connection) == [(kept["employee_id"], "New")]


def test_an_employee_without_an_id_is_no_obstacle(empty_database_url: str) -> None:
    """Where the key may be null, that row alone has no name to be searched by."""
    execute(
        empty_database_url,
        "create table employees (employee_id bigint unique, email text, first_name text);"
        "insert into employees values (null, 'a@example.com', 'Ann'), (2, 'b@example.com', 'Bea')",
    )
    migrate.migrate(empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("insert into employees values (null, 'c@example.com', 'Cleo'), (4, 'd@example.com', 'Dora')")
        assert names(connection) == [(2, "Bea"), (4, "Dora")]


def test_a_name_that_no_trigger_saw_is_found_by_a_relay(connection: Connection, database: Database, jane: int) -> None:
    """Which goes through all employees from time to time: those written by a restore, renamed and deleted there."""
    joe = hire(connection, first_name="Joe")
    connection.execute("set session_replication_role = replica")
    rename(connection, jane, "Ann")
    connection.execute("delete from employees where employee_id = %s", [joe])
    new = hire(connection, first_name="Cleo")
    database.call("auth_sync_refresh_mismatches_v1")
    assert names(connection) == [(jane, "Ann"), (new, "Cleo")]


def test_who_is_deleted_while_names_are_filled_has_none(connection: Connection, database_url: str, jane: int) -> None:
    """A deletion that is under way meanwhile is waited for, too."""
    connection.execute("drop trigger auth_sync_names_deleted on employees")
    with psycopg.connect(database_url) as writer, ThreadPoolExecutor() as pool:
        writer.execute("delete from employees")
        migrated = pool.submit(migrate.migrate, database_url)
        wait_until_one_waits(connection, "Lock")
        writer.commit()
        migrated.result()
    assert names(connection) == []
