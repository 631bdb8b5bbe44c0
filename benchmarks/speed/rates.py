"""Events a second: the limit of the database, a service with one call per event, and the product, in turn."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median

from benchmarks.speed import limit, processes, servers
from benchmarks.speed.database import (
    BenchDatabase,
    newest_row,
    require_applied,
    require_changed,
    require_durable,
    running,
)
from benchmarks.speed.events import Mix, events, first_secret
from benchmarks.speed.load import send
from benchmarks.speed.options import Options, Tell
from benchmarks.speed.report import Figure, rate, ratio

CONNECTIONS = (16, 64)
GOAL = 0.45


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one run: events a second, and the CPU seconds of each event in the server, in PostgreSQL and in the load."""

    rate: float
    server_cpu: float = 0.0
    database_cpu: float = 0.0
    load_cpu: float = 0.0


def measure(options: Options, tell: Tell) -> list[Figure]:
    with running(options.employees) as database:
        environment = database.environment
        tell(require_durable(database))
        with servers.product(environment) as product, servers.baseline(environment) as baseline:
            runs = ways(database, product, baseline, options.events)
            runs = {name: run for name, run in runs.items() if name == LIMIT or options.only in name}
            measured: dict[tuple[str, int], list[Measured]] = defaultdict(list)
            for number in range(options.rounds):
                for connections in CONNECTIONS:
                    for name, run in runs.items():
                        database.execute("checkpoint")
                        took = run(connections, f"New{number}{connections}{len(name)}")
                        tell(f"round {number + 1}, {connections} connections, {name}: {took.rate:,.0f} events/s")
                        measured[name, connections].append(took)
    return [figure for connections in CONNECTIONS for figure in figures(measured, list(runs), connections)]


Run = Callable[[int, str], Measured]

LIMIT = "the limit: pgbench, a plain function, bare tables"
ON_OUR_TABLES = "pgbench, the same function on the product's tables"
OWN = "pgbench, the product's own function"
BASELINE = "Flask, one call per event"
PRODUCT = "the product"
WITH_RELAY = "the product, its relay beside it as by default"
THREADS = "the product, in gunicorn's threads instead of its event loop"
SIGN_UPS = "the product, sign-ups that link an employee"


def ways(database: BenchDatabase, product: servers.Server, baseline: servers.Server, count: int) -> dict[str, Run]:
    return {
        LIMIT: lambda connections, name: fastest(partial(limit.plain, database, "apply", connections, count)),
        ON_OUR_TABLES: lambda connections, name: fastest(
            partial(limit.plain, database, "apply_to_product", connections, count)
        ),
        OWN: lambda connections, name: called(limit.own(database, connections, count, "prepared", name)),
        BASELINE: lambda connections, name: baseline_run(database, baseline, connections, count, name),
        PRODUCT: lambda connections, name: product_run(database, product, connections, count, Mix.UPDATES, name),
        WITH_RELAY: lambda connections, name: with_relay(database, connections, count, name),
        THREADS: lambda connections, name: with_threads(database, connections, count, name),
        SIGN_UPS: lambda connections, name: product_run(database, product, connections, count, Mix.SIGN_UPS, name),
    }


def fastest(call: Callable[[str], limit.Called]) -> Measured:
    """With and without prepared statements."""
    return called(max((call(mode) for mode in ("prepared", "simple")), key=lambda found: found.rate))


def called(found: limit.Called) -> Measured:
    return Measured(found.rate, database_cpu=found.database_cpu)


def product_run(
    database: BenchDatabase, server: servers.Server, connections: int, count: int, mix: Mix, name: str
) -> Measured:
    outcome = "synced" if mix is Mix.UPDATES else "linked"
    after = newest_row(database)
    measured = loaded(database, server, connections, count, mix, name)
    require_applied(database, after, outcome, count)
    require_changed(database, after, name, count)
    return measured


def with_relay(database: BenchDatabase, connections: int, count: int, name: str) -> Measured:
    with servers.product(database.environment, relay=True) as server:
        return product_run(database, server, connections, count, Mix.UPDATES, name)


def with_threads(database: BenchDatabase, connections: int, count: int, name: str) -> Measured:
    """One for each connection."""
    options = f"--worker-class=gthread --threads={connections}"
    with servers.product(database.environment, gunicorn=options) as server:
        return product_run(database, server, connections, count, Mix.UPDATES, name)


def baseline_run(database: BenchDatabase, server: servers.Server, connections: int, count: int, name: str) -> Measured:
    before = database.number("select count(*) from bench.ledger")
    measured = loaded(database, server, connections, count, Mix.UPDATES, name)
    if database.number("select count(*) from bench.ledger") - before != count:
        raise RuntimeError("the baseline has not recorded each event")
    return measured


def loaded(
    database: BenchDatabase, server: servers.Server, connections: int, count: int, mix: Mix, name: str
) -> Measured:
    """Sends `count` events that nobody has seen, and measures until the last answer."""
    sent = events(database, mix, count, name)
    server_before, database_before = (processes.tree_cpu_seconds(pid) for pid in (server.pid, database.postmaster))
    took = send(sent, first_secret(database.environment), server.port, connections)
    server_cpu = processes.tree_cpu_seconds(server.pid) - server_before
    database_cpu = processes.tree_cpu_seconds(database.postmaster) - database_before
    return Measured(count / took.seconds, server_cpu / count, database_cpu / count, took.load_cpu / count)


def figures(measured: dict[tuple[str, int], list[Measured]], names: list[str], connections: int) -> list[Figure]:
    """Each way's median, beside the limit, and the product's beside what its own tables allow, too."""
    found = []
    for name in names:
        runs = measured[name, connections]
        value = (
            f"{rate(median(run.rate for run in runs))}, {ratio(share(runs, measured[LIMIT, connections]))} of the limit"
        )
        label = f"{connections} connections: {name}"
        found.append(Figure(label, value, note=f"CPU per event: {cost(runs)}"))
        if name == PRODUCT:
            for beside in (LIMIT, ON_OUR_TABLES):
                if beside in names:
                    reached = share(runs, measured[beside, connections])
                    found.append(
                        Figure(f"{label}, beside {beside}", ratio(reached), goal=f">= {GOAL}", met=reached >= GOAL)
                    )
    return found


def share(runs: list[Measured], others: list[Measured]) -> float:
    """The median of the ratios within the rounds."""
    return median(run.rate / other.rate for run, other in zip(runs, others, strict=True))


def cost(runs: list[Measured]) -> str:
    """Microseconds of CPU for each event, where they were spent."""
    parts = {"server": "server_cpu", "PostgreSQL": "database_cpu", "load": "load_cpu"}
    spent = {place: median(getattr(run, part) for run in runs) * 1e6 for place, part in parts.items()}
    return ", ".join(f"{place} {microseconds:,.0f} us" for place, microseconds in spent.items() if microseconds)
