"""Installing on PostgreSQL 15 with the privileges of hosted Supabase.

The role is not a superuser and owns no object in schema auth.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.auth_traffic import SECRET
from tests.employees import Connection, employee, hire
from tests.integration.auth_actions import BAN_END
from tests.integration.capturing import auth_on, reconciled, relay
from tests.integration.migrating import execute, psql, rows
from tests.integration.sending import URL, queued, send_to, verified_by_the_reference_library
from webhook_service.db import migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.db.embedded import create_auth_schema
from webhook_service.errors import MigrationError
from webhook_service.ports import Database

ROLE = """
do $$ begin
  create role hosted login createrole createdb bypassrls;
exception when duplicate_object or unique_violation then null; end $$;
do $$ begin execute format('alter database %I owner to hosted', current_database()); end $$;
grant select on pg_config to hosted; grant execute on function pg_config() to hosted;
grant usage on schema auth to hosted;
grant select, insert, update, delete, references, trigger on auth.users to hosted;
grant usage on schema vault to hosted;
grant select, delete on vault.secrets, vault.decrypted_secrets to hosted;
alter default privileges for role hosted in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges for role hosted in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges for role hosted in schema public grant all on sequences to anon, authenticated, service_role;
"""
STRANGERS = """
select p.oid::regprocedure::text from pg_proc p, unnest(array['anon', 'authenticated']) as r
 where p.pronamespace = 'public'::regnamespace and has_function_privilege(r, p.oid, 'execute')
union all
select c.oid::regclass::text from pg_class c, unnest(array['anon', 'authenticated']) as r
 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v')
   and has_any_column_privilege(r, c.oid, 'select')
"""
RIGHT = "select bool_and(is_right) from public.auth_sync_triggers_v1()"

Run = Callable[[str], object]
both_ways = pytest.mark.parametrize("run", [pytest.param(migrate.migrate, id="migrate"), pytest.param(psql, id="psql")])


@pytest.fixture
def superuser_url(supabase_database_url: str) -> str:
    with psycopg.connect(supabase_database_url, autocommit=True) as connection:
        create_auth_schema(connection)
        connection.execute(ROLE.encode())
    return supabase_database_url


@pytest.fixture
def database_url(superuser_url: str) -> str:
    """The URL with the role of a project on hosted Supabase."""
    return superuser_url.replace("//postgres@", "//hosted@")


@pytest.fixture
def service(superuser_url: str) -> Iterator[Database]:
    """A database with the privileges of service_role, as over the Data API."""
    database = DirectDatabase(f"{superuser_url}?options=-c%20role%3Dservice_role")
    yield database
    database.close()


@contextmanager
def drop_trigger_grants(superuser_url: str) -> Iterator[None]:
    """Let the role drop triggers of auth.users, as supautils.drop_trigger_grants does on hosted Supabase."""
    execute(superuser_url, "alter table auth.users owner to hosted")
    yield
    execute(superuser_url, "alter table auth.users owner to supabase_auth_admin")


def test_the_role_has_the_limits_of_hosted_supabase(database_url: str) -> None:
    """The role cannot create tables or functions in schema auth or alter auth.users. The server is PostgreSQL 15."""
    [(is_superuser, version)] = rows(
        database_url,
        "select rolsuper, current_setting('server_version_num') from pg_roles where rolname = current_user",
    )
    assert (is_superuser, version >= "150000") == (False, True)
    for statement in (
        "create table auth.ours ()",
        "create function auth.ours() returns int language sql as 'select 1'",
        "alter table auth.users disable trigger user",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            execute(database_url, statement)


@both_ways
def test_an_installation_works(
    database_url: str, superuser_url: str, connection: Connection, service: Database, run: Run
) -> None:
    """A repeated installation captures changes.

    service_role applies and reconciles them, and other roles have no privileges.
    """
    run(database_url)
    run(database_url)
    assert rows(database_url, RIGHT) == [(True,)]
    employee_id = hire(connection, "jane@example.com")
    with auth_on(superuser_url) as auth:
        jane = auth.sign_up("jane@example.com", auto_confirm=True)
        auth.ban(jane, BAN_END)
    assert relay(service) == 2
    assert employee(connection, employee_id)["auth_user_id"] == jane
    assert reconciled(service).differences == {}
    assert rows(database_url, STRANGERS) == []


def test_the_sender_posts(database_url: str, superuser_url: str, connection: Connection) -> None:
    """The role can set the sender's secret, and the role's trigger can read it."""
    migrate.migrate(database_url)
    send_to(connection, URL, SECRET)
    with auth_on(superuser_url) as auth:
        auth.sign_up("jane@example.com")
    [request] = queued(connection)
    verified_by_the_reference_library(SECRET, request)
    send_to(connection, None, None)
    assert rows(superuser_url, "select from vault.secrets") == []


@pytest.mark.parametrize("call", [f"auth_sync_send_to('{URL}', '{SECRET}')", "auth_sync_signed_v1('e', '{}')"])
def test_service_role_may_neither_set_the_url_nor_sign(database_url: str, superuser_url: str, call: str) -> None:
    """A holder of the service-role key can neither redirect nor forge events."""
    migrate.migrate(database_url)
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute("set role service_role")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"select public.{call}".encode())


def test_an_altered_trigger_is_repaired(database_url: str, superuser_url: str) -> None:
    """A trigger is repaired if the role may drop triggers, as on hosted Supabase.

    Otherwise the error says what is missing.
    """
    migrate.migrate(database_url)
    execute(superuser_url, "alter table auth.users disable trigger auth_sync_capture")
    with pytest.raises(MigrationError, match="must be owner"):
        migrate.migrate(database_url)
    with drop_trigger_grants(superuser_url):
        migrate.migrate(database_url)
    assert rows(database_url, RIGHT) == [(True,)]


def test_an_uninstall(database_url: str, superuser_url: str) -> None:
    """An uninstall succeeds if the role may drop triggers, and removes nothing otherwise. Auth works in both cases."""
    migrate.migrate(database_url)
    with pytest.raises(MigrationError, match="Nothing was removed"):
        migrate.uninstall(database_url)
    assert rows(database_url, RIGHT) == [(True,)]
    with drop_trigger_grants(superuser_url):
        migrate.uninstall(database_url)
        migrate.uninstall(database_url)
    left = "select proname from pg_proc where proname like 'auth\\_sync\\_%'"
    assert rows(database_url, left) == []
    with auth_on(superuser_url) as auth:
        auth.hard_delete(auth.admin_create("jane@example.com"))
