"""Events a second of the limit of the database, of services with one call per event, and of the product, in turn."""

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from itertools import count as serials
from statistics import median

from benchmarks.speed import limit, peers, servers
from benchmarks.speed.database import BenchDatabase, require_durable, running
from benchmarks.speed.events import Mix
from benchmarks.speed.options import Options, Report
from benchmarks.speed.report import Figure, rate, ratio
from benchmarks.speed.runs import Measured, Run, baseline_run, product_run

CONNECTIONS = (16, 64, 256)
GOALS = {16: (0.20, "not below 0.20, the share before"), 64: (0.40, ">= 0.40"), 256: (0.50, ">= 0.50")}
"""The product's share of the limit, by the number of connections."""
MAX_CONNECTIONS = 350
"""PostgreSQL's connection limit, for one connection of each pgbench client and the connections of the servers."""

LIMIT = "the limit: pgbench, a plain function, bare tables"
ON_OUR_TABLES = "pgbench, the same function on the product's tables"
OWN = "pgbench, the product's own function"
BASELINE = "Flask, one call per event"
PRODUCT = "the product"
WITH_RELAY = "the product, its relay beside it as by default"
GTHREAD = "the product under plain gthread"
SIGN_UPS = "the product, sign-ups that link an employee"


def measure(options: Options, report: Report) -> list[Figure]:
    with running(options.employees, max_connections=MAX_CONNECTIONS) as database:
        environment = database.environment
        report(require_durable(database))
        with (
            servers.product(environment) as product,
            servers.baseline(environment) as baseline,
            peers.running(database, options, report) as beside,
        ):
            runs = all_runs(database, product, baseline, options.events) | beside
            runs = {name: run for name, run in runs.items() if name == LIMIT or options.only in name}
            measured = in_turn(database, runs, options.rounds, report)
    return [figure for connections in CONNECTIONS for figure in figures(measured, list(runs), connections)]


def in_turn(
    database: BenchDatabase, runs: dict[str, Run], rounds: int, report: Report
) -> dict[tuple[str, int], list[Measured]]:
    """Measure all runs in turn. Return {(name, connections): the measurement of each round}."""
    measured: dict[tuple[str, int], list[Measured]] = defaultdict(list)
    serial = serials()
    for number in range(rounds):
        for connections in CONNECTIONS:
            for name, run in runs.items():
                database.execute("checkpoint")
                took = run(connections, f"New{next(serial)}")
                report(f"round {number + 1}, {connections} connections, {name}: {took.rate:,.0f} events/s")
                measured[name, connections].append(took)
    return measured


def all_runs(database: BenchDatabase, product: servers.Server, baseline: servers.Server, count: int) -> dict[str, Run]:
    return {
        LIMIT: lambda connections, name: fastest(partial(limit.plain, database, "apply", connections, count)),
        ON_OUR_TABLES: lambda connections, name: fastest(
            partial(limit.plain, database, "apply_to_product", connections, count)
        ),
        OWN: lambda connections, name: called(limit.own(database, connections, count, "prepared", name)),
        BASELINE: lambda connections, name: baseline_run(database, baseline, connections, count, name),
        PRODUCT: lambda connections, name: product_run(database, product, connections, count, Mix.UPDATES, name),
        WITH_RELAY: lambda connections, name: with_relay(database, connections, count, name),
        GTHREAD: lambda connections, name: under_gthread(database, connections, count, name),
        SIGN_UPS: lambda connections, name: product_run(database, product, connections, count, Mix.SIGN_UPS, name),
    }


def fastest(call: Callable[[str], limit.Called]) -> Measured:
    """Measure with and without prepared statements, and return the faster."""
    return called(max((call(mode) for mode in ("prepared", "simple")), key=lambda found: found.rate))


def called(found: limit.Called) -> Measured:
    return Measured(found.rate, database_cpu=found.database_cpu)


def with_relay(database: BenchDatabase, connections: int, count: int, name: str) -> Measured:
    with servers.product(database.environment, relay=True) as server:
        return product_run(database, server, connections, count, Mix.UPDATES, name)


def under_gthread(database: BenchDatabase, connections: int, count: int, name: str) -> Measured:
    """Measure the product under gunicorn's gthread worker, with one thread for each connection."""
    options = f"--worker-class=gthread --threads={connections}"
    with servers.product(database.environment, gunicorn=options) as server:
        return product_run(database, server, connections, count, Mix.UPDATES, name)


def figures(measured: dict[tuple[str, int], list[Measured]], names: list[str], connections: int) -> list[Figure]:
    """The median of each run relative to the limit. The product is compared with the limit of its tables too."""
    found = []
    for name in names:
        runs = measured[name, connections]
        reached = share(runs, measured[LIMIT, connections])
        label = f"{connections} connections: {name}"
        value = f"{rate(median(run.rate for run in runs))}, {ratio(reached)} of the limit"
        found.append(Figure(label, value, note=f"CPU per event: {cost(runs)}"))
        if name == PRODUCT:
            goal, shown = GOALS[connections]
            found.append(Figure(f"{label}, beside {LIMIT}", ratio(reached), goal=shown, met=reached >= goal))
            if ON_OUR_TABLES in names:
                beside = share(runs, measured[ON_OUR_TABLES, connections])
                found.append(Figure(f"{label}, beside {ON_OUR_TABLES}", ratio(beside)))
    return found


def share(runs: list[Measured], others: list[Measured]) -> float:
    """The median of the ratios of each round."""
    return median(run.rate / other.rate for run, other in zip(runs, others, strict=True))


def cost(runs: list[Measured]) -> str:
    """Microseconds of CPU for each event in the server, in PostgreSQL and in the load."""
    parts = {"server": "server_cpu", "PostgreSQL": "database_cpu", "load": "load_cpu"}
    spent = {place: median(getattr(run, part) for run in runs) * 1e6 for place, part in parts.items()}
    return ", ".join(f"{place} {microseconds:,.0f} us" for place, microseconds in spent.items() if microseconds)
