"""The background loops of a process: each polls for work, does what is due, waits, in a thread of its own."""

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

LEASE = 30
"""Seconds. A batch takes well under one; who is killed is followed after this."""

POLL = 2.0
"""Seconds between two looks where nothing wakes us."""

LONGEST_PAUSE = 30.0
"""Seconds, after one look after the other has failed."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What one look at the ledger did: rows taken, what became of them, and seconds until the next is due, if any.

    `held` is how many of them somebody else had locked; they come again in some seconds. `actions` are, of actions, the
    outcomes by operation.
    """

    claimed: int = 0
    held: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    next_in: float | None = None
    actions: Mapping[tuple[str, str], int] = field(default_factory=dict)


def own_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Loop:
    """Something to look for again and again: `once` under a relay's name, and `wait` up to so many seconds where there
    was nothing, which may end early, when something has come: `every` seconds, or until what is told to be due.
    """

    name: str
    once: Callable[[str], Ran]
    wait: Callable[[float], object] | None = None
    every: float = POLL


def ignore_report(loop: str, ran: Ran | None) -> None:
    """What a relay tells of each look, where nobody counts."""


class Relay:
    """The loops: each looks, works off what is due, waits, in a thread of its own. `tell` gets each look's name and
    what it did, None where it could not.
    """

    def __init__(self, *loops: Loop, report: Callable[[str, Ran | None], None] = ignore_report) -> None:
        self._loops = loops
        self._report = report
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def run(self) -> None:
        """Until `stop`, and what is under way has ended."""
        self.start()
        for thread in self._threads:
            thread.join()

    def start(self) -> None:
        for loop in self._loops:
            thread = threading.Thread(target=self._loop, args=[loop], name=loop.name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, patience: float = 0) -> None:
        """After the batches that are under way, which are waited for `patience` seconds."""
        self._stopping.set()
        ends = time.monotonic() + patience
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0, ends - time.monotonic()))

    def _loop(self, loop: Loop) -> None:
        """Trouble with the database is waited out."""
        fields = {"relay": own_name(), "loop": loop.name}
        wait = loop.wait or self._stopping.wait
        trouble = 0
        log.info("relay started", extra=fields)
        while not self._stopping.is_set():
            try:
                ran = loop.once(fields["relay"])
            except Exception as error:  # noqa: BLE001 (whatever it is: a relay that has ended helps nobody)
                trouble += 1
                reason = error.reason if isinstance(error, ServiceError) else "internal_error"
                log.warning("relay in trouble", extra=fields | {"reason": reason, "attempt": trouble}, exc_info=error)
                self._report(loop.name, None)
                self._stopping.wait(min(LONGEST_PAUSE, 0.5 * 2 ** min(trouble, 10)))
                continue
            trouble = 0
            self._report(loop.name, ran)
            if ran.claimed > ran.held:
                counts = {"claimed": ran.claimed, "held": ran.held, "outcomes": dict(ran.outcomes)}
                log.info("relayed", extra=fields | counts)
            else:
                wait(loop.every if ran.next_in is None else max(0.05, min(loop.every, ran.next_in)))
        log.info("relay stopped", extra=fields)
