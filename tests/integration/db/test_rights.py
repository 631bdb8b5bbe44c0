"""Only service_role has privileges. The tests read the catalogs, so they cover new objects.

The server has Supabase's default privileges (webhook_service/db/embedded.py). They grant every new object in schema
public to anon, authenticated and service_role.
"""

from collections.abc import Callable, Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from tests.auth_traffic import CONFIRMED, insert
from tests.employees import Connection
from tests.webhook_events import work_of
from webhook_service.db import migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.errors import DatabaseError
from webhook_service.inbound.processing import process_batch
from webhook_service.ledger import queries
from webhook_service.ledger.replay import replay_event
from webhook_service.policy import Policy

STRANGERS = ("anon", "authenticated")

RELATIONS = """
select c.relname as name, c.relkind::text as kind, c.relrowsecurity as is_secured
  from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
"""
USABLE_RELATIONS = """
select c.relname as name, p as privilege
  from pg_class c, unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) as p
 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
   and (has_table_privilege(%(role)s, c.oid, p)
        or p not in ('DELETE', 'TRUNCATE', 'TRIGGER') and has_any_column_privilege(%(role)s, c.oid, p))
"""
USABLE_SEQUENCES = """
select c.relname as name, p as privilege
  from pg_class c, unnest(array['USAGE', 'SELECT', 'UPDATE']) as p
 where c.relnamespace = 'public'::regnamespace and c.relkind = 'S' and has_sequence_privilege(%(role)s, c.oid, p)
"""
FUNCTIONS = """
select p.oid::regprocedure::text as name, p.proacl, p.proconfig, p.oid
  from pg_proc p where p.pronamespace = 'public'::regnamespace
"""


@pytest.fixture
def as_role(database_url: str) -> Iterator[Callable[[str], DirectDatabase]]:
    """A factory of the service's own adapter, with the privileges of a role."""
    opened: list[DirectDatabase] = []

    def connect(role: str) -> DirectDatabase:
        opened.append(DirectDatabase(f"{database_url}&options=-c%20role%3D{role}"))
        return opened[-1]

    yield connect
    for database in opened:
        database.close()


@pytest.mark.parametrize("query", [USABLE_RELATIONS, USABLE_SEQUENCES], ids=["tables-and-views", "sequences"])
@pytest.mark.parametrize("role", STRANGERS)
def test_strangers_have_no_right_on_data(connection: Connection, role: str, query: str) -> None:
    """anon and authenticated have no privilege on any table, view or sequence.

    Row level security alone would not stop TRUNCATE.
    """
    rows = connection.execute(query, {"role": role})
    assert sorted(f"{row['privilege']} on {row['name']}" for row in rows) == []


@pytest.mark.parametrize("role", STRANGERS)
def test_strangers_cannot_execute_functions(connection: Connection, role: str) -> None:
    """anon and authenticated cannot execute any function."""
    rows = connection.execute(f"{FUNCTIONS} and has_function_privilege(%s, p.oid, 'execute')", [role])
    assert [row["name"] for row in rows] == []


@pytest.mark.parametrize("role", STRANGERS)
def test_strangers_are_refused(connection: Connection, role: str) -> None:
    """A SELECT or TRUNCATE of any table or view by anon or authenticated is refused."""
    relations = [(row["name"], row["kind"]) for row in connection.execute(RELATIONS)]
    connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
    allowed = []
    for name, kind in relations:
        for attempt in ("select 1 from {}", "truncate {} cascade")[: 2 if kind == "r" else 1]:
            try:
                connection.execute(sql.SQL(attempt).format(sql.Identifier(name)))
            except psycopg.errors.InsufficientPrivilege:
                continue
            allowed.append(attempt.format(name))
    assert allowed == []


@pytest.mark.parametrize("role", STRANGERS)
def test_strangers_cannot_reach_the_service(as_role: Callable[[str], DirectDatabase], role: str) -> None:
    """With the key of anon or authenticated, the service gets an error that is not retried."""
    with pytest.raises(DatabaseError, match="42501"):
        process_batch(as_role(role), [], Policy())
    with pytest.raises(DatabaseError, match="42501"):
        queries.summary(as_role(role))


def test_every_table_has_row_level_security(connection: Connection) -> None:
    """Every table has row level security, including an employees table that the migrations created."""
    rows = list(connection.execute(f"{RELATIONS} and c.relkind in ('r', 'p')"))
    assert {"employees", "integration_sync_log", "auth_user_state"} <= {row["name"] for row in rows}
    assert [row["name"] for row in rows if not row["is_secured"]] == []


def test_every_function_has_its_search_path(connection: Connection) -> None:
    """The search path of every function is pg_catalog, pg_temp, so that no role can shadow an object with its own."""
    rows = connection.execute(FUNCTIONS).fetchall()
    assert len(rows) > 10
    assert [row["name"] for row in rows if "search_path=pg_catalog, pg_temp" not in (row["proconfig"] or [])] == []


def test_no_function_is_executable_by_public(connection: Connection) -> None:
    """The default privilege of PUBLIC to execute functions is revoked."""
    rows = connection.execute(
        f"{FUNCTIONS} and (p.proacl is null or exists (select from aclexplode(p.proacl) where grantee = 0))"
    )
    assert [row["name"] for row in rows] == []


def test_service_role_does_all_that_the_service_does(
    as_role: Callable[[str], DirectDatabase], connection: Connection
) -> None:
    """The privileges of service_role suffice for processing, reading, replaying and the probe."""
    connection.execute("insert into employees (email) values ('jane@example.com')")
    database = as_role("service_role")
    work = work_of(insert(uuid4(), email="jane@example.com", email_confirmed_at=CONFIRMED), "evt-1")
    assert [result.outcome for result in process_batch(database, [work], Policy())] == ["linked"]
    assert queries.summary(database)["employees"]["linked"] == 1
    assert len(queries.events(database, {}, below=None, limit=10)["events"]) == 1
    assert queries.event(database, "evt-1")["outcome"] == "linked"
    assert replay_event(database, Policy(), "evt-1", requested_by="test").outcome == "unchanged"
    assert migrate.gap(database, migrate.wanted()) is None


def test_service_role_needs_no_default_rights(empty_database_url: str) -> None:
    """Without default privileges in a project, the migrations grant service_role all that the service needs."""
    with psycopg.connect(empty_database_url) as connection:
        for kind in ("tables", "functions", "sequences"):
            connection.execute(
                f"alter default privileges in schema public revoke all on {kind} from anon, authenticated, service_role"
            )
    migrate.migrate(empty_database_url)
    database = DirectDatabase(f"{empty_database_url}&options=-c%20role%3Dservice_role")
    results = process_batch(database, [work_of(insert(), "evt-1")], Policy())
    assert [result.outcome for result in results] == ["unconfirmed"]
    assert queries.event(database, "evt-1")["status"] == "SUCCESS"
    database.close()


@pytest.mark.parametrize("role", STRANGERS)
def test_migrating_again_revokes_rights(connection: Connection, database_url: str, role: str) -> None:
    """A repeated migration revokes privileges that were granted on the service's objects."""
    connection.execute(
        sql.SQL(
            "grant all on all tables in schema public to {0}; grant all on all functions in schema public to {0}"
        ).format(sql.Identifier(role))
    )
    connection.execute("select auth_sync_secure_v1()")
    tables = connection.execute(USABLE_RELATIONS, {"role": role})
    assert {row["name"] for row in tables} - {"employees"} == set()
    functions = connection.execute(f"{FUNCTIONS} and has_function_privilege(%s, p.oid, 'execute')", [role])
    assert [row["name"] for row in functions] == []
