"""The triggers run with their owner's privileges. They must not run code of a role that may write employees."""

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from tests.employees import Connection
from tests.integration.captured import auth_of
from tests.integration.db.test_callers_objects import HR, SHADOWS, TATTLE
from tests.integration.requested_actions import CHANGES, DISABLE, linked, requested_operations
from webhook_service.ports import Database

MORE_SHADOWS = {
    "functions before pg_catalog": "".join(
        f"""
create function hrs.{name}({arguments}) returns {returns} language plpgsql as
  $$ begin perform hrs.tattle(); return pg_catalog.{name}({call}); end $$;
"""
        for name, arguments, returns, call in (
            ("btrim", "text, text", "text", "$1, $2"),
            ("textlike", "text, text", "boolean", "$1, $2"),
            ("gen_random_uuid", "", "pg_catalog.uuid", ""),
            ("jsonb_array_length", "jsonb", "integer", "$1"),
            ("current_setting", "text, boolean", "text", "$1, $2"),
            ("set_config", "text, text, boolean", "text", "$1, $2, $3"),
        )
    )
    + "set search_path = hrs, pg_catalog, public;",
    "operators of other types": """
create function hrs.same(uuid, uuid) returns boolean language plpgsql as
  $$ begin perform hrs.tattle(); return $1 operator(pg_catalog.=) $2; end $$;
create operator hrs.= (leftarg = uuid, rightarg = uuid, function = hrs.same);
create function hrs.like_it(text, text) returns boolean language plpgsql as
  $$ begin perform hrs.tattle(); return $1 operator(pg_catalog.~~) $2; end $$;
create operator hrs.~~ (leftarg = text, rightarg = text, function = hrs.like_it);
set search_path = hrs, pg_catalog, public;
""",
    "the service's tables in pg_temp": """
create temporary table auth_sync_settings (columns jsonb);
create temporary table integration_sync_log (like public.employees);
create temporary table employees (like public.employees);
""",
}


@pytest.fixture
def jane(database_url: str, connection: Connection, database: Database) -> tuple[int, UUID]:
    """Return Jane's employee id and auth user."""
    with auth_of(database_url) as auth:
        return linked(connection, database, auth, "jane@example.com")


@pytest.fixture
def hr(database_url: str, connection: Connection, jane: tuple[int, UUID]) -> Iterator[psycopg.Connection]:
    """Open a session of a role that may only write employees."""
    connection.execute(HR)
    connection.execute("grant delete on employees to hr")
    with psycopg.connect(database_url, autocommit=True) as session:
        session.execute("set role hr")
        yield session


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", SHADOWS | MORE_SHADOWS)
def test_a_change_runs_no_code_of_the_caller(
    hr: psycopg.Connection, connection: Connection, jane: tuple[int, UUID], name: str, change: str
) -> None:
    """The triggers use no table, type, function or operator of the caller."""
    reported: list[str | None] = []
    hr.add_notice_handler(lambda notice: reported.append(notice.message_primary))
    hr.execute(TATTLE)
    hr.execute((SHADOWS | MORE_SHADOWS)[name].encode())
    statement, requested = CHANGES[change]
    hr.execute(statement.replace("employees", "public.employees").encode(), [jane[0]])
    owner = connection.info.user
    assert [line for line in reported if line is not None and line.endswith(f"run as {owner}")] == []
    assert requested_operations(connection, jane[1]) == [requested]


@pytest.mark.parametrize("value", ["many", "99999999999", "2147483647"])
def test_a_setting_of_the_caller_does_not_prevent_capture(
    hr: psycopg.Connection, connection: Connection, jane: tuple[int, UUID], value: str
) -> None:
    """A role may change the setting that counts actions, but then at most its own actions become bulk."""
    hr.execute(f"set auth_sync.actions = '{value}'".encode())
    hr.execute("update public.employees set is_active = false")
    assert requested_operations(connection, jane[1]) == [DISABLE]


def test_a_caller_cannot_enter_actions(hr: psycopg.Connection) -> None:
    """Only the triggers and the service may enter actions."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        hr.execute("select public.auth_sync_enter_actions_v1('[]', 'employees')")
