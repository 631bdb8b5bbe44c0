"""Requests that wait at the same moment share one call: one round trip, one commit for all of them."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from webhook_service.errors import Conflict, DatabaseError, ServiceError, Unavailable
from webhook_service.events import Result, Work
from webhook_service.handlers import Policy
from webhook_service.ports import Database
from webhook_service.processing import LOCK_TIMEOUT, LOCK_TIMEOUT_ALONE, MAX_BATCH, process_batch

LANES = 2
"""Calls under way at once in one process: while one waits for the disk, the next one gathers."""

PATIENCE = 4.0
"""Seconds that a request waits for its result; the webhook sender gives up after 5."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A work, and who waits for its result until when (`time.monotonic`)."""

    work: Work
    until: float
    result: "Future[Result]" = field(default_factory=Future)


class Processor:
    """Merges the works of concurrent requests into batches. Its threads start with the first work: after any fork."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        *,
        lanes: int = LANES,
        max_batch: int = MAX_BATCH,
        patience: float = PATIENCE,
    ):
        self._database = database
        self._policy = policy
        self._lanes = lanes
        self._max_batch = max_batch
        self._patience = patience
        self._waiting: SimpleQueue[Waiting] = SimpleQueue()
        self._start = threading.Lock()
        self._threads: list[threading.Thread] = []

    def process(self, work: Work) -> Result:
        """Raises Unavailable where the sender should try again, DatabaseError where that will not help."""
        self._ensure_lanes()
        waiting = Waiting(work, time.monotonic() + self._patience)
        self._waiting.put(waiting)
        try:
            return waiting.result.result(timeout=self._patience)
        except TimeoutError:
            # Cancelled if it has not begun. If it has, it may still be recorded; sent again, it is then a duplicate.
            waiting.result.cancel()
            raise Unavailable("database_slow", "The database did not answer in time.") from None

    def waiting(self) -> int:
        """How many works wait for a lane."""
        return self._waiting.qsize()

    def _ensure_lanes(self) -> None:
        if not self._threads:
            with self._start:
                while len(self._threads) < self._lanes:
                    thread = threading.Thread(target=self._work_off, name=f"lane-{len(self._threads)}", daemon=True)
                    thread.start()
                    self._threads.append(thread)

    def _work_off(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < self._max_batch:
                try:
                    batch.append(self._waiting.get_nowait())
                except Empty:
                    break
            self._settle([item for item in batch if item.result.set_running_or_notify_cancel()])

    def _settle(self, batch: Sequence[Waiting], lock_timeout: str = LOCK_TIMEOUT) -> None:
        if not batch:
            return
        try:
            works = [item.work for item in batch]
            results = process_batch(self._database, works, self._policy, lock_timeout=lock_timeout)
            hand_out(batch, results)
        except (DatabaseError, Conflict) as error:
            if len(batch) == 1:
                batch[0].result.set_exception(error)
            else:  # one of them is poison, or in another's way: it fails alone
                self._settle_each(batch, error)
        except BaseException as error:  # noqa: BLE001 (it belongs to those who wait; the lane goes on)
            for item in batch:
                if not item.result.done():
                    item.result.set_exception(error)

    def _settle_each(self, batch: Sequence[Waiting], error: ServiceError) -> None:
        for item in batch:
            if time.monotonic() < item.until:
                self._settle([item], LOCK_TIMEOUT_ALONE)
            else:  # nobody waits for it any more
                item.result.set_exception(error)


def hand_out(batch: Sequence[Waiting], results: Sequence[Result]) -> None:
    """The same event twice in one batch has two results: the one that was applied, and a duplicate."""
    by_event: dict[str, list[Result]] = {}
    for result in results:
        by_event.setdefault(result.event_id, []).append(result)
    for item in batch:
        mine = by_event.get(item.work.event.event_id)
        if mine:
            item.result.set_result(mine.pop(0))
        else:  # its row was removed while it waited for it
            item.result.set_exception(Unavailable("not_recorded", "The event was not recorded."))
