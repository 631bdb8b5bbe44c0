"""Migrating: from nothing, again, many at once, by other hands than ours, and where it cannot be done."""

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


def test_an_empty_database_gets_all_of_it(empty_database_url: str) -> None:
    """Each script is applied once and recorded; the second time there is nothing to do."""
    applied: list[str] = []
    count = migrate.migrate(empty_database_url, applied=lambda script: applied.append(script.title))
    titles = [f"{number:04} {name}" for number, name, _ in OURS]
    assert (count, applied) == (SCRIPTS, [*titles, f"functions {schema.functions().digest}"])
    assert rows(empty_database_url, RECORDED) == OURS
    assert rows(empty_database_url, DIGESTS) == [(schema.functions().digest,)]
    before = schema_of(empty_database_url)
    assert migrate.migrate(empty_database_url) == 0
    assert schema_of(empty_database_url) == before


def test_a_dry_run_only_tells(empty_database_url: str) -> None:
    """It counts what is missing, and leaves the database as it is."""
    before = schema_of(empty_database_url)
    assert migrate.migrate(empty_database_url, dry_run=True) == SCRIPTS
    assert schema_of(empty_database_url) == before


def test_the_printed_sql_is_the_same(new_database: Callable[..., str], database_url: str) -> None:
    """By hand, once or twice, it makes the same schema as `migrate`; which then has nothing to do."""
    url = new_database()
    psql(url)
    assert schema_of(url) == schema_of(database_url)
    psql(url)
    assert schema_of(url) == schema_of(database_url)
    assert rows(url, RECORDED) == OURS
    assert migrate.migrate(url) == 0


def test_the_printed_sql_does_no_harm_to_data(database_url: str) -> None:
    """Applied to a database that is in use, it leaves every row as it is."""
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
def test_twenty_at_once_all_succeed(empty_database_url: str, existing: str) -> None:
    """Each script is applied by one of them, the others find it done; none fails."""
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
    """A recorded checksum that is not ours: nothing is applied on top of what we do not know."""
    execute(database_url, "update auth_sync_migrations set checksum = 'other' where number = 2")
    execute(database_url, "delete from auth_sync_migrations where number > 2")
    with pytest.raises(MigrationError, match="Migration 2") as caught:
        migrate.migrate(database_url)
    assert caught.value.reason == "migration_differs"
    assert [number for number, _, _ in rows(database_url, RECORDED)] == [1, 2]


def test_what_is_missing_is_applied(database_url: str) -> None:
    """Where the last migration was not recorded, only that one runs."""
    execute(database_url, f"delete from auth_sync_migrations where number = {len(OURS)}")  # noqa: S608
    assert migrate.migrate(database_url) == 1


def test_a_newer_database_is_refused(database_url: str) -> None:
    """Where a newer version has migrated, nothing is changed: that version may need what it has put there."""
    execute(database_url, "insert into auth_sync_migrations (number, name, checksum) values (999, 'of_tomorrow', 'x')")
    execute(database_url, "delete from auth_sync_functions")
    with pytest.raises(MigrationError, match="999") as caught:
        migrate.migrate(database_url)
    assert caught.value.reason == "database_is_newer"
    assert rows(database_url, DIGESTS) == []


def test_functions_are_replaced_when_their_text_changes(database_url: str, database: Database) -> None:
    """With another digest in place, all functions are created anew; a process of either version has no gap then."""
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


def test_older_functions_are_not_put_back(database_url: str) -> None:
    """Where a newer version has replaced the functions since, migrate refuses and says how to go back on purpose: the
    newer ones are forgotten then, so that a later upgrade applies them again.
    """
    execute(database_url, "insert into auth_sync_functions (digest) values ('newer')")
    with pytest.raises(MigrationError, match="delete from auth_sync_functions") as caught:
        migrate.migrate(database_url)
    assert caught.value.reason == "database_is_newer"
    execute(database_url, caught.value.detail.partition("first run: ")[2])
    assert migrate.migrate(database_url) == 1
    assert rows(database_url, DIGESTS) == [(migrate.wanted().functions,)]


def test_a_missing_index_is_made_once_by_many(database_url: str) -> None:
    """Of several processes that find it missing, one makes it; each build holds up whoever writes the table."""
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


def test_a_table_that_is_held_is_given_up(database_url: str) -> None:
    """An index is missing, and somebody writes employees for long: migrate does not make all other writers wait."""
    [[name]] = rows(
        database_url,
        "select indexname from pg_indexes where indexname like 'auth_sync_employees%' order by indexname limit 1",
    )
    execute(database_url, f'drop index "{name}"')
    with psycopg.connect(database_url) as writer:
        writer.execute("insert into employees (email) values ('jane@example.com')")
        with pytest.raises(MigrationError, match="holds the tables"):
            migrate.migrate(database_url)


def test_a_failed_migration_leaves_the_ones_before(empty_database_url: str) -> None:
    """Each script is a transaction of its own; once the cause is gone, it goes on where it stopped."""
    execute(
        empty_database_url, "create function public.get_auth_sync_summary() returns integer language sql as 'select 1'"
    )
    with pytest.raises(MigrationError, match="get_auth_sync_summary"):
        migrate.migrate(empty_database_url)
    assert rows(empty_database_url, RECORDED) == OURS
    assert rows(empty_database_url, DIGESTS) == []
    execute(empty_database_url, "drop function public.get_auth_sync_summary()")
    assert migrate.migrate(empty_database_url) == 1


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql://postgres:s3cr%2Ft@127.0.0.1:{port}/postgres", id="nobody-listens"),
        pytest.param("postgresql://postgres:s3cr/t#1@127.0.0.1:{port}/postgres", id="unescaped-password"),
        pytest.param("postgresql://postgres:s3cr@s3cr]t@127.0.0.1:{port}/postgres", id="at-in-the-password"),
        pytest.param("postgresql://postgres:s3cr%t@127.0.0.1:{port}/postgres", id="percent-in-the-password"),
        pytest.param("postgresql://postgres@127.0.0.1:{port}/postgres?no_such=s3cr", id="unknown-option"),
    ],
)
def test_a_database_that_cannot_be_reached_is_told(url: str) -> None:
    """A clear error, without any part of the password, however the URL is broken."""
    with pytest.raises(MigrationError) as caught:
        migrate.migrate(url.format(port=free_port()))
    assert "s3cr" not in caught.value.detail


def test_a_role_without_rights_is_told(database_url: str) -> None:
    """A clear error where the role may not even read what has been migrated."""
    with pytest.raises(MigrationError):
        migrate.migrate(f"{database_url}&options=-c%20role%3Danon")
