"""A dump that is restored into another project, whose default privileges open everything to anon."""

import subprocess
from collections.abc import Callable

import psycopg
import pytest

from tests.integration.db.test_employees_recipes import RECIPES
from tests.integration.doctoring import examined, found
from tests.integration.migrating import execute, rows, tool
from webhook_service.db import migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.doctor.findings import Level


@pytest.fixture
def copy_url(database_url: str, new_database: Callable[..., str]) -> str:
    """A copy of a database in use, which anon may read."""
    execute(
        database_url,
        "insert into employees (email) values ('jane@example.com');"
        "update auth_sync_settings set webhook_url = 'https://production.example.com/webhook/auth'",
    )
    dump = subprocess.run(
        [tool(database_url, "pg_dump"), "--schema=public", "--no-owner", database_url],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    url = new_database()
    command = [tool(url, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", url]
    subprocess.run(command, input=dump.replace("CREATE SCHEMA public;", ""), capture_output=True, text=True, check=True)
    return url


READS = ["select * from auth_sync_find_people_v1('jane')", "select email from auth_sync_monitor"]


def may_read(url: str, query: str) -> bool:
    with psycopg.connect(url) as connection:
        connection.execute("set role anon")
        try:
            return connection.execute(query.encode()).fetchone() is not None
        except psycopg.errors.InsufficientPrivilege:
            return False


@pytest.mark.parametrize("query", READS)
def test_a_migration_closes_a_restored_copy(copy_url: str, query: str) -> None:
    """Doctor finds objects that a restore has opened, and a migration without a pending script closes them."""
    assert may_read(copy_url, READS[0])
    database = DirectDatabase(copy_url)
    assert "open to anon" in found(examined(database, compare=False), "rights").says
    assert migrate.migrate(copy_url) == 0
    assert found(examined(database, compare=False), "rights").level is Level.OK
    database.close()
    assert not may_read(copy_url, query)


def test_a_privilege_on_a_view_does_not_open_employees(database_url: str) -> None:
    """A view reads with the privileges of the role that queries it, so a grant on the view opens no employee."""
    execute(database_url, "insert into employees (email) values ('jane@example.com')")
    execute(database_url, "grant select on all tables in schema public to anon; revoke select on employees from anon")
    assert not may_read(database_url, READS[1])


def test_a_copy_stops_posting(copy_url: str) -> None:
    """The statement of docs/how-to/restore-a-backup.md removes the URL of the production service from a copy."""
    url = "select webhook_url from auth_sync_settings"
    assert rows(copy_url, url) == [("https://production.example.com/webhook/auth",)]
    execute(copy_url, RECIPES["Stop the posting in a copy"])
    assert rows(copy_url, url) == [(None,)]


def test_row_level_security_is_restored(database_url: str) -> None:
    """If row level security was disabled on a table of the service, `migrate` enables it."""
    execute(database_url, "alter table integration_sync_log disable row level security")
    migrate.migrate(database_url)
    secured = "select relrowsecurity from pg_class where relname = 'integration_sync_log'"
    assert rows(database_url, secured) == [(True,)]
