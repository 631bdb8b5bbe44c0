"""A ledger of many months, which is filled with copies of an event that the trigger has captured."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

CHUNK = 200_000
EVENTS_PER_USER = 5

CAPTURE = (
    """
insert into auth.users (id, email, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
values (gen_random_uuid(), 'jane.example@example.com', now(), '{"provider": "email", "providers": ["email"]}',
        '{"first_name": "Jane", "last_name": "Example"}', now(), now())
""",
    'update auth.users set raw_user_meta_data = \'{"first_name": "Janet", "last_name": "Example"}\'',
    "create schema bench",
    """
create table bench.captured as
select request_data from public.integration_sync_log where operation = 'UPDATE' order by id desc limit 1
""",
    "truncate public.integration_sync_log restart identity cascade",
)
"""One sign-up and one change. The payload of the change is kept as the example of all events."""

FILL = """
insert into public.integration_sync_log
  (event_id, direction, operation, status, outcome, auth_user_id, employee_id, version, request_data, changes,
   attempts, via, created_at, completed_at)
select concat_ws('-', 1700000000000000 + n, n, md5((n / {per_user})::text)::uuid), 'inbound', 'UPDATE',
       'SUCCESS', 'synced', md5((n / {per_user})::text)::uuid, n / {per_user}, 1700000000000000 + n, c.request_data,
       '{{"first_name": {{"from": "Jane", "to": "Janet"}}}}', 1, 'webhook', made.at, made.at + interval '1 second'
  from bench.captured as c, generate_series({first}::bigint, {last}::bigint) as n,
       lateral (select date_trunc('month', now()) - interval '1 month' * {months}
                       + (interval '1 month' * {months}) * ((n - 0.5) / {count}) as at) as made
"""
RELATIONS = """
select relname, pg_table_size(oid) from (
  select 'the table, with TOAST' as relname, c.oid, 0 as place from pg_class c where c.oid = %(table)s::regclass
  union all
  select i.indexrelid::regclass::text, i.indexrelid, 1 from pg_index i where i.indrelid = %(table)s::regclass) as found
 order by place, pg_relation_size(oid) desc
"""
TOTAL = "select pg_total_relation_size('public.integration_sync_log')"


@dataclass(frozen=True, slots=True)
class Options:
    events: int
    months: int
    """The events are of this number of months before the present month, at a constant rate."""
    partitions: bool
    """Whether the same rows are measured in a partitioned table too."""


def fill(connection: psycopg.Connection[Any], options: Options, progress: Callable[[int], None]) -> None:
    for statement in CAPTURE:
        connection.execute(statement.encode())
    for first in range(1, options.events + 1, CHUNK):
        last = min(options.events, first + CHUNK - 1)
        query = FILL.format(
            per_user=EVENTS_PER_USER, first=first, last=last, months=options.months, count=options.events
        )
        connection.execute(query.encode())
        progress(last)
    connection.execute("vacuum analyze public.integration_sync_log")


def sizes(connection: psycopg.Connection[Any]) -> list[tuple[str, int]]:
    """The name and the bytes of the table and of each index, the largest index first."""
    return connection.execute(RELATIONS, {"table": "public.integration_sync_log"}).fetchall()


def total(connection: psycopg.Connection[Any]) -> int:
    return number(connection, TOTAL)


def number(connection: psycopg.Connection[Any], query: str) -> int:
    """The single value that a query returns."""
    row = connection.execute(query.encode()).fetchone()
    assert row is not None  # noqa: S101 (the query returns one row)
    return int(row[0])
