"""Settings of a database or of a role change nothing: installing, capturing, applying, the doctor and the pages."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.integration.capturing import auth_on
from webhook_service.db import migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.policy import Policy

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
    """Set these for every new session of this database, or of the role that connects to it."""
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


def everything_works(url: str) -> None:
    """A sign-up is linked, a dismissal becomes an action, and the checks, searches and lists find nothing wrong."""
    migrate.migrate(url, policy=Policy())
    database = DirectDatabase(url)
    try:
        assert migrate.gap(database, migrate.wanted()) is None
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "insert into public.employees (employee_id, email) values (1, 'jane@example.com'), (2, %s)",
                ["back\\slash@example.com"],
            )
        with auth_on(make_conninfo(url, options="-c DateStyle=ISO")) as auth:  # the test's Auth reads times
            user = auth.admin_create("jane@example.com")
        claimed = database.call("auth_sync_claim_v1", p_relay="relay-1", p_limit=10, p_lease_seconds=60)
        assert [event["auth_user_id"] for event in claimed["events"]] == [str(user)]
        facts = database.call("auth_sync_inspect_v1")
        assert [name for name, is_right in facts["triggers"].items() if not is_right] == []
        assert facts["open_to_strangers"] == facts["closed_to_service_role"] == []
        people = database.call("auth_sync_people_v1", p_filter={"person": "back\\slash"}, p_after=None, p_limit=10)
        assert [employee["employee_id"] for employee in people["employees"]] == [2]
        found = database.call("auth_sync_search_v1", p_filter={"person": "jane"}, p_below=None, p_limit=10)
        assert [event["operation"] for event in found["events"]] == []
        assert database.call("auth_sync_problems_v1")["MISSING_AUTH_UID"] == 2
        page = {"p_run": None, "p_part": "users", "p_after": "00000000-0000-0000-0000-000000000000", "p_limit": 10}
        database.call("auth_sync_reconcile_page_v1", **page, p_columns=["email"])
    finally:
        database.close()
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("select public.auth_sync_install_v1()").fetchone() == ([],)
        keys = connection.execute("select public.auth_sync_keys_v1('whsec_QUJD whsec_REVG')").fetchone()
        assert keys is not None
        assert len(keys[0]) == 2


@pytest.mark.parametrize("target", ["database", "role"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_has_no_effect(empty_database_url: str, setting: str, target: str) -> None:
    """Everything works in a database, or as a role, that has a setting of its own."""
    with set_for(empty_database_url, target, {setting: SETTINGS[setting]}):
        everything_works(empty_database_url)


def test_a_setting_that_comes_later_has_no_effect(database_url: str) -> None:
    """All of the settings together change nothing in a database that was migrated without them."""
    with set_for(database_url, "database", SETTINGS):
        everything_works(database_url)
