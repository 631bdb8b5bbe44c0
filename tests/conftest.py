"""A real PostgreSQL for all tests: a server for each process of pytest, and for each test a copy of a database."""

import gc
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psycopg
import pytest
from flask import Flask
from httpx._transports import default
from jinja2.bccache import Bucket, BytecodeCache
from psycopg import sql
from werkzeug.routing import Rule

from tests import employees_tables
from tests.auth_traffic import SECRET
from tests.databases import dropped_afterwards
from tests.debian_postgres import cluster, installed, roomy_memory
from tests.kept_databases import Contents, KeptDatabase, database_of, lent, session_of
from tests.scheduling import Scheduling, workers
from webhook_service.app import create_app
from webhook_service.db import embedded, migrate
from webhook_service.inbound.signature import parse_secrets
from webhook_service.ports import Database
from webhook_service.settings import DirectConnection, Settings

pytest_plugins = ["tests.supabase_postgres"]

ADMIN_KEY = "test-admin-key-0123456789"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return workers()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m` and a marker, import only the modules of tests that name the marker. It takes half of the time."""
    wanted = re.fullmatch(r"(?!not )(\w+)(?: and .*)?", config.option.markexpr)
    if wanted is None or not collection_path.name.startswith("test_"):
        return None
    return True if wanted[1] not in collection_path.read_text("utf-8") else None


def pytest_sessionstart() -> None:
    gc.disable()  # the import of the tests makes no garbage


def pytest_collection_finish() -> None:
    gc.freeze()  # the collector never examines again what lives until the end: modules and tests
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def certificates_read_once() -> Iterator[None]:
    """Share the certificates of all authorities, which each client would read again, in 30 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(default, "create_ssl_context", cache(httpx.create_ssl_context))
        yield


class CompiledTemplates(BytecodeCache):
    """The compiled templates of all applications of this process. Each application would compile its own."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._compiled.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key, bucket.checksum] = bucket.code


@pytest.fixture(scope="session", autouse=True)
def templates_compiled_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "jinja_options", {"bytecode_cache": CompiledTemplates()})
        yield


@pytest.fixture(scope="session", autouse=True)
def rules_compiled_once() -> Iterator[None]:
    """Share the functions that build URLs. To compile its own is most of the work of an application's start."""
    compiled: dict[object, Callable[..., tuple[str, str]]] = {}
    compile_builder = Rule._compile_builder

    def shared(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        key = (rule.rule, tuple(rule._trace), repr(rule.defaults), append_unknown)
        if key not in compiled:
            compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", shared)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of an empty server that has Supabase's roles and default rights.

    The server is Debian's if the employees table needs contrib (citext) and Debian's PostgreSQL is installed.
    """
    if employees_tables.chosen() == employees_tables.INTEGER_KEYS and installed() is not None:
        with cluster() as started:
            employees_tables.prepare(started.socket_url())
            yield started.socket_url()
        return
    # Another pytest on the machine closes pytest's own folder to the account that PostgreSQL runs under.
    with (
        TemporaryDirectory(prefix="ws-pg-", dir=roomy_memory()) as folder,
        embedded.running(Path(folder)) as environment,
    ):
        url = environment["DATABASE_URL"]
        with psycopg.connect(url, autocommit=True) as connection:
            # Only a power cut during the tests loses data without these two; a kill of PostgreSQL loses nothing.
            connection.execute("alter system set fsync = off")
            connection.execute("alter system set full_page_writes = off")
            connection.execute("alter system set autovacuum = off")  # it visits a database each second
            connection.execute("select pg_reload_conf()")
        yield url


@pytest.fixture(scope="session")
def new_database(postgres: str) -> Iterator[Callable[..., str]]:
    """Make a database, empty or as a copy of `template`, and return its URL."""
    numbers = count(1)
    with psycopg.connect(postgres, autocommit=True) as connection:

        def create(template: str = "postgres") -> str:
            name = f"test_{next(numbers)}"
            connection.execute(
                sql.SQL("create database {} template {} strategy file_copy").format(
                    sql.Identifier(name), sql.Identifier(template)
                )  # a third of the work of writing all pages into the log
            )
            return postgres.replace("/postgres?", f"/{name}?")

        yield create


@pytest.fixture(scope="session")
def migrated_template(new_database: Callable[..., str]) -> str:
    """The name of a migrated database, with the employees table that EMPLOYEES_TABLE names."""
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        employees_tables.create(connection, employees_tables.chosen())
    migrate.migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum (full) pg_catalog.pg_proc")  # earlier versions of the functions fill megabytes
    psycopg.connect(url).close()  # writes the file with which each first connection to a copy starts
    return url.split("/")[3].split("?")[0]


@pytest.fixture
def empty_database_url(new_database: Callable[..., str]) -> Iterator[str]:
    """An empty database for one test."""
    with dropped_afterwards(new_database()) as url:
        yield url


@pytest.fixture(scope="session")
def kept_databases() -> Iterator[list[KeptDatabase]]:
    """The migrated databases that are as new, for the next tests."""
    kept: list[KeptDatabase] = []
    yield kept
    for database in kept:
        database.close()


@pytest.fixture(scope="session")
def new_kept_database(new_database: Callable[..., str], migrated_template: str) -> Callable[[], KeptDatabase]:
    """Make a migrated database that one test after another may use."""
    contents = Contents(new_database(migrated_template))
    return lambda: KeptDatabase(new_database(migrated_template), contents)


@pytest.fixture
def kept_database(
    kept_databases: list[KeptDatabase], new_kept_database: Callable[[], KeptDatabase]
) -> Iterator[KeptDatabase]:
    """A migrated database for one test, which the next test may use after it."""
    kept = kept_databases.pop() if kept_databases else new_kept_database()
    lent[kept.url] = kept
    yield kept
    del lent[kept.url]
    if kept.restore():
        kept_databases.append(kept)
    else:
        kept.close()
        with dropped_afterwards(kept.url):
            pass


@pytest.fixture
def database_url(kept_database: KeptDatabase) -> str:
    """A migrated database for one test."""
    return kept_database.url


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A connection to the test's database without our code, in autocommit; its rows are dictionaries."""
    with session_of(database_url) as connection:
        yield connection


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with database_of(database_url) as database:
        yield database


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings(DirectConnection(database_url), parse_secrets(SECRET), ADMIN_KEY)


@pytest.fixture
def app(settings: Settings, database: Database) -> Flask:
    return create_app(settings, database)
