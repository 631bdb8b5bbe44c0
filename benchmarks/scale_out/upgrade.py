"""A rolling upgrade under load: the schema is migrated, then each receiver and relay is stopped and started again."""

import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.scale_out.hosts import Site, program_of, running, site
from benchmarks.scale_out.load import Result, loaded, number, prepare, result, spread_over, wait_until_applied
from benchmarks.scale_out.options import Options, Report
from tests.acceptance.command import settings_for
from webhook_service.db import migrate

SCHEMA = "select max(number) from public.auth_sync_migrations"


def measure(options: Options, report: Report) -> list[str]:
    """Return a line for each rule that does not hold."""
    with tempfile.TemporaryDirectory(prefix="scale-") as folder, site(Path(folder)) as there:
        found, took = run(there, rate=options.rate, seconds=options.seconds, former=options.former, report=report)
    report(f"rolling restart of two receivers and two relays in {took:.0f} s, {options.rate} changes/s: {found}")
    return found.wrong


def run(there: Site, *, rate: int, seconds: float, former: Path | None, report: Report) -> tuple[Result, float]:
    """Restart each member once. The proxy sends nothing to a receiver from just before its stop until it is ready.

    Until then, all members are the program in the checkout `former`, which has also created the tables.
    """
    receivers, relays = ([make(n) for n in (1, 2)] for make in (there.receiver, there.relay))
    prepare(there, migrate.migrate if former is None else partial(migrate_by, former))
    for member in (*receivers, *relays):
        member.checkout = former
    with running([*receivers, *relays]):
        spread_over(there, receivers)
        wait_until_applied(there)
        with loaded(there, rate):
            time.sleep(seconds)
            started = time.monotonic()
            schema = number(there, SCHEMA)
            migrate.migrate(there.url)
            report(f"the schema was migrated from {schema} to {number(there, SCHEMA)}")
            for member in (*receivers, *relays):
                spread_over(there, [receiver for receiver in receivers if receiver is not member])
                member.stop()
                member.checkout = None
                member.start()
                member.wait_until_ready()
            spread_over(there, receivers)
            took = time.monotonic() - started
            time.sleep(seconds)
        return result(there), took


def migrate_by(checkout: Path, url: str) -> None:
    """Create the tables with the program of a checkout."""
    environment = settings_for(url) | program_of(checkout)
    command = [sys.executable, "-m", "webhook_service", "migrate"]
    done = subprocess.run(command, env=environment, cwd=checkout, capture_output=True, text=True)  # noqa: S603
    if done.returncode != 0:
        raise RuntimeError(f"the former version could not migrate: {done.stderr}")
