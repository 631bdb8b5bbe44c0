"""One run, in which a server receives a number of events, and the events that it committed count."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.speed import processes
from benchmarks.speed.database import BenchDatabase, newest_row, require_applied, require_changed
from benchmarks.speed.events import Mix, events, first_secret, requests
from benchmarks.speed.load import send
from benchmarks.speed.servers import Server


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of one run, in events a second, and CPU seconds per event in server, PostgreSQL and load."""

    rate: float
    server_cpu: float = 0.0
    database_cpu: float = 0.0
    load_cpu: float = 0.0


Run = Callable[[int, str], Measured]
"""A run is called with a number of connections, and a first name that no other run uses."""


def product_run(database: BenchDatabase, server: Server, connections: int, count: int, mix: Mix, name: str) -> Measured:
    """Run the product, or a peer that keeps the same ledger."""
    outcome = "synced" if mix is Mix.UPDATES else "linked"
    after = newest_row(database)
    measured = run(database, server, signed_requests(database, server, count, mix, name), connections)
    require_applied(database, after, outcome, count)
    require_changed(database, after, name, count)
    return measured


def baseline_run(database: BenchDatabase, server: Server, connections: int, count: int, name: str) -> Measured:
    before = database.number("select count(*) from bench.ledger")
    measured = run(database, server, signed_requests(database, server, count, Mix.UPDATES, name), connections)
    if database.number("select count(*) from bench.ledger") - before != count:
        raise RuntimeError("the baseline did not record every event")
    return measured


def signed_requests(database: BenchDatabase, server: Server, count: int, mix: Mix, name: str) -> list[bytes]:
    """New events, each as a signed request."""
    return list(requests(events(database, mix, count, name), first_secret(database.environment), server.port))


def run(database: BenchDatabase, server: Server, messages: list[bytes], connections: int) -> Measured:
    """Send each request once, and measure until the last response."""
    server_before, database_before = (processes.tree_cpu_seconds(pid) for pid in (server.pid, database.postmaster))
    took = send(messages, server.port, connections)
    server_cpu = processes.tree_cpu_seconds(server.pid) - server_before
    database_cpu = processes.tree_cpu_seconds(database.postmaster) - database_before
    count = len(messages)
    return Measured(count / took.seconds, server_cpu / count, database_cpu / count, took.load_cpu / count)
