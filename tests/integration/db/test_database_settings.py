"""Settings of a database or a role do not affect the installation, the capture, the events, the doctor or a search."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.integration.whole_trip import everything_works

SETTINGS = {
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "escape_string_warning": "on",
    "backslash_quote": "off",
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "xmloption": "document",
    "search_path": "nowhere",
    "default_transaction_isolation": "serializable",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "check_function_bodies": "on",
    "client_encoding": "LATIN1",
    "client_min_messages": "error",
    "plan_cache_mode": "force_custom_plan",
    "plpgsql.variable_conflict": "use_column",
    "plpgsql.extra_errors": "all",
    "plpgsql.extra_warnings": "all",
    "row_security": "off",
    "enable_nestloop": "off",
    "enable_indexscan": "off",
}


@contextmanager
def set_for(url: str, target: str, settings: dict[str, str]) -> Iterator[None]:
    """Set these settings for every new session of this database, or of the role that connects to it."""
    name = str(conninfo_to_dict(url)["dbname"])
    with psycopg.connect(url, autocommit=True) as connection:
        user = connection.info.user
        where = {
            "database": sql.SQL("alter database {}").format(sql.Identifier(name)),
            "role": sql.SQL("alter role {} in database {}").format(sql.Identifier(user), sql.Identifier(name)),
        }[target]
        for setting, value in settings.items():
            parts = [sql.Identifier(part) for part in setting.split(".")]
            connection.execute(sql.SQL("{} set {} = {}").format(where, sql.SQL(".").join(parts), sql.Literal(value)))
    yield
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("{} reset all").format(where))  # a role outlives the test's database


@pytest.mark.campaign
@pytest.mark.parametrize("target", ["database", "role"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_has_no_effect(empty_database_url: str, setting: str, target: str) -> None:
    """The service works in a database, and as a role, that has this setting."""
    with set_for(empty_database_url, target, {setting: SETTINGS[setting]}):
        everything_works(empty_database_url)


def test_a_setting_that_comes_later_has_no_effect(database_url: str) -> None:
    """The service works if its migrated database gets all of the settings later."""
    with set_for(database_url, "database", SETTINGS):
        everything_works(database_url)
