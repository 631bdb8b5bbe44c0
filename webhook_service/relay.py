"""The machine delivers what the webhook lost: due rows of the ledger -> the same `processing`.

Any number of relays may run at once. A row is leased while one works on it; if that one dies, the lease ends and
another takes it over. What fails is due again later (see `auth_sync_backoff_v1`), until it is given up.
"""

import logging
import os
import secrets
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from webhook_service.errors import ServiceError
from webhook_service.events import Status, Via
from webhook_service.handlers import Policy
from webhook_service.ports import Database
from webhook_service.processing import process_rows

log = logging.getLogger(__name__)

BATCH = 200
LEASE = 30
"""Seconds. A batch takes well under one; who is killed is followed after this."""

POLL = 2.0
"""Seconds between two looks where nothing wakes us."""

LONGEST_PAUSE = 30.0
"""Seconds, after one look after the other has failed."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What one look at the ledger did: rows taken, what became of them, and seconds until the next is due, if any.

    `held` is how many of them somebody else had locked; they come again in some seconds.
    """

    claimed: int = 0
    held: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    next_in: float | None = None


def run_once(database: Database, policy: Policy, *, name: str, limit: int = BATCH, lease: int = LEASE) -> Ran:
    """Takes what is due, at most `limit` rows, and applies it, older versions first. Raises Unavailable, DatabaseError.

    `name` is this relay's own: its leases carry it.
    """
    due = database.call("auth_sync_claim_v1", p_relay=name, p_limit=limit, p_lease_seconds=lease)
    rows = due["events"]
    results = process_rows(database, policy, rows, via=Via.RELAY, lease=name)
    settled = {result.event_id for result in results}
    if held := [row["event_id"] for row in rows if row["event_id"] not in settled]:
        database.call("auth_sync_postpone_v1", p_event_ids=held, p_lease=name)
    for result in results:
        if result.status is Status.FAILED:
            told = {"event_id": result.event_id, "outcome": result.outcome, "employee_id": result.employee_id}
            log.warning("not applied", extra=told)
    return Ran(len(rows), len(held), Counter(str(result.outcome) for result in results), due["next_in"])


def own_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


class Relay:
    """The loop: looks, works off what is due, waits. `wait(seconds)` may end early, when something has come; without
    it, only time passes.
    """

    def __init__(self, database: Database, policy: Policy, wait: Callable[[float], object] | None = None) -> None:
        self._database = database
        self._policy = policy
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        """Until `stop`. Trouble with the database is waited out."""
        name = own_name()
        trouble = 0
        log.info("relay started", extra={"relay": name})
        while not self._stopping.is_set():
            try:
                ran = run_once(self._database, self._policy, name=name)
            except Exception as error:  # noqa: BLE001 (whatever it is: a relay that has ended helps nobody)
                trouble += 1
                reason = error.reason if isinstance(error, ServiceError) else "internal_error"
                log.warning("relay in trouble", extra={"reason": reason, "attempt": trouble}, exc_info=error)
                self._stopping.wait(min(LONGEST_PAUSE, 0.5 * 2 ** min(trouble, 10)))
                continue
            trouble = 0
            if ran.claimed > ran.held:
                log.info("relayed", extra={"claimed": ran.claimed, "held": ran.held, "outcomes": dict(ran.outcomes)})
            else:
                self._wait(POLL if ran.next_in is None else max(0.05, min(POLL, ran.next_in)))
        log.info("relay stopped", extra={"relay": name})

    def start(self) -> None:
        """In a thread of its own."""
        self._thread = threading.Thread(target=self.run, name="relay", daemon=True)
        self._thread.start()

    def stop(self, patience: float = 0) -> None:
        """After the batch that is under way, which is waited for `patience` seconds."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(patience)
