"""Whether cost stays flat: the same load on a small company without a history, and on a large one with a long one."""

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
            rates: list[tuple[float, float]] = []
            for number in range(options.rounds):
                both = [(small, beside_small), (large, beside_large)]
                turn = both if number % 2 == 0 else both[::-1]  # neither is always the first
                took = {server.port: run(database, server, options.events, number) for database, server in turn}
                found = [took[server.port] for _, server in both]
                tell(f"round {number + 1}: small {rate(found[0])}, large {rate(found[1])}")
                rates.append((found[0], found[1]))
    flat = median(large_rate / small_rate for small_rate, large_rate in rates)
    return [
        Figure(f"{SMALL:,} employees, an empty ledger", rate(median(pair[0] for pair in rates))),
        Figure(
            f"{options.large_employees:,} employees, {options.large_events:,} rows in the ledger",
            f"{rate(median(pair[1] for pair in rates))}, {ratio(flat)} of the small one's",
            goal=f">= {GOAL}",
            met=flat >= GOAL,
        ),
    ]


def run(database: BenchDatabase, server: servers.Server, count: int, number: int) -> float:
    """In portions, so that in each the small company's events are of distinct employees, too."""
    database.execute("checkpoint")
    portions = max(1, count // SMALL)
    seconds = sum(SMALL / portion(database, server, f"New{number}-{each}").rate for each in range(portions))
    return portions * SMALL / seconds


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
