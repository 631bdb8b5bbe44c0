"""The background loops of a process. Each loop has a separate thread, polls for due work, and processes it."""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from webhook_service.errors import ServiceError

log = logging.getLogger(__name__)

LEASE_SECONDS = 30
"""The duration of a lease on rows. A batch takes well under a second. After a relay is killed, another relay claims its
rows when the lease has ended.
"""

POLL_SECONDS = 2.0
"""The time between two passes without due work, unless the database wakes the loop."""

MAX_WAIT_SECONDS = 0.25
"""The longest call of a loop's `wait`. A relay that is stopped while it waits ends after this time at most."""

MAX_PAUSE_SECONDS = 30.0
"""The longest pause of a loop that is failing."""


@dataclass(frozen=True, slots=True)
class PassResult:
    """The result of one pass of a loop.

    `claimed` is the number of claimed rows. `held` is the number of these rows that another transaction had locked.
    Held rows are due again in some seconds. `outcomes` is {outcome: number of rows}, and `actions` is {(operation,
    outcome): number of actions}. `next_in` is the time in seconds until the next row is due, or None.
    """

    claimed: int = 0
    held: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    next_in: float | None = None
    actions: Mapping[tuple[str, str], int] = field(default_factory=dict)


def own_name() -> str:
    """Return a unique name for a relay's leases, from the host, the process id and a random part."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Loop:
    """A task that is repeated.

    `once(relay_name)` does one pass. After a pass without due work, `wait(seconds)` waits for `every` seconds. The wait
    is shorter if the pass reported that a row is due earlier. `wait` may return early when there is new work. The
    default `wait` returns early only when the relay stops.
    """

    name: str
    once: Callable[[str], PassResult]
    wait: Callable[[float], bool] | None = None
    every: float = POLL_SECONDS


@dataclass(frozen=True, slots=True)
class LoopFailure:
    """The reason of a loop's failure, and the seconds since its first failed pass.

    `detail` is a sentence without personal data.
    """

    reason: str
    detail: str
    seconds: float


def ignore_report(loop: str, result: PassResult | None) -> None:
    """Do nothing. This is the default report of a relay."""


Record = Callable[[str, str, LoopFailure | None], object]
"""Records the state of a loop: (the relay's name, the loop's name, the failure, or None after a success)."""


def ignore_failure(relay: str, loop: str, failure: LoopFailure | None) -> None:
    """Do nothing. This is the default record of a relay."""


class Failures:
    """Counts and records the consecutive failed passes of a loop. An error of `record` does not end the loop."""

    def __init__(self, relay: str, loop: str, record: Record) -> None:
        self._relay = relay
        self._loop = loop
        self._record = record
        self._began = 0.0
        self._may_be_recorded = False
        self.count = 0

    def failed(self, reason: str, detail: str) -> None:
        """Count and record a failed pass."""
        self._began = time.monotonic() if self.count == 0 else self._began
        self.count += 1
        self._may_be_recorded = True
        self._try(LoopFailure(reason, detail, time.monotonic() - self._began))

    def ended(self) -> None:
        """Record that the loop no longer fails. If the record fails, the next pass repeats it."""
        self.count = 0
        if self._may_be_recorded:
            self._may_be_recorded = not self._try(None)

    def _try(self, failure: LoopFailure | None) -> bool:
        try:
            self._record(self._relay, self._loop, failure)
        except Exception as error:  # noqa: BLE001 (the loop must go on, and its log has the failed pass)
            reason, _ = reason_of(error)
            if failure is None or failure.reason != reason:  # the log of the pass has the reason already
                fields = {"relay": self._relay, "loop": self._loop, "reason": reason}
                log.warning("state of the loop not recorded", extra=fields)
            return False
        return True


def reason_of(error: Exception) -> tuple[str, str]:
    """Return the reason and the detail of an error. An unexpected error's own text may hold personal data."""
    if isinstance(error, ServiceError):
        return error.reason, error.detail
    return "internal_error", f"An unexpected error ({type(error).__name__}); the log has it."


class Relay:
    """The loops of one process, each in a separate thread.

    `report` is called after each pass with the loop's name and the result. The result is None if the pass raised an
    error. `record` is called after each failed pass, and after the first pass that succeeds again.
    """

    def __init__(
        self,
        *loops: Loop,
        report: Callable[[str, PassResult | None], None] = ignore_report,
        record: Record = ignore_failure,
    ) -> None:
        self._loops = loops
        self._report = report
        self._record = record
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def run(self) -> None:
        """Run the loops until `stop` has been called and the last passes have ended."""
        self.start()
        for thread in self._threads:
            thread.join()

    def start(self) -> None:
        """Start a daemon thread for each loop, and return."""
        for loop in self._loops:
            thread = threading.Thread(target=self._loop, args=[loop], name=loop.name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, patience: float = 0) -> None:
        """Stop all loops after their current batches, and wait up to `patience` seconds for them to end."""
        self._stopping.set()
        ends = time.monotonic() + patience
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0, ends - time.monotonic()))

    def _loop(self, loop: Loop) -> None:
        """Do passes until the relay stops.

        The wait after a failed pass doubles with each consecutive failure, up to MAX_PAUSE_SECONDS.
        """
        fields = {"relay": own_name(), "loop": loop.name}
        wait = loop.wait or self._stopping.wait
        failures = Failures(fields["relay"], loop.name, self._record)
        log.info("relay started", extra=fields)
        while not self._stopping.is_set():
            try:
                result = loop.once(fields["relay"])
            except Exception as error:  # noqa: BLE001 (no error may end the loop, which would stop all its work)
                reason, detail = reason_of(error)
                attempt = failures.count + 1
                log.warning("relay pass failed", extra=fields | {"reason": reason, "attempt": attempt}, exc_info=error)
                self._report(loop.name, None)
                failures.failed(reason, detail)
                self._stopping.wait(min(MAX_PAUSE_SECONDS, 0.5 * 2 ** min(attempt, 10)))
                continue
            failures.ended()
            self._report(loop.name, result)
            if result.claimed > result.held:
                counts = {"claimed": result.claimed, "held": result.held, "outcomes": dict(result.outcomes)}
                log.info("relayed", extra=fields | counts)
            else:
                self._pause(wait, loop.every if result.next_in is None else max(0.05, min(loop.every, result.next_in)))
        failures.ended()
        log.info("relay stopped", extra=fields)

    def _pause(self, wait: Callable[[float], bool], seconds: float) -> None:
        """Wait for `seconds`, or until `wait` returns True, or until the relay stops."""
        ends = time.monotonic() + seconds
        while not self._stopping.is_set() and (left := ends - time.monotonic()) > 0:
            if wait(min(left, MAX_WAIT_SECONDS)):
                break
