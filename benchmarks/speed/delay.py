"""The cost of a network between service and database with 10 ms for each round trip, as with a hosted project."""

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from statistics import median

import psycopg

from benchmarks.speed import processes, servers
from benchmarks.speed.database import BenchDatabase, running
from benchmarks.speed.events import Mix
from benchmarks.speed.options import Options, Report
from benchmarks.speed.report import Figure, rate, ratio
from benchmarks.speed.runs import Measured, Run, baseline_run, product_run
from tests.ports import free_port

ROUND_TRIP_SECONDS = 0.010
CONNECTIONS = (64, 256)
POOL = 10
"""The baseline's connections to the database. It has enough threads that the connections are its limit."""
THREADS = 32
GOAL_OF_BASELINE, GOAL_OF_NEAR = 5.0, 0.8
START_TIMEOUT_SECONDS = 10.0

NEAR = "the product, no delay"
FAR = "the product, 10 ms"
BASELINE = "one call per event over 10 connections, 10 ms"


@dataclass(frozen=True, slots=True)
class Network:
    """The delaying proxy, with the URL of the database behind it and its process id."""

    url: str
    pid: int


@contextmanager
def network(database: BenchDatabase, round_trip: float) -> Iterator[Network]:
    port = free_port()
    socket = next(database.folder.glob(".s.PGSQL.*[0-9]"))
    arguments = [str(port), str(socket), str(round_trip / 2)]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.speed.delay_proxy", *arguments])
    try:
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        wait_for(url)
        yield Network(url, process.pid)
    finally:
        process.terminate()
        process.wait()


def wait_for(url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def round_trip(url: str) -> float:
    """The median time of many `select 1` in milliseconds."""
    with psycopg.connect(url, autocommit=True) as connection:
        took = []
        for _ in range(50):
            started = time.perf_counter()
            connection.execute("select 1")
            took.append((time.perf_counter() - started) * 1000)
    return median(took)


def measure(options: Options, report: Report) -> list[Figure]:
    measured: dict[tuple[str, int], list[Measured]] = defaultdict(list)
    with running(options.employees) as database, network(database, ROUND_TRIP_SECONDS) as far:
        direct, delayed = round_trip(database.url), round_trip(far.url)
        report(f"a round trip takes {direct:.2f} ms, through the network {delayed:.2f} ms")
        over_network = database.environment | {"DATABASE_URL": far.url}
        with (
            servers.product(database.environment) as near_server,
            servers.product(over_network) as far_server,
            servers.baseline(over_network, threads=THREADS, connections=POOL // servers.WORKERS) as far_baseline,
        ):
            runs: dict[str, Run] = {
                NEAR: lambda connections, name: product_run(
                    database, near_server, connections, options.events, Mix.UPDATES, name
                ),
                FAR: lambda connections, name: product_run(
                    database, far_server, connections, options.events, Mix.UPDATES, name
                ),
                BASELINE: lambda connections, name: baseline_run(
                    database, far_baseline, connections, options.events, name
                ),
            }
            before, events = processes.cpu_seconds([far.pid]), 0
            for number, connections, (name, run) in product(range(options.rounds), CONNECTIONS, runs.items()):
                took = run(connections, f"New{number}-{connections}-{len(name)}")
                report(f"round {number + 1}, {connections} connections, {name}: {took.rate:,.0f} events/s")
                measured[name, connections].append(took)
                events += 0 if name == NEAR else options.events
            proxy = (processes.cpu_seconds([far.pid]) - before) / events
    trips = (
        f"{direct:.2f} ms, and {delayed:.2f} ms through the delaying proxy, which takes {proxy * 1e6:,.0f} us per event"
    )
    return [
        Figure("a round trip (`select 1`)", trips),
        *(figure for connections in CONNECTIONS for figure in figures(measured, connections)),
    ]


def figures(measured: dict[tuple[str, int], list[Measured]], connections: int) -> list[Figure]:
    near, far, baseline = ([run.rate for run in measured[name, connections]] for name in (NEAR, FAR, BASELINE))
    of_own = median(ours / without for ours, without in zip(far, near, strict=True))
    of_baseline = median(ours / theirs for ours, theirs in zip(far, baseline, strict=True))
    label = f"{connections} connections: "
    return [
        Figure(label + NEAR, rate(median(near))),
        Figure(
            label + FAR,
            rate(median(far)),
            f"{ratio(of_own)} of without",
            f">= {GOAL_OF_NEAR} of without",
            of_own >= GOAL_OF_NEAR,
        ),
        Figure(
            label + BASELINE,
            rate(median(baseline)),
            f"the product has {ratio(of_baseline)} times as many",
            f">= {GOAL_OF_BASELINE:.0f} times",
            of_baseline >= GOAL_OF_BASELINE,
        ),
    ]
