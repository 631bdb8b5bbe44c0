"""A database that another test has used is as a new one."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg.rows import tuple_row

from tests.employees import hire
from tests.kept_databases import KeptDatabase, database_of, lent, session_of

CHANGES = {
    "a new table": "create table public.other (id int)",
    "a column": "alter table public.employees add column floor int",
    "a function": "create or replace function public.auth_sync_invisible_v1() returns text language sql return ''",
    "a trigger": "alter table public.employees disable trigger all",
    "a constraint": "alter table public.employees add constraint few check (employee_id < 9)",
    "a privilege": "grant select on public.employees to anon",
    "a policy": "create policy everybody on public.employees for select using (true)",
    "a setting of the database": "do $$ begin execute 'alter database ' || current_catalog || ' set jit = 0'; end $$",
    "statistics": "insert into public.employees (email) values ('jane@example.com'); analyze public.employees",
    "statistics of no rows": "analyze public.employees",
}


@pytest.fixture
def kept(new_kept_database: Callable[[], KeptDatabase]) -> Iterator[KeptDatabase]:
    kept = new_kept_database()
    lent[kept.url] = kept
    yield kept
    del lent[kept.url]
    kept.close()


def test_rows_and_numbers_are_as_at_first(kept: KeptDatabase) -> None:
    """The next test finds no row of the last one, and its first employee has the number 1."""
    with session_of(kept.url) as session:
        hire(session, "jane@example.com")
        session.execute("update auth_sync_settings set name_fields = '{}'")
        settings = session.execute("select * from auth_sync_settings").fetchall()
    assert kept.restore()
    with session_of(kept.url) as session:
        assert session.execute("select from employees").rowcount == 0
        assert session.execute("select * from auth_sync_settings").fetchall() != settings
        assert hire(session, "joe@example.com") == 1


def test_a_session_that_is_used_again_is_as_at_first(kept: KeptDatabase) -> None:
    """Also in the same test, a connection has no role, search path or row factory of its last use."""
    with session_of(kept.url) as session:
        session.execute("set role anon")
        session.execute("set search_path = auth")
        session.row_factory = tuple_row
    with session_of(kept.url) as session:
        assert session.execute("select current_user = session_user as is_own").fetchone() == {"is_own": True}
        assert session.execute("select from auth_sync_settings").rowcount == 1


def test_sessions_are_as_at_first(kept: KeptDatabase) -> None:
    """The next test gets the same connection, without a transaction, a role, a lock or a setting."""
    with session_of(kept.url) as session:
        first = session.info.backend_pid
        session.execute("select pg_advisory_lock(1)")
        session.execute("set statement_timeout = 1")
        session.autocommit = False
        session.execute("set role anon")
    assert kept.restore()
    with session_of(kept.url) as session:
        assert session.info.backend_pid == first
        assert session.execute("select current_user = session_user as is_own").fetchone() == {"is_own": True}
        assert session.execute("show statement_timeout").fetchone() == {"statement_timeout": "0"}
        assert session.execute("select from pg_locks where locktype = 'advisory'").rowcount == 0


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_schema_is_not_kept(kept: KeptDatabase, change: str) -> None:
    """A database whose schema, privileges or settings differ is not used again."""
    with session_of(kept.url) as session:
        session.execute(change.encode())
    assert not kept.restore()


@pytest.mark.parametrize(
    "change",
    [
        "alter table public.employees disable trigger user; alter table public.employees enable trigger user",
        "create function public.other() returns int language sql return 1; drop function public.other()",
    ],
    ids=["a trigger", "a function"],
)
def test_a_database_whose_schema_is_as_before_is_kept(kept: KeptDatabase, change: str) -> None:
    """Many tests disable the triggers while they prepare a state, and enable them again."""
    with session_of(kept.url) as session:
        session.execute(change.encode())
    assert kept.restore()


def test_a_schema_that_another_connection_changed_is_not_kept(kept: KeptDatabase) -> None:
    with psycopg.connect(kept.url) as other:
        other.execute("create table public.other (id int)")
    assert not kept.restore()


def test_a_database_with_another_client_is_not_kept(kept: KeptDatabase) -> None:
    """A client that still runs could write rows into the next test."""
    with psycopg.connect(kept.url):
        assert not kept.restore()


def test_closed_connections_are_replaced(kept: KeptDatabase) -> None:
    with session_of(kept.url) as session:
        session.close()
    assert kept.restore()
    with session_of(kept.url) as session:
        assert session.execute("select 1 as one").fetchone() == {"one": 1}


def test_connections_of_the_service_are_kept(kept: KeptDatabase) -> None:
    with database_of(kept.url) as database:
        database.call("auth_sync_snapshot_v1")
    [connection] = kept.connections
    assert kept.restore()
    with database_of(kept.url) as database:
        database.call("auth_sync_snapshot_v1")
    assert kept.connections == [connection]
