"""SQL functions that run as their owner never run an object of a caller, such as a role that writes employees."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.employees import Connection
from tests.integration.captured import auth_of, relay_all
from webhook_service.ports import Database

HR = """
do $$ begin create role hr login; exception when duplicate_object then null; end $$;
alter table employees disable row level security;
grant usage on schema public to hr;
grant select, insert, update on employees to hr;
grant usage on all sequences in schema public to hr;
drop schema if exists hrs cascade;
create schema hrs authorization hr;
"""
TATTLE = """
create function hrs.tattle() returns boolean language plpgsql as
  $$ begin raise warning 'run as %', current_user; return true; end $$;
"""
SHADOWS = {
    "a type in pg_temp": "".join(
        f"create domain pg_temp.{name} as pg_catalog.{name} check (hrs.tattle());"
        for name in ("uuid", "text", "jsonb", "int8", "timestamptz")
    ),
    "a function before pg_catalog": """
create function hrs.jsonb_to_recordset(jsonb) returns setof record language plpgsql as
  $$ begin perform hrs.tattle(); return query select * from pg_catalog.jsonb_to_recordset($1); end $$;
create function hrs.lower(text) returns text language plpgsql as
  $$ begin perform hrs.tattle(); return pg_catalog.lower($1); end $$;
set search_path = hrs, pg_catalog, public;
""",
    "an operator before pg_catalog": """
create function hrs.same(bigint, bigint) returns boolean language plpgsql as
  $$ begin perform hrs.tattle(); return $1 operator(pg_catalog.=) $2; end $$;
create operator hrs.= (leftarg = bigint, rightarg = bigint, function = hrs.same);
set search_path = hrs, pg_catalog, public;
""",
}
"""Objects of HR's role, in the places that a careless function would search first."""


@pytest.fixture
def hr(database_url: str, database: Database, connection: Connection) -> Iterator[psycopg.Connection]:
    """A session of a role that may only write employees. Jane's auth user exists, and her employee does not."""
    with auth_of(database_url) as auth:
        auth.admin_create("jane@example.com", user_metadata={"first_name": "Jane"})
    relay_all(database)
    connection.execute(HR)
    with psycopg.connect(database_url, autocommit=True) as session:
        session.execute("set role hr")
        yield session


@pytest.mark.parametrize("name", SHADOWS)
def test_an_import_runs_nothing_of_the_callers(hr: psycopg.Connection, connection: Connection, name: str) -> None:
    """A function that runs as its owner finds no types, functions or operators of its caller."""
    reported: list[str | None] = []
    hr.add_notice_handler(lambda notice: reported.append(notice.message_primary))
    hr.execute(TATTLE)
    hr.execute(SHADOWS[name].encode())
    hr.execute("insert into public.employees (email) values ('jane@example.com')")
    owner = connection.info.user
    assert [line for line in reported if line is not None and line.endswith(f"run as {owner}")] == []
    linked = connection.execute("select first_name from employees where auth_user_id is not null").fetchall()
    assert linked == [{"first_name": "Jane"}]
