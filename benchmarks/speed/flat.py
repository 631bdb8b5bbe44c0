"""Whether cost stays flat: the same load on a small company without a history, and on a large one with a long one."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.speed import servers
from benchmarks.speed.database import HERE, BenchDatabase, require_durable, running
from benchmarks.speed.events import Mix
from benchmarks.speed.options import Options, Tell
from benchmarks.speed.rates import Measured, product_run
from benchmarks.speed.report import Figure, rate, ratio

SMALL = 1000
CONNECTIONS = 64
GOAL = 0.9
CHUNK = 250_000
QUICKLY = ("fsync = off", "full_page_writes = off", "max_wal_size = '8GB'")
"""While the history is made up; reset before anything is measured."""


def measure(options: Options, tell: Tell) -> list[Figure]:
    with running(SMALL) as small, running(options.large_employees) as large:
        fill(large, options.large_events, tell)
        tell(require_durable(large))
        with servers.product(small.environment) as beside_small, servers.product(large.environment) as beside_large:
            costs: list[tuple[Cost, Cost]] = []
            for number in range(options.rounds):
                both = [(small, beside_small), (large, beside_large)]
                turn = both if number % 2 == 0 else both[::-1]  # neither is always the first
                took = {server.port: run(database, server, options.events, number) for database, server in turn}
                found = took[beside_small.port], took[beside_large.port]
                tell(f"round {number + 1}: small {rate(found[0].rate)}, large {rate(found[1].rate)}")
                costs.append(found)
    flat = median(of_large.rate / of_small.rate for of_small, of_large in costs)
    small_costs, large_costs = zip(*costs, strict=True)
    return [
        Figure(f"{SMALL:,} employees, an empty ledger", shown(small_costs), told(small_costs)),
        Figure(
            f"{options.large_employees:,} employees, {options.large_events:,} rows in the ledger",
            f"{shown(large_costs)}, {ratio(flat)} of the small one's",
            told(large_costs),
            goal=f">= {GOAL}",
            met=flat >= GOAL,
        ),
    ]


@dataclass(frozen=True, slots=True)
class Cost:
    """Events a second, and the bytes of WAL of each: a page that is changed for the first time since a checkpoint is
    in it as a whole, and people who are chosen at random among many are on many pages.
    """

    rate: float
    wal: float


WAL = "select pg_current_wal_insert_lsn() - '0/0'"


def shown(costs: Sequence[Cost]) -> str:
    return rate(median(cost.rate for cost in costs))


def told(costs: Sequence[Cost]) -> str:
    return f"{median(cost.wal for cost in costs) / 1000:.1f} kB of WAL for each"


def run(database: BenchDatabase, server: servers.Server, count: int, number: int) -> Cost:
    """In portions, so that in each the small company's events are of distinct employees, too."""
    database.execute("checkpoint")
    portions = max(1, count // SMALL)
    before = database.number(WAL)
    seconds = sum(SMALL / portion(database, server, f"New{number}-{each}").rate for each in range(portions))
    return Cost(portions * SMALL / seconds, (database.number(WAL) - before) / (portions * SMALL))


def portion(database: BenchDatabase, server: servers.Server, name: str) -> Measured:
    return product_run(database, server, CONNECTIONS, SMALL, Mix.UPDATES, name)


def fill(database: BenchDatabase, events: int, tell: Tell) -> None:
    for setting in QUICKLY:
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
        tell(f"{last:,} rows of history")
    database.execute("vacuum analyze")
    database.execute("alter system reset all")
    database.execute("select pg_reload_conf()")
    database.execute("checkpoint")
