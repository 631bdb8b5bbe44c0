"""The peers are services under Node.js that are measured beside the product if Node.js is installed."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.speed import limit, stripe_events
from benchmarks.speed.database import BenchDatabase
from benchmarks.speed.events import Mix
from benchmarks.speed.options import Options, Report
from benchmarks.speed.runs import Measured, Run, product_run, run
from benchmarks.speed.servers import Server, clean
from tests.ports import free_port
from webhook_service.server import process as server_process

FOLDER = Path(__file__).with_name("peers")
OLDEST_NODE = 20
WARM_UP_EVENTS = 12_000
"""The number of events for each peer before the first round. Node.js is slower until it has compiled frequent code."""
WARM_UP_CONNECTIONS = 16

FASTIFY = "the same promises behind Fastify + pg, one call per event"
STRIPE = "stripe-sync-engine, Stripe's events"


@contextmanager
def running(database: BenchDatabase, options: Options, report: Report) -> Iterator[dict[str, Run]]:
    """The peers that `options.only` allows, warmed up. A peer that cannot be installed is left out and reported."""
    with ExitStack() as stack:
        runs: dict[str, Run] = {}
        for name, start in {FASTIFY: fastify, STRIPE: stripe}.items():
            if options.only not in name:
                continue
            try:
                run_of_peer = stack.enter_context(start(database, options.events))
            except Missing as error:
                report(f"left out: {name}: {error}")
                continue
            warm_up(run_of_peer, options.events, f"Warm {len(runs)}")
            report(f"{name}: warmed up by {WARM_UP_EVENTS:,} events")
            runs[name] = run_of_peer
        yield runs


class Missing(Exception):
    """A requirement of a peer is not installed. The text names it, and the command that installs it."""


def warm_up(run_of_peer: Run, count: int, name: str) -> None:
    for number in range(-(-WARM_UP_EVENTS // count)):
        run_of_peer(WARM_UP_CONNECTIONS, f"{name}.{number}")


@contextmanager
def fastify(database: BenchDatabase, count: int) -> Iterator[Run]:
    """The Fastify peer. It makes the same database call as the product."""
    with node("fastify", database.environment | {"PROCESS_QUERY": limit.own_query()}) as server:
        yield lambda connections, name: product_run(database, server, connections, count, Mix.UPDATES, name)


@contextmanager
def stripe(database: BenchDatabase, count: int) -> Iterator[Run]:
    """The stripe-sync-engine peer, with as many customers as the product has employees."""
    secret = stripe_events.new_secret()
    with node("stripe", database.environment | {"STRIPE_WEBHOOK_SECRET": secret}) as server:
        stripe_events.seed(database)
        yield partial(stripe_run, StripePeer(database, server, secret, count))


@dataclass(frozen=True, slots=True)
class StripePeer:
    database: BenchDatabase
    server: Server
    secret: str
    count: int
    """The number of events in a run."""


def stripe_run(peer: StripePeer, connections: int, name: str) -> Measured:
    """Raise RuntimeError unless each event's customer has this run's name."""
    messages = stripe_events.requests(peer.database.employees, peer.count, name, peer.secret, peer.server.port)
    measured = run(peer.database, peer.server, messages, connections)
    changed = peer.database.number("select count(*) from stripe.customers where name = %s", [name])
    if changed != peer.count:
        raise RuntimeError(f"{changed} customers were changed, {peer.count} events were sent")
    return measured


@contextmanager
def node(peer: str, environment: Mapping[str, str]) -> Iterator[Server]:
    """Run the peer's server. Raise Missing if the peer cannot be installed."""
    folder = FOLDER / peer
    install(folder)
    port = free_port()
    settings = {"PORT": str(port), "NODE_ENV": "production"}
    process = subprocess.Popen(["node", folder / "server.js"], env=clean() | dict(environment) | settings)
    try:
        server_process.wait_until_ready(f"http://127.0.0.1:{port}", process)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait()


def install(folder: Path) -> None:
    """Install by `npm ci`, unless the lock file's packages are there. Raise Missing if the installation fails."""
    require_node()
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    command = ["npm", "ci", "--prefix", os.path.relpath(folder), "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        raise Missing(f"`{' '.join(command)}` failed")


def require_node() -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Missing(f"needs Node.js {OLDEST_NODE} or newer, with npm")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        raise Missing(f"needs Node.js {OLDEST_NODE} or newer; this is {version}")
