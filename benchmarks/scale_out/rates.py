"""Events a second with 1, 2 and 4 receivers, and with 1, 2 and 4 relays. Each has one process and its own host."""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.scale_out.hosts import PORT, Member, Site, running, site
from benchmarks.scale_out.load import connected, number
from benchmarks.scale_out.options import Options, Report
from benchmarks.scale_out.outage import OPEN, change, fill
from benchmarks.speed.events import first_secret, requests, some_events
from benchmarks.speed.load import require_wrk, send

SIZES = (1, 2, 4)
CONNECTIONS = 64
"""All receivers together have this number of connections."""
POLL_SECONDS = 0.05
CHANGED = "select count(*) from public.employees where first_name = %s"


def measure(options: Options, report: Report) -> list[str]:
    """Report a table. Raises RuntimeError if an event was not applied."""
    require_wrk()
    report("| | events/s |\n|---|---|")
    with tempfile.TemporaryDirectory(prefix="scale-") as folder, site(Path(folder)) as there:
        receivers, relays = ([make(n + 1) for n in range(max(SIZES))] for make in (there.receiver, there.relay))
        fill(there, options.events)
        for size in SIZES:
            report(f"| {size} receiver{'s' * (size > 1)} | {received(there, receivers[:size], options.events):,.0f} |")
        for size in SIZES:
            report(f"| {size} relay{'s' * (size > 1)} | {relayed(there, relays[:size], options.events):,.0f} |")
    return []


def received(there: Site, receivers: list[Member], count: int) -> float:
    """Send one webhook for each employee, with the same number to each receiver, from as many processes of wrk."""
    name = f"Received by {len(receivers)}"
    secret = first_secret(dict(receivers[0].environment))
    with running(receivers), ThreadPoolExecutor(len(receivers)) as pool:
        messages = list(requests(some_events(count, count, name), secret, PORT))
        sent = [
            pool.submit(
                send,
                messages[position :: len(receivers)],
                PORT,
                CONNECTIONS // len(receivers),
                host=receiver.host.address,
            )
            for position, receiver in enumerate(receivers)
        ]
        seconds = max(part.result().seconds for part in sent)
    require_changed(there, name, count)
    return count / seconds


def relayed(there: Site, relays: list[Member], count: int) -> float:
    """Capture one change of each user while the relays wait, and measure until all are applied."""
    name = f"Relayed by {len(relays)}"
    with running(relays):
        change(there, count, name)
        started = time.monotonic()
        before = number(there, OPEN)
        while number(there, OPEN):
            time.sleep(POLL_SECONDS)
        seconds = time.monotonic() - started
    require_changed(there, name, count)
    return before / seconds


def require_changed(there: Site, name: str, count: int) -> None:
    with connected(there) as connection:
        changed = connection.execute(CHANGED, [name]).fetchone()
    if changed != (count,):
        raise RuntimeError(f"{changed} employees were changed, {count} events were sent")
