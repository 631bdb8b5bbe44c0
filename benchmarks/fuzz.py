"""Send random requests to all routes of a server, and count hangs, crashes and unexpected errors."""

import multiprocessing
import random
import sys
from concurrent.futures import ProcessPoolExecutor

import click

from benchmarks.attacks import attacked_server
from tests.acceptance.fuzzing import HANG_SECONDS, Found, Fuzzer, Route, hire, routes_of
from tests.auth_traffic import SECRET
from webhook_service.app import create_app
from webhook_service.db.direct import DirectDatabase
from webhook_service.inbound.signature import parse_secrets
from webhook_service.settings import DirectConnection, Settings

NOWHERE = "postgresql://127.0.0.1:1/none"
SHOWN = 20


def all_routes() -> list[Route]:
    """The routes of the application, which connects to no database for this."""
    settings = Settings(DirectConnection(NOWHERE), parse_secrets(SECRET), "admin-key-0123456789")
    return routes_of(create_app(settings, DirectDatabase(NOWHERE)))


def fuzz(url: str, routes: list[Route], seed: int, seconds: float) -> Found:
    return Fuzzer(url, routes, seed).run(seconds)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", default=30.0, show_default=True, help="How long to send requests.")
@click.option("--seed", type=int, help="Repeat the requests of a run.")
@click.option("--clients", default=2, show_default=True, help="The number of clients, each with a process.")
def main(seconds: float, seed: int | None, clients: int) -> None:
    """Send random requests, signed and unsigned, with and without the admin key or a session, to a server.

    Each request begins when the previous response has ended. The exit code is 1 if an exchange took longer than a
    second, if the server crashed or logged an unexpected error, or if a status was 5xx but not 503.
    """
    seed = random.randrange(10**6) if seed is None else seed
    routes, found = all_routes(), Found()
    context = multiprocessing.get_context("spawn")
    with attacked_server(AUTH_ADMIN="local") as server, ProcessPoolExecutor(clients, mp_context=context) as processes:
        hire(server.url)
        workers = server.workers()
        for each in [processes.submit(fuzz, server.url, routes, seed + n, seconds) for n in range(clients)]:
            found.add(each.result())
        crashes = int(server.workers() != workers) + server.log().count("unexpected error")
        crashes += server.log().count("Traceback")
    counts = ", ".join(f"{status or 'none'}: {count:,}" for status, count in sorted(found.answers.items()))
    click.echo(f"seed {seed}, {len(routes)} routes, {found.requests:,} requests; statuses {counts}")
    click.echo(f"slowest {found.slowest:.2f} s; {len(found.hangs)} over {HANG_SECONDS:.0f} s,")
    click.echo(f"{crashes} crashes and unexpected errors, {len(found.errors)} answers of 5xx but 503")
    for line in (*found.hangs[:SHOWN], *found.errors[:SHOWN]):
        click.echo(line)
    sys.exit(1 if crashes or found.hangs or found.errors else 0)


if __name__ == "__main__":
    main()
