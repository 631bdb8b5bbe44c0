"""Compare the same load on a small company and on a large company with a long history."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.speed import servers
from benchmarks.speed.database import HERE, BenchDatabase, configure, require_durable, seed, served
from benchmarks.speed.events import Mix
from benchmarks.speed.options import Options, Report
from benchmarks.speed.report import Figure, rate, ratio
from benchmarks.speed.runs import Measured, product_run

SMALL = 1000
CONNECTIONS = 64
GOAL = 0.9
CHUNK = 250_000
CHANGED = ("public.employees", "public.auth_user_state")
FILL_SETTINGS = ("fsync = off", "full_page_writes = off", "max_wal_size = '8GB'")
"""The settings for the generation of the history, which are reset before the measurement."""


QUARTER_MB = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4 // 2**20
OF_MEMORY, OF_DEFAULT = "a quarter of the memory", "PostgreSQL's 128 MB"
SETTINGS: dict[str, dict[str, str]] = {
    OF_MEMORY: {"shared_buffers": f"{QUARTER_MB}MB", "max_wal_size": "4GB"},
    OF_DEFAULT: {},
}
"""The size of PostgreSQL's shared buffers. PostgreSQL's manual advises a quarter of the machine's memory. The default
is 128 MB on every machine. The small company fits into 128 MB, and the large company has several gigabytes.
"""
WAL_BYTES_BEFORE = {OF_MEMORY: 10_400, OF_DEFAULT: 18_100}
"""WAL for each event in the large company at commit 7b51e38, in runs of 90,000 events. The goal is half of it."""


def measure(options: Options, report: Report) -> list[Figure]:
    figures = []
    with tempfile.TemporaryDirectory() as name:
        of_small = partial(served, Path(name) / "small", SMALL)
        of_large = partial(served, Path(name) / "large", options.large_employees)
        with of_small() as small:
            seed(small)
        with of_large() as large:
            seed(large)
            fill(large, options.large_events, report)
        for buffers, settings in SETTINGS.items():
            for of_either in (of_small, of_large):
                with of_either() as database:
                    configure(database, settings)
            with of_small() as small, of_large() as large:
                report(f"{buffers} as buffers; {require_durable(large)}")
                figures += compared(small, large, options, buffers, report)
    return figures


def compared(
    small: BenchDatabase, large: BenchDatabase, options: Options, buffers: str, report: Report
) -> list[Figure]:
    """Compare both companies after one uncounted run of each, because a started server has no data in memory."""
    with servers.product(small.environment) as beside_small, servers.product(large.environment) as beside_large:
        costs: list[tuple[Cost, Cost]] = []
        for number in range(options.rounds + 1):
            both = [(small, beside_small), (large, beside_large)]
            turn = both if number % 2 == 0 else both[::-1]  # the companies alternate in being first
            took = {
                server.port: run(database, server, options.events, f"{buffers} {number}") for database, server in turn
            }
            found = took[beside_small.port], took[beside_large.port]
            report(f"round {number}: small {rate(found[0].rate)}, large {rate(found[1].rate)}")
            costs.append(found)
    before = WAL_BYTES_BEFORE[buffers]
    flat = median(of_large.rate / of_small.rate for of_small, of_large in costs[1:])
    small_costs, large_costs = zip(*costs[1:], strict=True)
    large_name = f"{options.large_employees:,} employees, {options.large_events:,} rows in the ledger"
    return [
        Figure(
            f"{buffers} as buffers: {SMALL:,} employees, an empty ledger",
            shown(small_costs),
            f"{kilobytes(wal(small_costs))} of WAL for each",
        ),
        Figure(
            f"{buffers} as buffers: {large_name}",
            f"{shown(large_costs)}, {ratio(flat)} of the small one's",
            goal=f">= {GOAL}",
            met=flat >= GOAL,
        ),
        Figure(
            f"{buffers} as buffers: {large_name}, WAL for each event",
            kilobytes(wal(large_costs)),
            goal=f"half of the {kilobytes(before)} before, or less",
            met=wal(large_costs) <= before / 2,
        ),
    ]


@dataclass(frozen=True, slots=True)
class Cost:
    """Events a second, and the bytes of WAL for each event.

    The WAL has a whole page at the page's first change after a checkpoint. Employees who are chosen at random among
    many are on many pages.
    """

    rate: float
    wal: float


WAL = "select pg_current_wal_insert_lsn() - '0/0'"


def shown(costs: Sequence[Cost]) -> str:
    return rate(median(cost.rate for cost in costs))


def wal(costs: Sequence[Cost]) -> float:
    return median(cost.wal for cost in costs)


def kilobytes(size: float) -> str:
    return f"{size / 1000:.1f} kB"


def run(database: BenchDatabase, server: servers.Server, count: int, name: str) -> Cost:
    """Run in portions with different names, so that each portion has distinct employees even in the small company."""
    database.execute("checkpoint")
    portions = max(1, count // SMALL)
    before = database.number(WAL)
    seconds = sum(SMALL / portion(database, server, f"{name}-{each}").rate for each in range(portions))
    return Cost(portions * SMALL / seconds, (database.number(WAL) - before) / (portions * SMALL))


def portion(database: BenchDatabase, server: servers.Server, name: str) -> Measured:
    return product_run(database, server, CONNECTIONS, SMALL, Mix.UPDATES, name)


def fill(database: BenchDatabase, events: int, report: Report) -> None:
    for setting in FILL_SETTINGS:
        database.execute(f"alter system set {setting}")
    database.execute("select pg_reload_conf()")
    script = (HERE / "fill.sql").read_text("utf-8")
    for first in range(1, events + 1, CHUNK):
        last = min(events, first + CHUNK - 1)
        numbers = {":employees": database.employees, ":events": events, ":first": first, ":last": last}
        statement = script
        for name, number in numbers.items():
            statement = statement.replace(name, str(number))
        database.execute(f"set session_replication_role = replica; {statement}")
        for table in CHANGED:
            database.execute(f"vacuum {table}")  # as autovacuum does
        report(f"{last:,} rows of history")
    database.execute("vacuum analyze")
