"""Migrations of empty and existing databases, repeated, concurrent, by other tools, and their failures."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest

from tests.auth_traffic import CONFIRMED, insert
from tests.integration.migrating import DIGESTS, EXISTING, OURS, RECORDED, SCRIPTS, execute, psql, rows, schema_of
from tests.ports import free_port
from tests.webhook_events import work_of
from webhook_service.db import migrate, schema
from webhook_service.db.direct import DirectDatabase
from webhook_service.errors import MigrationError
from webhook_service.inbound.processing import process_batch
from webhook_service.policy import Policy
from webhook_service.ports import Database


def test_an_empty_database_gets_all_scripts(empty_database_url: str) -> None:
    """Each script is applied once and recorded. A second run does nothing."""
    applied: list[str] = []
    count = migrate.migrate(empty_database_url, applied=lambda script: applied.append(script.title))
    titles = [f"{number:04} {name}" for number, name, _ in OURS]
    assert (count, applied) == (SCRIPTS, [*titles, f"functions {schema.functions().digest}"])
    assert rows(empty_database_url, RECORDED) == OURS
    assert rows(empty_database_url, DIGESTS) == [(schema.functions().digest,)]
    before = schema_of(empty_database_url)
    assert migrate.migrate(empty_database_url) == 0
    assert schema_of(empty_database_url) == before


def test_a_dry_run_changes_nothing(empty_database_url: str) -> None:
    """A dry run counts the pending scripts and leaves the database unchanged."""
    before = schema_of(empty_database_url)
    assert migrate.migrate(empty_database_url, dry_run=True) == SCRIPTS
    assert schema_of(empty_database_url) == before


def test_the_printed_sql_is_the_same(new_database: Callable[..., str], database_url: str) -> None:
    """The printed SQL, applied once or twice, creates the same schema as `migrate`, which then has nothing to do."""
    url = new_database()
    psql(url)
    assert schema_of(url) == schema_of(database_url)
    psql(url)
    assert schema_of(url) == schema_of(database_url)
    assert rows(url, RECORDED) == OURS
    assert migrate.migrate(url) == 0


def test_the_printed_sql_keeps_the_data(database_url: str) -> None:
    """The printed SQL leaves every row of a database in use unchanged."""
    execute(database_url, "insert into employees (email) values ('jane@example.com')")
    database = DirectDatabase(database_url)
    work = work_of(insert(email="jane@example.com", email_confirmed_at=CONFIRMED), "evt-1")
    process_batch(database, [work], Policy())
    database.close()
    tables = ("employees", "integration_sync_log", "auth_user_state", "auth_sync_migrations")
    before = [rows(database_url, f"select to_jsonb(t) from {table} t order by 1") for table in tables]  # noqa: S608
    psql(database_url)
    assert [rows(database_url, f"select to_jsonb(t) from {table} t order by 1") for table in tables] == before  # noqa: S608


MIGRATE_ON_SIGNAL = """
import sys
from webhook_service.db.migrate import migrate
print("ready", flush=True)
sys.stdin.read()
print(migrate(sys.argv[1]))
"""


@pytest.mark.campaign
@pytest.mark.parametrize("existing", ["", EXISTING], ids=["empty", "existing"])
def test_twenty_concurrent_migrations_all_succeed(empty_database_url: str, existing: str) -> None:
    """Only one of twenty concurrent processes applies each script. The other processes skip it, and none fails."""
    execute(empty_database_url, existing)
    with ExitStack() as stack:
        command = [sys.executable, "-c", MIGRATE_ON_SIGNAL, empty_database_url]
        processes = [
            stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            for _ in range(20)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
        counts = [int(process.stdout.read()) for process in processes if process.stdout is not None]
    assert {process.returncode for process in processes} == {0}
    assert sum(counts) == SCRIPTS
    assert rows(empty_database_url, RECORDED) == OURS


def test_a_migration_in_another_form_is_refused(database_url: str) -> None:
    """If a recorded checksum differs, `migrate` applies no further script."""
    execute(database_url, "update auth_sync_migrations set checksum = 'other' where number = 2")
    execute(database_url, "delete from auth_sync_migrations where number > 2")
    with pytest.raises(MigrationError, match="Migration 2") as caught:
        migrate.migrate(database_url)
    assert caught.value.reason == "migration_differs"
    assert [number for number, _, _ in rows(database_url, RECORDED)] == [1, 2]


def test_a_missing_migration_is_applied(database_url: str) -> None:
    """If only the last migration is not recorded, `migrate` applies only this migration."""
    execute(database_url, f"delete from auth_sync_migrations where number = {len(OURS)}")  # noqa: S608
    assert migrate.migrate(database_url) == 1


def test_a_newer_database_is_refused(database_url: str) -> None:
    """`migrate` does not change a database of a newer version, because that version may need its objects."""
    execute(database_url, "insert into auth_sync_migrations (number, name, checksum) values (999, 'of_tomorrow', 'x')")
    execute(database_url, "delete from auth_sync_functions")
    with pytest.raises(MigrationError, match="999") as caught:
        migrate.migrate(database_url)
    assert caught.value.reason == "database_is_newer"
    assert rows(database_url, DIGESTS) == []


def test_functions_are_replaced_when_their_text_changes(database_url: str, database: Database) -> None:
    """If the digest differs, `migrate` re-creates all functions. The schema is then complete for both versions."""
    execute(
        database_url, "create or replace function auth_sync_normal_v1(p_email text) returns text immutable return 'old'"
    )
    execute(database_url, "update auth_sync_functions set digest = 'old'")
    wanted, old = migrate.wanted(), migrate.Wanted(len(OURS), "old")
    assert wanted.functions in str(migrate.gap(database, wanted))
    assert migrate.migrate(database_url) == 1
    assert rows(database_url, "select auth_sync_normal_v1('A@b ')") == [("a@b",)]
    assert rows(database_url, DIGESTS) == [(wanted.functions,), ("old",)]
    assert (migrate.gap(database, wanted), migrate.gap(database, old)) == (None, None)
    assert migrate.migrate(database_url) == 0


def test_older_functions_are_not_restored(database_url: str) -> None:
    """`migrate` refuses a database with newer functions, and its message has the SQL to go back.

    That SQL deletes the newer digests, so that a later upgrade applies them again.
    """
    execute(database_url, "insert into auth_sync_functions (digest) values ('newer')")
    with pytest.raises(MigrationError, match="delete from auth_sync_functions") as caught:
        migrate.migrate(database_url)
    assert caught.value.reason == "database_is_newer"
    execute(database_url, caught.value.detail.partition("first run: ")[2])
    assert migrate.migrate(database_url) == 1
    assert rows(database_url, DIGESTS) == [(migrate.wanted().functions,)]


def test_concurrent_migrations_create_an_index_once(database_url: str) -> None:
    """Only one of several processes creates a missing index, because each build blocks the table's writers."""
    execute(
        database_url,
        """
        create table made (name text);
        create function note() returns event_trigger language plpgsql as
        $$ begin insert into made select object_identity from pg_event_trigger_ddl_commands(); end $$;
        create event trigger note on ddl_command_end when tag in ('CREATE INDEX') execute function note();
        """,
    )
    [[name]] = rows(
        database_url,
        "select indexname from pg_indexes where indexname like 'auth_sync_employees%' order by indexname limit 1",
    )
    execute(database_url, f'drop index "{name}"')
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(migrate.migrate, [database_url] * 4))
    assert rows(database_url, "select name from made") == [(f"public.{name}",)]


def test_a_wait_for_a_table_times_out(database_url: str) -> None:
    """`migrate` fails if another transaction holds a table for long, instead of making all other writers wait."""
    [[name]] = rows(
        database_url,
        "select indexname from pg_indexes where indexname like 'auth_sync_employees%' order by indexname limit 1",
    )
    execute(database_url, f'drop index "{name}"')
    with psycopg.connect(database_url) as writer:
        writer.execute("insert into employees (email) values ('jane@example.com')")
        with pytest.raises(MigrationError, match="locked the tables"):
            migrate.migrate(database_url)


def test_a_failed_script_leaves_the_earlier_ones(empty_database_url: str) -> None:
    """Each script runs in a separate transaction, and a later run continues with the failed script."""
    execute(
        empty_database_url, "create function public.get_auth_sync_summary() returns integer language sql as 'select 1'"
    )
    with pytest.raises(MigrationError, match="get_auth_sync_summary"):
        migrate.migrate(empty_database_url)
    assert rows(empty_database_url, RECORDED) == OURS
    assert rows(empty_database_url, DIGESTS) == []
    execute(empty_database_url, "drop function public.get_auth_sync_summary()")
    assert migrate.migrate(empty_database_url) == 1


def test_a_failed_migration_is_rolled_back_and_leaves_the_earlier_ones(empty_database_url: str) -> None:
    """A numbered migration that fails in the middle leaves no table. A later run continues with this migration."""
    execute(empty_database_url, "create view public.auth_sync_sessions as select 1 as id")
    with pytest.raises(MigrationError, match="auth_sync_sessions"):
        migrate.migrate(empty_database_url)
    done = rows(empty_database_url, RECORDED)
    assert done == OURS[: len(done)]
    assert 0 < len(done) < len(OURS)
    assert rows(empty_database_url, "select to_regclass('public.auth_user_state')::text") == [(None,)]
    execute(empty_database_url, "drop view public.auth_sync_sessions")
    assert migrate.migrate(empty_database_url) == SCRIPTS - len(done)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql://postgres:s3cr%2Ft@127.0.0.1:{port}/postgres", id="closed-port"),
        pytest.param("postgresql://postgres:s3cr/t#1@127.0.0.1:{port}/postgres", id="unescaped-password"),
        pytest.param("postgresql://postgres:s3cr@s3cr]t@127.0.0.1:{port}/postgres", id="at-in-the-password"),
        pytest.param("postgresql://postgres:s3cr%t@127.0.0.1:{port}/postgres", id="percent-in-the-password"),
        pytest.param("postgresql://postgres@127.0.0.1:{port}/postgres?no_such=s3cr", id="unknown-option"),
    ],
)
def test_an_unreachable_database_is_reported(url: str) -> None:
    """The error for any invalid URL is clear and contains no part of the password."""
    with pytest.raises(MigrationError) as caught:
        migrate.migrate(url.format(port=free_port()))
    assert "s3cr" not in caught.value.detail


def test_a_role_without_rights_is_reported(database_url: str) -> None:
    """A role that may not read the recorded migrations gets a clear error."""
    with pytest.raises(MigrationError):
        migrate.migrate(f"{database_url}&options=-c%20role%3Danon")
