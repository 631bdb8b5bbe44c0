"""The service works on the employees tables of companies. `.ci/run` also runs the core tests on them."""

import psycopg
import pytest

from tests import employees_tables
from tests.integration.whole_trip import everything_works


@pytest.mark.parametrize("table", [employees_tables.INTEGER_KEYS, employees_tables.ALL_NAMES])
def test_everything_works_on_this_table(empty_database_url: str, table: str) -> None:
    """The service works on a table with serial keys and varchar, and on a table with a column for each of our names."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        employees_tables.create(connection, table)
    everything_works(empty_database_url)


def test_a_smallint_key_works(empty_database_url: str) -> None:
    """The service works on a table whose key is a smallint."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("create table public.employees (employee_id smallserial primary key, email text)")
        connection.execute("revoke all on public.employees from anon, authenticated")
    everything_works(empty_database_url)


def test_the_names_are_collected() -> None:
    """The names of the table's columns include our variables, parameters, aliases and output columns."""
    assert {"user_id", "number", "users", "above", "p_filter", "known", "entry", "work", "linking", "e", "w"} <= set(
        employees_tables.all_names()
    )
