"""A real PostgreSQL for all tests: one server for each pytest process, one database for each test, from a template."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg import sql
from psycopg.rows import dict_row

from tests import employees_tables
from tests.auth_traffic import SECRET
from tests.databases import dropped_afterwards
from tests.debian_postgres import cluster, installed
from webhook_service.app import create_app
from webhook_service.db import embedded, migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.inbound.signature import parse_secrets
from webhook_service.ports import Database
from webhook_service.settings import DirectConnection, Settings

pytest_plugins = ["tests.supabase_postgres"]

ADMIN_KEY = "test-admin-key-0123456789"


MEMORY, ROOM = Path("/dev/shm"), 8 * 2**30  # noqa: S108 (a folder in memory; each test process makes its own in it)


def roomy_memory() -> Path | None:
    """Where databases that come and go by the thousand cost least: ext4 looks at each file that it deleted in the last
    seconds before it makes one.
    """
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of an empty server that has Supabase's roles and default rights.

    It is Debian's where an employees table needs contrib (citext), and Debian's is installed.
    """
    if employees_tables.chosen() == employees_tables.INTEGER_KEYS and installed() is not None:
        with cluster() as started:
            employees_tables.prepare(started.socket_url())
            yield started.socket_url()
        return
    # Not pytest's folder: another pytest on the machine closes that to the account that PostgreSQL runs under.
    with (
        TemporaryDirectory(prefix="ws-pg-", dir=roomy_memory()) as folder,
        embedded.running(Path(folder)) as environment,
    ):
        url = environment["DATABASE_URL"]
        with psycopg.connect(url, autocommit=True) as connection:
            # A power cut during the tests may lose their data; a kill of PostgreSQL does not.
            connection.execute("alter system set fsync = off")
            connection.execute("select pg_reload_conf()")
        yield url


@pytest.fixture(scope="session")
def new_database(postgres: str) -> Callable[..., str]:
    """Makes a database, empty or as a copy of `template`, and returns its URL."""
    count = 0

    def create(template: str = "postgres") -> str:
        nonlocal count
        count += 1
        name = f"test_{count}"
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        return postgres.replace("/postgres?", f"/{name}?")

    return create


@pytest.fixture(scope="session")
def migrated_template(new_database: Callable[..., str]) -> str:
    """The name of a migrated database, with the employees table that EMPLOYEES_TABLE names."""
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        employees_tables.create(connection, employees_tables.chosen())
    migrate.migrate(url)
    return url.split("/")[3].split("?")[0]


@pytest.fixture
def empty_database_url(new_database: Callable[..., str]) -> Iterator[str]:
    """A database of this test's own, with nothing in it."""
    with dropped_afterwards(new_database()) as url:
        yield url


@pytest.fixture
def database_url(new_database: Callable[..., str], migrated_template: str) -> Iterator[str]:
    """A migrated database of this test's own."""
    with dropped_afterwards(new_database(migrated_template)) as url:
        yield url


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A connection to this test's database, past our code, in autocommit; rows are dictionaries."""
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    direct = DirectDatabase(database_url)
    yield direct
    direct.close()


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings(DirectConnection(database_url), parse_secrets(SECRET), ADMIN_KEY)


@pytest.fixture
def app(settings: Settings, database: Database) -> Flask:
    return create_app(settings, database)
