"""The ledger as a table with a partition for each month, beside the ledger as it is.

The indexes are those of the ledger. A unique index of a partitioned table must contain the time, so `event_id` is
unique only together with it: the same event could be recorded twice, in two months.
"""

import random
import re
import statistics
import time
from typing import Any

import psycopg

from benchmarks.ledger_size.ledger import Options, number

TIMES = 200
INDEXES = """
select pg_get_indexdef(indexrelid) from pg_index
 where indrelid = 'public.integration_sync_log'::regclass and not indisunique order by indexrelid
"""
CREATE = (
    "create table bench.ledger (like public.integration_sync_log including defaults) partition by range (created_at)",
    "create unique index on bench.ledger (event_id, created_at)",
    "create unique index on bench.ledger (id, created_at)",
)
PARTITION = """
do $$
declare
  first timestamptz := date_trunc('month', now()) - interval '1 month' * {ago};
begin
  execute format('create table bench.ledger_{ago} partition of bench.ledger for values from (%L) to (%L)',
                 first, first + interval '1 month');
end $$
"""
BY_EVENT = "select id, status from {} where event_id = %s"
NEWEST = "select id, status from {} order by id desc limit 50"
OF_USER = "select id, status from {} where id >> 18 = any(%s) and auth_user_id = %s order by id desc limit 50"
SAMPLE = "select event_id, id, auth_user_id from public.integration_sync_log where id = any(%s)"


def measure(connection: psycopg.Connection[Any], options: Options) -> list[tuple[str, ...]]:
    """Return lines of (name, the ledger as it is, with partitions). The oldest month is already pruned in the first."""
    for statement in CREATE:
        connection.execute(statement.encode())
    for (definition,) in connection.execute(INDEXES).fetchall():
        pattern = r"INDEX \S+ ON public\.integration_sync_log"
        connection.execute(re.sub(pattern, "INDEX ON bench.ledger", definition).encode())
    for ago in range(options.months + 1):
        connection.execute(PARTITION.format(ago=ago).encode())
    connection.execute("insert into bench.ledger select * from public.integration_sync_log")
    connection.execute("analyze bench.ledger")
    tables = ("public.integration_sync_log", "bench.ledger")
    sample = samples(connection)
    spans = list({id >> 18 for _, id, _ in sample})
    searches: dict[str, tuple[str, list[list[Any]]]] = {
        "find an event by its id": (BY_EVENT, [[event_id] for event_id, *_ in sample]),
        "the newest page": (NEWEST, [[]] * TIMES),
        "the events of a user": (OF_USER, [[spans, user] for *_, user in sample]),
    }
    found = [
        (name, *(f"{median(connection, query, table, values):.2f} ms" for table in tables))
        for name, (query, values) in searches.items()
    ]
    started = time.perf_counter()
    connection.execute(f"drop table bench.ledger_{options.months - 1}".encode())
    dropped = time.perf_counter() - started
    return [*found, ("remove a month", "see above", f"{dropped * 1000:.0f} ms")]


def samples(connection: psycopg.Connection[Any]) -> list[tuple[str, int, Any]]:
    """Some random events, as (event id, id, auth user)."""
    newest = number(connection, "select max(id) from public.integration_sync_log")
    oldest = number(connection, "select min(id) from public.integration_sync_log")
    chosen = [random.randint(oldest, newest) for _ in range(TIMES)]
    return connection.execute(SAMPLE, [chosen]).fetchall()


def median(connection: psycopg.Connection[Any], query: str, table: str, parameters: list[list[Any]]) -> float:
    """The milliseconds of the prepared query in the table, without the first calls, which read from disk."""
    took = []
    for values in parameters:
        started = time.perf_counter()
        connection.execute(query.format(table).encode(), values).fetchall()
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took[len(took) // 10 :])
