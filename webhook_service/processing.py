"""Step 4: Work -> Result. The one way into the database, for webhooks and replays alike.

Requests that wait at the same moment share one call of one SQL function: one round trip, one commit for all of them.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from webhook_service.errors import Conflict, DatabaseError, ServiceError, Unavailable
from webhook_service.events import Json, Outcome, Result, Status, Work
from webhook_service.payload import to_request_data
from webhook_service.ports import Database

MAX_BATCH = 64
LANES = 2
"""Calls under way at once in one process: while one waits for the disk, the next one gathers."""

LOCK_TIMEOUT = "1500ms"
"""How long a batch waits for a row that another transaction holds: longer than PostgreSQL needs to find a deadlock."""

LOCK_TIMEOUT_ALONE = "100ms"
"""For the works of a batch that had to wait in vain, one by one: the one that is held shall not hold up the others."""

PATIENCE = 4.0
"""Seconds that a request waits for its result; the webhook sender gives up after 5."""


def process_batch(
    database: Database, works: Sequence[Work], *, dry_run: bool = False, lock_timeout: str = LOCK_TIMEOUT
) -> list[Result]:
    """Applies all of them in one transaction. The results of those that the ledger holds, in no certain order.

    `dry_run` gives the same results and keeps nothing. Raises Unavailable (nothing is kept) or DatabaseError.
    """
    results = database.call(
        "auth_sync_process_v1",
        p_works=[to_json(work) for work in works],
        p_dry_run=dry_run,
        p_lock_timeout=lock_timeout,
    )
    return [result_of(item) for item in results]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A work, and who waits for its result until when (`time.monotonic`)."""

    work: Work
    until: float
    result: "Future[Result]" = field(default_factory=Future)


class Processor:
    """Merges the works of concurrent requests into batches. Its threads start with the first work: after any fork."""

    def __init__(
        self, database: Database, *, lanes: int = LANES, max_batch: int = MAX_BATCH, patience: float = PATIENCE
    ):
        self._database = database
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
            results = process_batch(self._database, [item.work for item in batch], lock_timeout=lock_timeout)
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


def to_json(work: Work) -> dict[str, Json]:
    """A work as `auth_sync_process_v1` takes it."""
    return {
        "event_id": work.event.event_id,
        "operation": work.event.operation,
        "auth_user_id": str(work.event.user.id),
        "version": work.event.version,
        "via": work.via,
        "requested_by": work.requested_by,
        "user": to_request_data(work.event.user),
        "copy": work.copy,
        "columns": sorted(work.columns),
        "key": work.key,
        "steps": work.steps,
    }


def result_of(item: Json) -> Result:
    return Result(
        event_id=item["event_id"],
        status=Status(item["status"]),
        outcome=Outcome(item["outcome"]),
        employee_id=item["employee_id"],
        changes=item.get("changes", {}),
    )
