"""An outage of all receivers and relays while users change, and then the time and memory until all is caught up."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scale_out.hosts import Member, Site, running, site
from benchmarks.scale_out.load import connected, number
from benchmarks.scale_out.options import Options, Report
from benchmarks.speed import database
from webhook_service.db import embedded, migrate

CHUNK = 10_000
INTERVAL_SECONDS = 1.0
SHOWN = 10
"""The number of samples in the table."""
STALLED_SECONDS = 120.0
GROWTH = 1.25
"""The maximum memory of the relay at the end, relative to its memory when a tenth of the events was applied."""

USERS = """
insert into auth.users (id, email, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
select md5(n::text)::uuid, 'person' || n || '@example.com', '2026-01-01', '{}',
       jsonb_build_object('first_name', 'First' || n, 'last_name', 'Last' || n), '2026-01-01', '2026-01-01'
  from generate_series(%s::bigint, %s::bigint) as n
"""
CHANGE = """
update auth.users
   set raw_user_meta_data = raw_user_meta_data || jsonb_build_object('first_name', %s::text), updated_at = now()
 where id in (select md5(n::text)::uuid from generate_series(%s::bigint, %s::bigint) as n)
"""
OPEN = "select count(*) from public.integration_sync_log where direction = 'inbound' and status <> 'SUCCESS'"
APPLIED_ONCE = """
select count(*) from public.integration_sync_log where direction = 'inbound' and outcome = 'synced' and attempts = 1
"""
NAME = "Changed"
CHANGED = f"select count(*) from public.employees where first_name = '{NAME}'"


@dataclass(frozen=True, slots=True)
class Sample:
    seconds: float
    open: int
    relay_mb: float
    receiver_mb: float


def measure(options: Options, report: Report) -> list[str]:
    """Return a line for each rule that does not hold."""
    with tempfile.TemporaryDirectory(prefix="scale-") as folder, site(Path(folder)) as there:
        fill(there, options.users)
        change(there, options.changes, NAME)
        receiver, relay = there.receiver(1), there.relay(1)
        with running([receiver, relay]):
            samples = catch_up(there, receiver, relay)
        wrong = violations(there, options.changes, samples)
    report(f"{options.changes:,} changes of {options.users:,} users were caught up in {samples[-1].seconds:.0f} s")
    report("| seconds | open events | relay, MB | receiver, MB |\n|---|---|---|---|")
    for sample in samples[:: max(1, len(samples) // SHOWN)] + samples[-1:]:
        report(f"| {sample.seconds:.0f} | {sample.open:,} | {sample.relay_mb:.1f} | {sample.receiver_mb:.1f} |")
    return wrong


def fill(there: Site, users: int) -> None:
    """Create the tables, and linked users whose state is known. The triggers do not fire."""
    seed = (database.HERE / "seed.sql").read_text("utf-8").replace(":employees", str(users))
    with connected(there) as connection:
        embedded.create_auth_schema(connection)
        migrate.migrate(there.url)
        connection.execute("set session_replication_role = replica")
        for first, last in chunks(users):
            connection.execute(USERS, [first, last])
        connection.execute(seed.encode())
        connection.execute("vacuum analyze")


def change(there: Site, changes: int, name: str) -> None:
    """Give this number of users a new first name. The trigger captures each change, in one transaction for all."""
    with connected(there) as connection, connection.transaction():
        for first, last in chunks(changes):
            connection.execute(CHANGE, [name, first, last])


def chunks(count: int) -> list[tuple[int, int]]:
    """The numbers from 1 to `count`, as (first, last) of parts."""
    return [(first, min(count, first + CHUNK - 1)) for first in range(1, count + 1, CHUNK)]


def catch_up(there: Site, receiver: Member, relay: Member) -> list[Sample]:
    """Wait until no event is open. Raises RuntimeError if the number of open events stops to fall."""
    started = progressed = time.monotonic()
    samples: list[Sample] = []
    while not samples or samples[-1].open:
        time.sleep(INTERVAL_SECONDS)
        now = time.monotonic()
        is_open = number(there, OPEN)
        if not samples or is_open < samples[-1].open:
            progressed = now
        elif now - progressed > STALLED_SECONDS:
            raise RuntimeError(f"{is_open:,} events have been open for {STALLED_SECONDS:.0f} s")
        samples.append(Sample(now - started, is_open, relay.memory_mb(), receiver.memory_mb()))
    return samples


def violations(there: Site, changes: int, samples: list[Sample]) -> list[str]:
    wrong = []
    if (applied := number(there, APPLIED_ONCE)) != changes:
        wrong.append(f"{applied:,} of {changes:,} events were applied in one attempt")
    if (changed := number(there, CHANGED)) != changes:
        wrong.append(f"{changed:,} of {changes:,} employees have the new name")
    early = next(sample for sample in samples if sample.open <= changes * 0.9)
    if samples[-1].relay_mb > early.relay_mb * GROWTH:
        wrong.append(f"the relay's memory grew from {early.relay_mb:.1f} to {samples[-1].relay_mb:.1f} MB")
    return wrong
