"""Compare the times of calls with few events in the ledger and with five million.

python benchmarks/large_ledger.py [EVENTS]    (default 5,000,000; about four minutes and 4 GB of disk)
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import psycopg

from webhook_service.db import embedded, migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.events import AuthEvent, AuthUser, Operation
from webhook_service.inbound.handlers import decide
from webhook_service.inbound.processing import process_batch
from webhook_service.ledger import queries, retention
from webhook_service.ledger.relay import run_once
from webhook_service.policy import Policy

FILL = """
insert into integration_sync_log
  (event_id, direction, operation, status, outcome, auth_user_id, version, request_data, attempts, via,
   created_at, completed_at)
select 'event-' || n, 'inbound', 'UPDATE', 'SUCCESS', (array['synced', 'unchanged', 'unmatched'])[n % 3 + 1],
       md5((n / 5)::text)::uuid, n, '{{"type": "UPDATE"}}', 1, 'relay',
       now() - interval '400 days' * (1 - n::float / {count}), now() - interval '400 days' * (1 - n::float / {count})
  from generate_series({first}, {last}) as n
"""
FEW = 10_000
CHUNK = 500_000
TIMES = 15


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder, embedded.running(Path(folder)) as environment:
        url = environment["DATABASE_URL"]
        migrate.migrate(url)
        database = DirectDatabase(url, call_timeout=60)
        took: dict[str, list[float]] = {}
        for filled, size in ((0, FEW), (FEW, count)):
            fill(url, filled, size, count)
            for name, call in calls(database).items():
                took.setdefault(name, []).append(statistics.median(timed(call) for _ in range(TIMES)))
        database.close()
    sys.stdout.write(f"milliseconds (medians of {TIMES}) with {FEW:,} events and with {count:,}\n")
    for name, (few, many) in took.items():
        sys.stdout.write(f"  {name:<32} {few:8.1f} {many:10.1f}\n")


def fill(url: str, first: int, last: int, count: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for start in range(first, last, CHUNK):
            end = min(last, start + CHUNK)
            connection.execute(FILL.format(first=start + 1, last=end, count=count).encode())
            sys.stderr.write(f"\r{end:,} events ")
        connection.execute("vacuum analyze integration_sync_log")


def calls(database: DirectDatabase) -> dict[str, Callable[[], object]]:
    some_user = str(UUID(bytes=bytes(16)))
    return {
        "apply one event": lambda: process_batch(database, [decide(new_event(), Policy())], Policy()),
        "a relay that finds nothing": lambda: run_once(database, Policy(), name="benchmark"),
        "newest page of events": lambda: queries.events(database, {}, below=None, limit=50),
        "page of failed events": lambda: queries.events(database, {"status": "FAILED"}, below=None, limit=50),
        "page of one auth user": lambda: queries.events(database, {"auth_user_id": some_user}, below=None, limit=50),
        "readiness": lambda: database.call("auth_sync_readiness_v1"),
        "summary": lambda: queries.summary(database),
        "prune a batch": lambda: prune_one_batch(database),
    }


def prune_one_batch(database: DirectDatabase) -> None:
    limit = min(retention.BATCH_SIZE, FEW // TIMES // 2)
    database.call("auth_sync_prune_v1", p_before="2100-01-01T00:00:00Z", p_limit=limit, p_dry_run=False)


def new_event() -> AuthEvent:
    return AuthEvent(str(uuid4()), Operation.INSERT, 1, AuthUser(uuid4(), email="jane@example.com"))


def timed(call: Callable[[], object]) -> float:
    """Return the milliseconds of one call."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000)
