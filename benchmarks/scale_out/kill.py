"""Under load, one receiver and one relay are killed, and another receiver and relay are cut off from the network.

A relay is killed or cut off while it holds leases, so that another relay must take its rows over. The hosts that were
cut off are connected again afterwards.
"""

import random
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scale_out.hosts import Member, Site, running, site, wait_for
from benchmarks.scale_out.load import (
    Result,
    connected,
    loaded,
    prepare,
    result,
    spread_over,
    wait_until_applied,
)
from benchmarks.scale_out.options import Options, Report
from webhook_service.loops import LEASE_SECONDS, POLL_SECONDS

SECONDS_TO_FIND = 60.0
SETTLE_SECONDS = 0.05
"""The time after which PostgreSQL has received what a stopped process had sent before."""

RELAYED = b"relayed"
"""The line that a relay writes to its log after each batch."""

LEASED = """
select id from public.integration_sync_log
 where status <> 'SUCCESS' and lease like '%%-' || %s || '-%%' and leased_until > now()
"""
AT_WORK = "select exists (select from pg_stat_activity where application_name = %s and state <> 'idle')"
APPLIED = "select count(*) from public.integration_sync_log where id = any(%s) and status = 'SUCCESS'"


@dataclass(frozen=True, slots=True)
class Takeover:
    """The rows that a lost relay had claimed, and the seconds from its loss until other relays had applied them."""

    relay: str
    rows: int
    seconds: float

    @property
    def is_late(self) -> bool:
        return self.seconds > LEASE_SECONDS + POLL_SECONDS

    def __str__(self) -> str:
        return f"{self.relay}: its {self.rows} claimed events were applied by others after {self.seconds:.1f} s"


@dataclass(slots=True)
class Lost:
    """A relay that was killed or cut off at a time, with the ledger's ids of its claimed rows."""

    relay: Member
    rows: list[int]
    at: float
    applied_at: float = 0.0


def measure(options: Options, report: Report) -> list[str]:
    """Return a line for each rule that does not hold."""
    with tempfile.TemporaryDirectory(prefix="scale-") as folder, site(Path(folder)) as there:
        found, takeovers = run(there, rate=options.rate, seconds=options.seconds)
    report(f"kill and cut off, {options.rate} changes/s: {found}")
    for takeover in takeovers:
        report(f"  {takeover} (lease {LEASE_SECONDS} s)")
    late = [f"{takeover} (lease {LEASE_SECONDS} s)" for takeover in takeovers if takeover.is_late]
    return found.wrong + late


def run(there: Site, *, rate: int, seconds: float) -> tuple[Result, list[Takeover]]:
    """Lose two of three receivers and two of three relays. `seconds` is the time of the load before and after."""
    receivers, relays = ([make(n) for n in (1, 2, 3)] for make in (there.receiver, there.relay))
    prepare(there)
    with running([*receivers, *relays]):
        spread_over(there, receivers)
        wait_until_applied(there)
        with loaded(there, rate):
            time.sleep(seconds)
            lost = [lose(there, relays[0], is_killed=True), lose(there, relays[1], is_killed=False)]
            receivers[0].kill()
            receivers[1].cut_off()
            time.sleep(seconds)
            spread_over(there, receivers[2:])
            wait_for("other relays", lambda: are_applied(there, lost), LEASE_SECONDS * 3)
            come_back(there, receivers[1:], relays[1])
        return result(there), [Takeover(one.relay.name, len(one.rows), one.applied_at - one.at) for one in lost]


def come_back(there: Site, receivers: list[Member], relay: Member) -> None:
    """Connect the receiver and the relay again, and wait until both process events again, beside the third receiver."""
    known = relay.log_file.stat().st_size
    for member in (receivers[0], relay):
        member.connect()
    receivers[0].wait_until_ready()
    spread_over(there, receivers)
    wait_for(f"{relay.name} to relay again", lambda: RELAYED in relay.log_file.read_bytes()[known:], LEASE_SECONDS * 3)


def lose(there: Site, relay: Member, *, is_killed: bool) -> Lost:
    """Kill the relay, or cut it off, at a moment at which it has claimed rows and the database does nothing for it."""
    with stopped_with_claims(there, relay) as rows:
        at = time.monotonic()
        if is_killed:
            relay.kill()
        else:
            relay.cut_off()
    return Lost(relay, rows, at)


@contextmanager
def stopped_with_claims(there: Site, relay: Member) -> Iterator[list[int]]:
    """Stop the relay between its claim and the application of the events, and yield the ids of the claimed rows."""
    deadline = time.monotonic() + SECONDS_TO_FIND
    with connected(there) as connection:
        while True:
            relay.signal(signal.SIGSTOP)
            time.sleep(SETTLE_SECONDS)
            at_work = connection.execute(AT_WORK, [relay.name]).fetchone()
            rows = [row[0] for row in connection.execute(LEASED, [str(relay.pid)])]
            if rows and at_work == (False,):
                break
            relay.signal(signal.SIGCONT)
            if time.monotonic() > deadline:
                raise RuntimeError(f"{relay.name} claimed no events")
            time.sleep(random.uniform(0, 0.2))
    try:
        yield rows
    finally:
        relay.signal(signal.SIGCONT)


def are_applied(there: Site, lost: list[Lost]) -> bool:
    """Note for each lost relay when its rows are applied. Return whether all are."""
    with connected(there) as connection:
        for one in lost:
            done = connection.execute(APPLIED, [one.rows]).fetchone()
            if not one.applied_at and done == (len(one.rows),):
                one.applied_at = time.monotonic()
    return all(one.applied_at for one in lost)
