"""Everything works on employees tables as companies have them; .ci/run runs the core tests on them, too."""

import psycopg
import pytest

from tests import employees_tables
from tests.integration.whole_trip import everything_works


@pytest.mark.parametrize("table", [employees_tables.INTEGER_KEYS, employees_tables.ALL_NAMES])
def test_everything_works_on_this_table(empty_database_url: str, table: str) -> None:
    """A table with serial keys and varchar, and one whose columns have all names of our variables and parameters."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        employees_tables.create(connection, table)
    everything_works(empty_database_url)


def test_a_smallint_key_works(empty_database_url: str) -> None:
    """The smallest integer type is enough for a key."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("create table public.employees (employee_id smallserial primary key, email text)")
    everything_works(empty_database_url)


def test_the_names_are_collected() -> None:
    """Variables, parameters, aliases and output columns are among the names of the table."""
    assert {"user_id", "number", "users", "above", "p_filter", "known", "entry", "work", "linking", "e", "w"} <= set(
        employees_tables.all_names()
    )
