"""Installing, repairing and removing the triggers, on any database, in any order and any number of times."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.auth_traffic import JANE
from tests.employees import Connection, employee, hire
from tests.integration.auth_actions import BAN_END
from tests.integration.capturing import auth_on, entries, reconciled, relay, writer
from tests.integration.db.test_direct_database import wait_until_one_waits
from tests.integration.db.test_migrations import MIGRATE_ON_SIGNAL
from tests.integration.migrating import EXISTING, SCRIPTS, execute, psql, rows, schema_of, tool
from webhook_service.db import embedded, migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.errors import MigrationError
from webhook_service.ports import Database

TRIGGERS = """
select tgrelid::regclass::text, tgname, tgenabled::text, pg_get_triggerdef(oid) from pg_trigger
 where tgname like 'auth\\_sync\\_%' order by 1, 2
"""
NAMES = [
    *("auth_sync_actions_deleted", "auth_sync_actions_inserted", "auth_sync_actions_updated"),
    "auth_sync_capture",
    *("auth_sync_employees_inserted", "auth_sync_employees_updated"),
    *("auth_sync_failed_inserted", "auth_sync_failed_updated"),
    *("auth_sync_scim_deleted", "auth_sync_scim_inserted"),
    "auth_sync_send",
]
RIGHT = "select bool_and(is_right) from public.auth_sync_triggers_v1()"
OURS = """
select 'table ' || oid::regclass from pg_class
 where relname ~ '^(integration_sync|auth_sync|auth_user_state|recent_auth_sync|auth_sync_monitor)'
union all select 'function ' || oid::regprocedure from pg_proc where proname ~ '^(auth_sync|get_auth|find_employees_)'
union all select 'trigger ' || tgname from pg_trigger where tgname ~ '^auth_sync'
union all select 'type ' || typname from pg_type where typname ~ '^_?(integration_sync|auth_sync|auth_user_state)'
"""

both_ways = pytest.mark.parametrize("run", [pytest.param(migrate.migrate, id="migrate"), pytest.param(psql, id="psql")])
Run = Callable[[str], object]


def installed(url: str) -> list[str]:
    return sorted(name for _, name, enabled, _ in rows(url, TRIGGERS) if enabled == "O")


def sql(url: str, *arguments: str) -> None:
    """Pipe the output of `webhook-service sql` with these arguments through psql, as a user does."""
    command = [str(Path(sys.executable).with_name("webhook-service")), "sql", *arguments]
    script = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    psql_command = [tool(url, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", url]
    subprocess.run(psql_command, input=script, capture_output=True, text=True, check=True)


removed_both_ways = pytest.mark.parametrize(
    "remove",
    [pytest.param(migrate.uninstall, id="uninstall"), pytest.param(lambda url: sql(url, "--uninstall"), id="psql")],
)


@both_ways
def test_the_triggers_are_in_place(empty_database_url: str, run: Run) -> None:
    """Each trigger exists once, enabled, as this version defines it. A second run leaves it unchanged."""
    run(empty_database_url)
    query = "select oid, tgname from pg_trigger where tgname like 'auth\\_sync\\_%' order by tgname"
    first = rows(empty_database_url, query)
    assert [name for _, name in first] == NAMES
    assert rows(empty_database_url, RIGHT) == [(True,)]
    run(empty_database_url)
    assert rows(empty_database_url, query) == first


@pytest.mark.campaign
def test_concurrent_migrations_repair_the_triggers(database_url: str) -> None:
    """Concurrent migrations all succeed, and each trigger exists once."""
    execute(database_url, "drop trigger auth_sync_capture on auth.users")
    execute(database_url, "alter table public.employees disable trigger auth_sync_employees_inserted")
    with ExitStack() as stack:
        command = [sys.executable, "-c", MIGRATE_ON_SIGNAL, database_url]
        processes = [
            stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            for _ in range(8)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in processes:
            process.wait()
    assert {process.returncode for process in processes} == {0}
    assert installed(database_url) == NAMES


def test_a_second_repair_waits_for_the_first(database_url: str, connection: Connection) -> None:
    """A repair waits for another repair that is not committed yet, and then changes nothing."""
    execute(database_url, "drop trigger auth_sync_capture on auth.users")
    with psycopg.connect(database_url) as first, ThreadPoolExecutor() as pool:
        first.execute("select public.auth_sync_install_v1()")
        second = pool.submit(rows, database_url, "select public.auth_sync_install_v1()")
        wait_until_one_waits(connection, "Lock")
        first.commit()
        assert second.result() == [([],)]


@both_ways
def test_auth_users_may_be_created_later(empty_database_url: str, run: Run) -> None:
    """A migration after the creation of auth.users adds the capture.

    Changes before it are not captured, and a reconcile finds the users from before.
    """
    execute(empty_database_url, "drop schema auth cascade")
    run(empty_database_url)
    assert "auth_sync_capture" not in installed(empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        embedded.create_auth_schema(connection)
    with auth_on(empty_database_url) as auth:
        auth.admin_create("before@example.com")
        run(empty_database_url)
        auth.admin_create("after@example.com")
    assert installed(empty_database_url) == NAMES
    database = DirectDatabase(empty_database_url)
    relay(database)
    assert reconciled(database).differences == {"unknown": 1}
    database.close()


ALTERED = {
    "dropped": "drop trigger auth_sync_capture on auth.users",
    "disabled": "alter table auth.users disable trigger auth_sync_capture",
    "all disabled": "alter table auth.users disable trigger all; alter table public.employees disable trigger user",
    "for replicas": "alter table auth.users enable replica trigger auth_sync_capture",
    "another form": "drop trigger auth_sync_capture on auth.users;"
    "create trigger auth_sync_capture after insert on auth.users for each row"
    " execute function public.auth_sync_capture_v1()",
    "not deferred": "drop trigger auth_sync_capture on auth.users;"
    "create constraint trigger auth_sync_capture after insert or delete or update on auth.users"
    " deferrable initially immediate for each row execute function public.auth_sync_capture_v1()",
    "another function": "drop trigger auth_sync_capture on auth.users;"
    "create trigger auth_sync_capture before update on auth.users"
    " for each row execute function suppress_redundant_updates_trigger()",
    "employees": "drop trigger auth_sync_employees_updated on public.employees",
}


@both_ways
@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_trigger_is_repaired(database_url: str, run: Run, name: str) -> None:
    """A trigger that is missing, disabled or different is restored as on a new database."""
    before = rows(database_url, TRIGGERS)
    execute(database_url, ALTERED[name])
    assert rows(database_url, TRIGGERS) != before
    run(database_url)
    assert rows(database_url, TRIGGERS) == before


def test_a_trigger_that_always_fires_stays(database_url: str) -> None:
    """A trigger that its owner set to `enable always`, for writable replicas, captures changes and keeps its mode."""
    execute(database_url, "alter table auth.users enable always trigger auth_sync_capture")
    migrate.migrate(database_url)
    assert rows(database_url, "select tgenabled::text from pg_trigger where tgname = 'auth_sync_capture'") == [("A",)]


def test_triggers_of_others_stay(database_url: str, connection: Connection) -> None:
    """Other triggers on auth.users survive the installation and the removal of the service's triggers."""
    execute(
        database_url,
        "create function public.theirs() returns trigger language plpgsql as 'begin return null; end';"
        "create trigger auth_sync_theirs after insert on auth.users for each row execute function public.theirs();"
        "create trigger on_auth_user_created after insert on auth.users for each row execute function public.theirs()",
    )
    migrate.migrate(database_url)
    migrate.uninstall(database_url)
    left = rows(
        database_url,
        "select tgname from pg_trigger where tgrelid = 'auth.users'::regclass and not tgisinternal order by 1",
    )
    assert left == [("auth_sync_theirs",), ("on_auth_user_created",)]


@removed_both_ways
def test_uninstall_removes_everything(database_url: str, remove: Run) -> None:
    """An uninstall leaves no table, function, trigger, type or view. A second uninstall changes nothing."""
    assert rows(database_url, OURS) != []
    remove(database_url)
    assert rows(database_url, OURS) == []
    before = schema_of(database_url)
    remove(database_url)
    assert schema_of(database_url) == before


def test_uninstall_leaves_the_schema_as_it_was(empty_database_url: str) -> None:
    """If employees had all the columns before, the schema after an uninstall equals the schema before the migration."""
    migrate.migrate(empty_database_url)
    migrate.uninstall(empty_database_url)
    before = schema_of(empty_database_url)
    migrate.migrate(empty_database_url)
    assert schema_of(empty_database_url) != before
    migrate.uninstall(empty_database_url)
    assert schema_of(empty_database_url) == before


def test_uninstall_leaves_employees(empty_database_url: str) -> None:
    """An uninstall keeps the rows, columns, links, triggers and views of employees, and fires none of the triggers."""
    execute(empty_database_url, EXISTING)
    migrate.migrate(empty_database_url)
    data, columns = (
        "select to_jsonb(e) from public.employees e order by 1",
        "select attname from pg_attribute where attrelid = 'public.employees'::regclass and attnum > 0 order by attnum",
    )
    execute(
        empty_database_url,
        "alter table employees disable trigger refuse_all;"  # noqa: S608
        f"update employees set auth_user_id = '{JANE}', orphaned_at = now() where email = 'ann@example.com';"
        "alter table employees enable trigger refuse_all",
    )
    before = rows(empty_database_url, data), rows(empty_database_url, columns)
    migrate.uninstall(empty_database_url)
    assert (rows(empty_database_url, data), rows(empty_database_url, columns)) == before
    assert rows(empty_database_url, "select tgname from pg_trigger where not tgisinternal") == [("refuse_all",)]


def test_auth_works_after_an_uninstall(database_url: str, connection: Connection) -> None:
    """auth.users and employees can be written after an uninstall, even in open sessions of Auth."""
    with writer(database_url) as writing:
        writing.execute("insert into users (id, email) values (%s, 'jane@example.com')", [JANE])
        migrate.uninstall(database_url)
        writing.execute("update users set email = 'jane.doe@example.com'")
        writing.execute("delete from users")
    hire(connection, "jane@example.com")


def test_a_reinstallation_works(database_url: str, connection: Connection, database: Database) -> None:
    """After an uninstall, a migration and a reconcile restore the sync, and no link is lost."""
    employee_id = hire(connection, "jane@example.com")
    with auth_on(database_url) as auth:
        jane = auth.admin_create("jane@example.com")
        relay(database)
        migrate.uninstall(database_url)
        auth.admin_change_email(jane, "jane.doe@example.com", confirmed=True)
        assert migrate.migrate(database_url) == SCRIPTS
        assert installed(database_url) == NAMES
        assert reconciled(database).differences == {"unknown": 1}
        auth.ban(jane, BAN_END)
    found = employee(connection, employee_id)
    assert (found["auth_user_id"], found["email"]) == (jane, "jane.doe@example.com")
    assert len(entries(connection, jane)) == 1
    relay(database)
    assert reconciled(database, dry_run=True).differences == {}


def test_uninstall_while_auth_is_busy_fails(database_url: str) -> None:
    """An uninstall fails as a whole instead of making sign-ups wait behind it, and removes nothing."""
    before = schema_of(database_url)
    with psycopg.connect(database_url) as busy:
        busy.execute("select from auth.users for update")
        with pytest.raises(MigrationError, match="Nothing was removed"):
            migrate.uninstall(database_url)
    assert schema_of(database_url) == before
