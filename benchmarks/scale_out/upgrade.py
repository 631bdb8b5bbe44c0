"""A rolling restart under load: the schema is migrated, then each receiver and relay is stopped and started again."""

import tempfile
import time
from pathlib import Path

from benchmarks.scale_out.hosts import Site, running, site
from benchmarks.scale_out.load import Result, loaded, prepare, result, spread_over, wait_until_applied
from benchmarks.scale_out.options import Options, Report
from webhook_service.db import migrate


def measure(options: Options, report: Report) -> list[str]:
    """Return a line for each rule that does not hold."""
    with tempfile.TemporaryDirectory(prefix="scale-") as folder, site(Path(folder)) as there:
        found, took = run(there, rate=options.rate, seconds=options.seconds)
    report(f"rolling restart of two receivers and two relays in {took:.0f} s, {options.rate} changes/s: {found}")
    return found.wrong


def run(there: Site, *, rate: int, seconds: float) -> tuple[Result, float]:
    """Restart each member once. The proxy sends nothing to a receiver from just before its stop until it is ready."""
    receivers, relays = ([make(n) for n in (1, 2)] for make in (there.receiver, there.relay))
    prepare(there)
    with running([*receivers, *relays]):
        spread_over(there, receivers)
        wait_until_applied(there)
        with loaded(there, rate):
            time.sleep(seconds)
            started = time.monotonic()
            migrate.migrate(there.url)
            for member in (*receivers, *relays):
                spread_over(there, [receiver for receiver in receivers if receiver is not member])
                member.stop()
                member.start()
                member.wait_until_ready()
            spread_over(there, receivers)
            took = time.monotonic() - started
            time.sleep(seconds)
        return result(there), took
