"""Requests that wait at the same moment share one call: one round trip, one commit for all of them."""

import threading
import time
from collections import deque
from collections.abc import Sequence

from webhook_service.errors import Conflict, DatabaseError, ServiceError, Unavailable
from webhook_service.events import Result, Work
from webhook_service.handlers import Policy
from webhook_service.ports import Database
from webhook_service.processing import LOCK_TIMEOUT, LOCK_TIMEOUT_ALONE, MAX_BATCH, process_batch

LANES = 3
"""Calls under way at once in one process, at most. A database nearby needs one: while it works, the next batch gathers.
One behind a network needs several, or it would lie idle for as long as questions and answers travel. One connection of
`db.direct.CONNECTIONS` stays for the relay, the pages and the probes.
"""

ENOUGH = 8
GATHERING = 0.004
"""Works, or seconds that the first of them has waited, that make a call worth while beside another one under way; twice
as many beside two, and so on. While none is, a work waits for nobody.
"""

PATIENCE = 4.0
"""Seconds that a request waits for its result; the webhook sender gives up after 5."""


class Waiting:
    """A work, and who waits for its result, since when and until when (`time.monotonic`)."""

    __slots__ = ("_answer", "_begun", "_settled", "since", "until", "work")

    def __init__(self, work: Work, since: float, patience: float) -> None:
        self.work = work
        self.since = since
        self.until = since + patience
        self._begun = threading.Lock()  # taken once: by the lane that begins, or by the request that gives up
        self._settled = threading.Lock()
        self._settled.acquire()
        self._answer: Result | BaseException

    def begin(self) -> bool:
        """Whether somebody still waits for it; from now on it is not given up any more."""
        return self._begun.acquire(blocking=False)

    def settle(self, answer: Result | BaseException) -> None:
        """With the first answer; a later one changes nothing."""
        if self._settled.locked():
            self._answer = answer
            self._settled.release()

    def result(self, patience: float) -> Result:
        if not self._settled.acquire(timeout=patience):
            # Not to be begun any more. If it has, it may still be recorded; sent again, it is then a duplicate.
            self._begun.acquire(blocking=False)
            raise Unavailable("database_slow", "The database did not answer in time.")
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer


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
        self._waiting: deque[Waiting] = deque()
        self._under_way = 0
        self._changed = threading.Condition(threading.Lock())
        self._start = threading.Lock()
        self._threads: list[threading.Thread] = []

    def process(self, work: Work) -> Result:
        """Raises Unavailable where the sender should try again, DatabaseError where that will not help."""
        self._ensure_lanes()
        waiting = Waiting(work, time.monotonic(), self._patience)
        with self._changed:
            self._waiting.append(waiting)
            if len(self._waiting) == 1 or len(self._waiting) % ENOUGH == 0:  # between these, nothing changes for a lane
                self._changed.notify()
        return waiting.result(self._patience)

    def waiting(self) -> int:
        """How many works wait for a lane."""
        return len(self._waiting)

    def _ensure_lanes(self) -> None:
        if not self._threads:
            with self._start:
                while len(self._threads) < self._lanes:
                    thread = threading.Thread(target=self._work_off, name=f"lane-{len(self._threads)}", daemon=True)
                    thread.start()
                    self._threads.append(thread)

    def _work_off(self) -> None:
        while True:
            batch = self._next_batch()
            try:
                self._settle([item for item in batch if item.begin()])
            finally:
                with self._changed:
                    self._under_way -= 1

    def _next_batch(self) -> list[Waiting]:
        with self._changed:
            while (pause := self._pause()) != 0:
                self._changed.wait(pause)
            self._under_way += 1
        time.sleep(0)  # what is at the door comes along
        with self._changed:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_batch))]
            if self._waiting:
                self._changed.notify()
            return batch

    def _pause(self) -> float | None:
        """Seconds until the next call is to begin, if nothing happens; None: not before a work comes."""
        if not self._waiting:
            return None
        if len(self._waiting) >= ENOUGH * self._under_way:
            return 0
        return max(0, self._waiting[0].since + GATHERING * self._under_way - time.monotonic())

    def _settle(self, batch: Sequence[Waiting], lock_timeout: str = LOCK_TIMEOUT) -> None:
        if not batch:
            return
        try:
            works = [item.work for item in batch]
            results = process_batch(self._database, works, self._policy, lock_timeout=lock_timeout)
            hand_out(batch, results)
        except (DatabaseError, Conflict) as error:
            if len(batch) == 1:
                batch[0].settle(error)
            else:  # one of them is poison, or in another's way: it fails alone
                self._settle_each(batch, error)
        except BaseException as error:  # noqa: BLE001 (it belongs to those who wait; the lane goes on)
            for item in batch:
                item.settle(error)

    def _settle_each(self, batch: Sequence[Waiting], error: ServiceError) -> None:
        for item in batch:
            if time.monotonic() < item.until:
                self._settle([item], LOCK_TIMEOUT_ALONE)
            else:  # nobody waits for it any more
                item.settle(error)


def hand_out(batch: Sequence[Waiting], results: Sequence[Result]) -> None:
    """The same event twice in one batch has two results: the one that was applied, and a duplicate."""
    by_event: dict[str, list[Result]] = {}
    for result in results:
        by_event.setdefault(result.event_id, []).append(result)
    for item in batch:
        mine = by_event.get(item.work.event.event_id)
        if mine:
            item.settle(mine.pop(0))
        else:  # its row was removed while it waited for it
            item.settle(Unavailable("not_recorded", "The event was not recorded."))
