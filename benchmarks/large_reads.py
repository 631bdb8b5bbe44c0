"""Measure how long admins wait for each search, list and summary in a large company with a long history.

python -m benchmarks.large_reads [EMPLOYEES [EVENTS]]    (default 1,000,000 and 5,000,000: ten minutes, 8 GB of disk)
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg

from webhook_service.db import embedded, migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.errors import ServiceError
from webhook_service.events import Json
from webhook_service.ledger import queries
from webhook_service.ledger.employees import SyncStatus, people, person, problems
from webhook_service.ports import Database

SEED = Path(__file__).with_name("large_reads.sql")
CHUNK = 250_000
TIMES = 7


def main(employees: int, events: int) -> None:
    with seeded(employees, events) as url:
        database = DirectDatabase(url, call_timeout=60)
        sys.stdout.write(f"{employees:,} employees, {events:,} events: milliseconds, median and worst of {TIMES}\n")
        started = time.perf_counter()
        slices = 0
        while database.call("auth_sync_refresh_mismatches_v1")["next_in"] == 0:
            slices += 1
        compared = time.perf_counter() - started
        sys.stdout.write(f"  all employees compared with Auth in {compared:.1f} s, in {slices + 1} slices\n")
        calls = named_calls(database, employees)
        with psycopg.connect(url, autocommit=True) as connection:
            calls |= {f"sql: {query}": partial(connection.execute, query.encode()) for query in views()}
            for name, call in calls.items():
                sys.stdout.write(f"  {name:<95} {took(call)}\n")
        database.close()


def took(call: Callable[[], object]) -> str:
    """Return the median and the slowest time in milliseconds, or the reason why no time was measured."""
    try:
        times = [timed(call) for _ in range(TIMES)]
    except ServiceError as error:
        return f"     too slow: {error.reason}"
    return f"{statistics.median(times):8.1f} {max(times):8.1f}"


def timed(call: Callable[[], object]) -> float:
    """Return the milliseconds of one call."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


@contextmanager
def seeded(employees: int, events: int, kept: Path | None = None) -> Iterator[str]:
    """A database of a company of this size with a long history. Most employees are linked and in sync.

    With `kept`, the database is in this folder and stays there. If the folder has employees already, only the functions
    are brought up to date.
    """
    with ExitStack() as stack:
        folder = kept or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(embedded.running(folder))["DATABASE_URL"]
        migrate.migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            if connection.execute("select from public.employees limit 1").fetchone() is None:
                seed(connection, employees, events)
        yield url


def seed(connection: psycopg.Connection, employees: int, events: int) -> None:
    for setting in ("fsync = off", "full_page_writes = off", "max_wal_size = '8GB'"):
        connection.execute(f"alter system set {setting}".encode())
    connection.execute("select pg_reload_conf()")
    connection.execute("set session_replication_role = replica")  # seed data needs no triggers
    company, ledger = (part.encode() for part in SEED.read_text("utf-8").split("-- ledger\n"))
    connection.execute(company.replace(b":employees", str(employees).encode()))
    for start in range(0, events, CHUNK):
        sys.stderr.write(f"\r{start:,} events ")
        numbers = {
            b":employees": employees,
            b":events": events,
            b":first": start + 1,
            b":last": min(events, start + CHUNK),
        }
        chunk = ledger
        for name, number in numbers.items():
            chunk = chunk.replace(name, str(number).encode())
        connection.execute(chunk)
    for table in ("employees", "auth_user_state", "integration_sync_log"):
        connection.execute(f"vacuum analyze {table}".encode())


def filters(employees: int) -> list[dict[str, Json]]:
    now = datetime.now(UTC)
    ago = (now - timedelta(days=300)).isoformat()
    later = (now - timedelta(days=300) + timedelta(minutes=10)).isoformat()
    span = {"since": ago, "until": later}
    recent = {"since": (now - timedelta(hours=1)).isoformat()}
    user = "c4ca4238-a0b9-2382-0dcc-509a6f75849b"  # md5 of 1
    return [
        *({}, {"status": "SUCCESS"}, {"status": "FAILED"}, {"status": "PENDING"}, {"needs_attention": "true"}),
        *({"outcome": "synced"}, {"outcome": "orphaned"}, {"outcome": "linked"}, {"outcome": "ignored"}),
        *({"operation": "UPDATE"}, {"operation": "DELETE"}, {"operation": "create_auth_user"}),
        *(
            {"direction": "inbound"},
            {"direction": "outbound"},
            {"auth_user_id": user},
            {"employee_id": str(employees // 2)},
        ),
        *(span, recent, span | {"status": "FAILED"}, span | {"status": "SUCCESS"}, span | {"outcome": "orphaned"}),
        *(span | {"outcome": "synced"}, span | {"operation": "DELETE"}, recent | {"outcome": "linked"}),
        *({"status": "SUCCESS", "operation": "INSERT"}, {"outcome": "linked", "operation": "UPDATE"}),
        *({"outcome": "synced", "operation": "DELETE"}, {"status": "FAILED", "direction": "outbound"}),
        *(
            {"person": f"person{employees // 2}@example.com"},
            {"person": "person1"},
            {"person": "p"},
            {"person": "first7 last7"},
        ),
        *({"person": f"last{employees // 3}"}, {"person": f"E{employees // 3}"}, {"person": str(employees // 3)}),
        *({"person": user}, {"person": "alone77"}, {"person": "nobody"}, {"person": "f", "status": "FAILED"}),
        *({"person": "last77", "outcome": "orphaned"}, {"person": "person1", **span}),
    ]


def named_calls(database: Database, employees: int) -> dict[str, Callable[[], object]]:
    calls: dict[str, Callable[[], object]] = {}
    for filter in filters(employees):
        shown = {name: value[:16] if name in ("since", "until") else value for name, value in filter.items()}
        calls[f"search {shown}"] = partial(queries.search, database, filter, below=None, limit=50)
        calls[f"count {shown}"] = partial(queries.counts, database, filter)
    calls["search {'status': 'SUCCESS'}, far below"] = partial(
        queries.search, database, {"status": "SUCCESS"}, below=1000, limit=50
    )
    for last in (1, 24, 72):
        calls[f"hours {last}"] = partial(queries.hours, database, last)
    lists: list[dict[str, Json]] = [{"sync_status": status} for status in SyncStatus]
    lists += [{}, {"is_active": False}, {"is_active": True, "sync_status": "ORPHANED"}, {"person": "first7"}]
    for chosen in lists:
        calls[f"people {chosen}"] = partial(people, database, chosen, after=None, limit=50)
    calls["people {'sync_status': 'OK'}, far after"] = partial(
        people, database, {"sync_status": "OK"}, after=employees - 1000, limit=50
    )
    calls["problems"] = partial(problems, database)
    calls["person"] = partial(person, database, employees // 2)
    calls["person without a login"] = partial(person, database, 40)
    calls["summary"] = partial(queries.summary, database)
    calls["event"] = partial(queries.event, database, "event-1000")
    calls["readiness"] = partial(database.call, "auth_sync_readiness_v1")
    return calls


def views() -> list[str]:
    return [
        "select * from recent_auth_sync_log limit 100",
        "select * from auth_sync_monitor limit 100",
        "select * from auth_sync_monitor where employee_id = 500",
        "select sync_status, count(*) from auth_sync_monitor group by 1",
        "select count(*) from find_employees_without_auth()",
    ]


if __name__ == "__main__":
    main(*(int(size) for size in (*sys.argv[1:], *("1_000_000", "5_000_000")[len(sys.argv) - 1 :])))
