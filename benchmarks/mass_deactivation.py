"""Measure the statement of a mass dismissal, its actions at the configured rate, and a single dismissal meanwhile.

The statement is measured with MASS_DEACTIVATION_LIMIT off and with the default, which holds the bans.

python -m benchmarks.mass_deactivation [EMPLOYEES] [PERFORMED] [RATE] [ROUNDS]
(default 50,000 in the statement, of which 1,000 are performed at 20 a second, by two relays; 7 rounds; four minutes)
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from tests.auth_server import auth_server
from webhook_service.auth.supabase import SupabaseAuthAdmin
from webhook_service.db import embedded, migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.loops import Loop, Relay
from webhook_service.outbound.accounts import Accounts
from webhook_service.policy import DEACTIVATION_LIMIT, EmailOwner

RELAYS = 2
FILL = """
with numbers as (
  select n, format('00000000-0000-4000-8000-%s', lpad(to_hex(n), 12, '0'))::uuid as id
    from generate_series(1, {count}) as n
), users as (
  insert into auth.users (id, aud, role, email, email_confirmed_at, created_at, updated_at)
  select id, 'authenticated', 'authenticated', 'user' || n || '@example.com', now(), now(), now()
    from numbers where n <= {known}
), known as (
  insert into public.auth_user_state (auth_user_id, version, email, email_confirmed, employee_id)
  select id, 1, 'user' || n || '@example.com', true, n from numbers
)
insert into public.employees (employee_id, email, first_name, last_name, auth_user_id)
select n, 'user' || n || '@example.com', 'Jane', 'Doe', id from numbers
"""
OFF = "update public.employees set is_active = false where employee_id <= {count}"
DONE = "select count(*) from public.integration_sync_log where direction = 'outbound' and status = 'SUCCESS'"
AMID = """
select (select count(*) from public.integration_sync_log as bulk
         where bulk.priority = 1 and bulk.completed_at between single.created_at and single.completed_at),
       extract(epoch from single.completed_at - single.created_at)::float8
  from public.integration_sync_log as single
 where single.direction = 'outbound' and single.employee_id = {single}
"""


def main(count: int, performed: int, rate: int, rounds: int) -> None:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        url = stack.enter_context(embedded.running(Path(folder)))["DATABASE_URL"]
        migrate.migrate(url)
        connection = stack.enter_context(psycopg.connect(url, autocommit=True))
        fill(connection, count, performed + 1)
        for limit in (DEACTIVATION_LIMIT, "off"):
            connection.execute("select public.auth_sync_limit_deactivations_v1(%s)", [limit])
            deactivate(connection, count, rounds, limit)
        drain(url, connection, performed, rate)


def fill(connection: psycopg.Connection[Any], count: int, known: int) -> None:
    """Insert linked employees. The first `known` of them are in auth.users too."""
    with triggers(connection, on=False):
        connection.execute("alter table auth.users disable trigger auth_sync_capture")
        connection.execute(FILL.format(count=max(count, known), known=known).encode())
        connection.execute("alter table auth.users enable trigger auth_sync_capture")


def deactivate(connection: psycopg.Connection[Any], count: int, rounds: int, limit: str) -> None:
    """Measure with and without the triggers in each round, in alternating order. Reset and vacuum after each."""
    took: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds):
        for captured in (number % 2 == 0, number % 2 == 1):
            with triggers(connection, on=captured):
                started = time.perf_counter()
                connection.execute(OFF.format(count=count).encode())
                took[captured].append((time.perf_counter() - started) * 1000)
            reset(connection)
    without, within = (statistics.median(took[captured]) for captured in (False, True))
    sys.stdout.write(
        f"limit {limit}: {count:,} employees in one statement: {without:,.0f} ms without the triggers,"
        f" {within:,.0f} ms with them:"
        f" times {within / without:.2f}; {(within - without) / count * 1000:.1f} us for each"
        f" (medians of {rounds} rounds; from {min(took[False]):,.0f} and {min(took[True]):,.0f} ms"
        f" to {max(took[False]):,.0f} and {max(took[True]):,.0f})\n"
    )


@contextmanager
def triggers(connection: psycopg.Connection[Any], *, on: bool) -> Iterator[None]:
    """Enable or disable the service's triggers on employees for the block. They are enabled afterwards."""
    if not on:
        connection.execute("alter table public.employees disable trigger user")
    yield
    connection.execute("alter table public.employees enable trigger user")


def reset(connection: psycopg.Connection[Any]) -> None:
    with triggers(connection, on=False):
        connection.execute("update public.employees set is_active = true where not is_active")
    connection.execute("truncate public.integration_sync_log cascade")
    connection.execute("truncate public.auth_sync_held_actions")
    connection.execute("vacuum analyze public.employees")
    connection.execute("checkpoint")


def drain(url: str, connection: psycopg.Connection[Any], performed: int, rate: int) -> None:
    """Perform the actions against the double of Auth, in this process. Halfway through, dismiss one more employee."""
    connection.execute(OFF.format(count=performed).encode())
    with ExitStack() as stack:
        server = stack.enter_context(auth_server(url))
        relays = []
        for _ in range(RELAYS):
            database = stack.enter_context(closing(DirectDatabase(url)))
            admin = stack.enter_context(closing(SupabaseAuthAdmin(server.url, server.key)))
            accounts = Accounts(database, admin, EmailOwner.AUTH, rate, lambda: datetime.now(UTC))
            relays.append(Relay(Loop("actions", accounts.run_once)))
        started = time.perf_counter()
        for relay in relays:
            relay.start()
        wait_for(connection, performed // 2)
        connection.execute("update public.employees set is_active = false where employee_id = %s", [performed + 1])
        wait_for(connection, performed + 1)
        took = time.perf_counter() - started
        for relay in relays:
            relay.stop(20)
        calls = server.count()
    [(between, seconds)] = connection.execute(AMID.format(single=performed + 1).encode()).fetchall()
    sys.stdout.write(
        f"{performed:,} of them performed by {RELAYS} relays in {took:.1f} s: {performed / took:.1f} a second of {rate}"
        f" that are allowed, {calls / (performed + 1):.1f} calls each\n"
        f"an employee dismissed in the middle was banned after {seconds:.2f} s, behind {between} of the bulk actions\n"
    )


def wait_for(connection: psycopg.Connection[Any], count: int) -> None:
    """Wait until `count` actions are performed. Exit if an action has failed."""
    while (done := connection.execute(DONE.encode()).fetchone()) is None or done[0] < count:
        if connection.execute("select from public.integration_sync_log where status = 'FAILED'").rowcount:
            raise SystemExit("an action failed")
        time.sleep(0.02)


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*given, *(50_000, 1_000, 20, 7)[len(given) :])
