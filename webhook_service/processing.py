"""Step 4: Work -> Result. The one way into the database, for webhooks and replays alike.

Requests that wait at the same moment share one call of one SQL function: one round trip, one commit for all of them.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from webhook_service.errors import Conflict, DatabaseError, Unavailable
from webhook_service.events import Json, Outcome, Result, Status, Work
from webhook_service.payload import to_request_data
from webhook_service.ports import Database

MAX_BATCH = 64
LANES = 2
"""Calls under way at once in one process: while one waits for the disk, the next one gathers."""

PATIENCE = 4.0
"""Seconds that a request waits for its result; the webhook sender gives up after 5."""


def process_batch(database: Database, works: Sequence[Work], *, dry_run: bool = False) -> list[Result]:
    """Applies all of them in one transaction. The results of those that the ledger holds, in no certain order.

    `dry_run` gives the same results and keeps nothing. Raises Unavailable (nothing is kept) or DatabaseError.
    """
    results = database.call("auth_sync_process_v1", p_works=[to_json(work) for work in works], p_dry_run=dry_run)
    return [result_of(item) for item in results]


class Processor:
    """Merges the works of concurrent requests into batches. Its threads start with the first work: after any fork."""

    def __init__(
        self, database: Database, *, lanes: int = LANES, max_batch: int = MAX_BATCH, patience: float = PATIENCE
    ):
        self._database = database
        self._lanes = lanes
        self._max_batch = max_batch
        self._patience = patience
        self._waiting: SimpleQueue[tuple[Work, Future[Result]]] = SimpleQueue()
        self._start = threading.Lock()
        self._threads: list[threading.Thread] = []

    def process(self, work: Work) -> Result:
        """Raises Unavailable where the sender should try again, DatabaseError where that will not help."""
        self._ensure_lanes()
        future: Future[Result] = Future()
        self._waiting.put((work, future))
        try:
            return future.result(timeout=self._patience)
        except TimeoutError:
            # Cancelled if it has not begun. If it has, it may still be recorded; sent again, it is then a duplicate.
            future.cancel()
            raise Unavailable("database_slow", "The database did not answer in time.") from None

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
            self._settle([(work, future) for work, future in batch if future.set_running_or_notify_cancel()])

    def _settle(self, batch: Sequence[tuple[Work, Future[Result]]]) -> None:
        if not batch:
            return
        try:
            results = process_batch(self._database, [work for work, _ in batch])
        except (DatabaseError, Conflict) as error:
            if len(batch) == 1:
                batch[0][1].set_exception(error)
            else:  # one of them is poison, or in another's way: it fails alone
                for item in batch:
                    self._settle([item])
        except BaseException as error:  # noqa: BLE001 (it belongs to those who wait; the lane goes on)
            for _, future in batch:
                future.set_exception(error)
        else:
            self._hand_out(batch, results)

    @staticmethod
    def _hand_out(batch: Sequence[tuple[Work, Future[Result]]], results: Sequence[Result]) -> None:
        # The same event twice in one batch has two results: the one that was applied, and a duplicate.
        by_event: dict[str, list[Result]] = {}
        for result in results:
            by_event.setdefault(result.event_id, []).append(result)
        for work, future in batch:
            future.set_result(by_event[work.event.event_id].pop(0))


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
