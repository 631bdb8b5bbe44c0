"""A search by name reads the rows of employees, finds the current name, and needs no index on names."""

from typing import Any

import psycopg
import pytest

from tests.employees import Connection, hire
from tests.integration.migrating import execute
from webhook_service.db import migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.ledger import queries
from webhook_service.ports import Database


@pytest.fixture
def jane(connection: Connection) -> int:
    return hire(connection, "jane@example.com", first_name="Jane", last_name="Doe")


def found(database: Database, typed: str) -> list[int]:
    people = queries.search(database, {"person": typed}, below=None, limit=1)["people"]
    return [person["employee_id"] for person in people]


def rename(connection: psycopg.Connection[Any], employee_id: int, first_name: str) -> None:
    connection.execute("update employees set first_name = %s where employee_id = %s", [first_name, employee_id])


@pytest.mark.parametrize("typed", ["ann do", "doe an"])
def test_a_new_name_is_found_at_once(connection: Connection, database: Database, jane: int, typed: str) -> None:
    """A search finds a new name at once, in either order, and no longer finds the old name."""
    rename(connection, jane, "Ann")
    assert found(database, typed) == [jane]
    assert found(database, "jane") == [jane]  # her e-mail
    assert found(database, "jane d") == []


@pytest.mark.parametrize(
    ("first_name", "last_name", "typed"),
    [
        *(("Jane", "Doe", typed) for typed in ("JANE DOE", "jAnE", "  doe,  jane ", "d")),
        *(("mcDONALD", "von Ö", typed) for typed in ("McDonald", "MCD", "Von ö", "VON Ö mc")),
        *((" Anne", "  Bo ", typed) for typed in ("anne", "bo")),
        *((None, "Zoe", typed) for typed in ("zoe", "ZO")),
        *(("", "élodie", typed) for typed in ("Élo", "ÉLODIE", "é")),
        *(("李", "小龙", typed) for typed in ("李 小", "小龙 李")),
        *(("Anna Maria", "Bo", typed) for typed in ("anna m", "anna maria b", "bo anna maria")),
        *(("100%_sure", "\\", typed) for typed in ("100%_", "\\ 100")),
    ],
)
def test_a_name_is_found_in_any_case(
    connection: Connection, database: Database, first_name: str | None, last_name: str, typed: str
) -> None:
    """A search by the beginning of a name ignores case and surrounding spaces. One of the two names may be missing."""
    hire(connection, first_name="Other", last_name="Person")
    employee_id = hire(connection, first_name=first_name, last_name=last_name)
    assert found(database, typed) == [employee_id]


@pytest.mark.parametrize("typed", ["ane", "jane doe x", "%", "_ane", "doejane"])
def test_only_a_beginning_is_found(database: Database, jane: int, typed: str) -> None:
    """A search by the middle of a name or by a wildcard finds no employee."""
    assert found(database, typed) == []


def test_at_most_twenty_are_found(connection: Connection, database: Database) -> None:
    """A search by name returns twenty employees at most."""
    for _ in range(30):
        hire(connection, first_name="Jo", last_name="Doe")
    assert len(found(database, "jo d")) == 20


def test_a_new_name_leaves_the_indexes_of_employees_alone(connection: Connection, jane: int) -> None:
    """A change of a name is a HOT update, because no index of employees contains a name."""
    with connection.transaction():
        rename(connection, jane, "Ann")
        query = "select pg_stat_get_xact_tuples_hot_updated('employees'::regclass) as rows"
        assert connection.execute(query).fetchall() == [{"rows": 1}]


def test_columns_of_other_types_are_searched(empty_database_url: str) -> None:
    """A search works on an existing table with other column types and a key that may be null."""
    execute(
        empty_database_url,
        "create table employees (employee_id integer unique, email text, last_name varchar(80));"
        "insert into employees values (7, 'old@example.com', 'Hand'), (null, 'other@example.com', 'Handy')",
    )
    migrate.migrate(empty_database_url)
    database = DirectDatabase(empty_database_url)
    assert found(database, "hand") == [7]
    database.close()
