"""Group commit: events that arrive at the same time share one database call, one transaction and one commit."""

import asyncio
from collections import deque
from collections.abc import Sequence

from webhook_service.errors import Conflict, DatabaseError, Unavailable
from webhook_service.events import Result, Work
from webhook_service.inbound.processing import (
    LOCK_TIMEOUT,
    LOCK_TIMEOUT_ALONE,
    MAX_BATCH,
    process_batch_soon,
    results_by_work,
)
from webhook_service.policy import Policy
from webhook_service.ports import Database

RETURN_SECONDS = 0.002
"""The wait before the next call, so that the senders of the last call can send their next events. Without this wait, a
process would alternate between two halves of its senders, and each call would have half of a batch.
"""

FAR_SECONDS = 0.005
"""If the network round trip takes longer, two calls run at the same time, because the database is idle meanwhile."""

HELD_UP_SECONDS = 0.25
"""A call that lasts longer is held up, in most cases by another transaction's lock. Other events do not wait for this
call. If their rows are locked too, they are tried again after it. Otherwise an import that locks many employees would
hold up all calls.
"""

MAX_CALLS = 3
"""The largest number of concurrent calls of one process, including held-up calls."""

PATIENCE_SECONDS = 4.0
"""The longest wait of a request for its result. The sender of the webhook waits for 5 seconds."""


Waiting = tuple[Work, "asyncio.Future[Result]"]
"""A work, and the future result that its request waits for."""


class GroupCommit:
    """Merges the works of concurrent requests into batches. All methods run in one event loop.

    One call runs at a time, or two if the database is far away. Works that arrive during a call share the next call. A
    call has at most `max_batch` works. A request waits up to `patience` seconds for its result. The next call does not
    wait for a call that lasts longer than `held_up` seconds, and sets works aside whose rows are locked.
    """

    def __init__(
        self,
        database: Database,
        policy: Policy,
        *,
        max_batch: int = MAX_BATCH,
        patience: float = PATIENCE_SECONDS,
        held_up: float = HELD_UP_SECONDS,
    ) -> None:
        self._database = database
        self._policy = policy
        self._max_batch = max_batch
        self._patience = patience
        self._held_up = held_up
        self._waiting: deque[Waiting] = deque()
        self._set_aside: list[Waiting] = []  # they wait again when no call is held up
        self._started: dict[asyncio.Task[None], float] = {}  # the running calls and their starts, by the loop's clock
        self._expected = 0  # the next call starts when this many works wait, at the latest when _next is due
        self._next: asyncio.Handle | None = None

    async def process(self, work: Work) -> Result:
        """Apply one work in the next batch, and return its result.

        Raises Unavailable if the sender should retry, and DatabaseError if a retry does not help.
        """
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((work, result))
        if self._next is None or len(self._waiting) == self._expected:
            self._call_next(0)
        end = loop.call_later(self._patience, time_out, result)
        try:
            return await result
        finally:
            end.cancel()

    def waiting(self) -> int:
        """The number of works that are not part of a call yet."""
        return len(self._waiting) + len(self._set_aside)

    def _call_next(self, pause: float) -> None:
        """Schedule the next call after `pause` seconds. After 0 seconds, it has all requests that the loop has read."""
        if self._next is not None:
            self._next.cancel()
        loop = asyncio.get_running_loop()
        self._next = loop.call_later(pause, self._call) if pause else loop.call_soon(self._call)

    def _call(self) -> None:
        self._next = None
        while self._waiting and self._may_call():
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_batch))]
            loop = asyncio.get_running_loop()
            call = loop.create_task(self._run(batch, waits_for_locks=self._held_up_calls() == 0))
            self._started[call] = loop.time()

    def _may_call(self) -> bool:
        """Return whether a call may start.

        Held-up calls do not count. One call at a time may run, or two if the database is far away.
        """
        running = len(self._started) - self._held_up_calls()
        return running <= (self._database.round_trip > FAR_SECONDS) and len(self._started) < MAX_CALLS

    def _held_up_calls(self) -> int:
        now = asyncio.get_running_loop().time()
        return sum(now - started >= self._held_up for started in self._started.values())

    async def _run(self, batch: Sequence[Waiting], *, waits_for_locks: bool) -> None:
        """Make one call, and schedule the next one."""
        held_up = asyncio.get_running_loop().call_later(self._held_up, self._call_next, 0)
        try:
            await self._settle([each for each in batch if not each[1].done()], waits_for_locks)
        finally:
            held_up.cancel()
            self._started.pop(asyncio.current_task())  # type: ignore[arg-type]  # this coroutine always runs in a task
            if self._held_up_calls() == 0:
                self._waiting.extendleft(reversed(self._set_aside))
                self._set_aside.clear()
            self._expected = min(len(self._waiting) + len(batch), self._max_batch)
            self._call_next(0 if len(self._waiting) >= self._expected else RETURN_SECONDS)

    async def _settle(self, batch: Sequence[Waiting], waits_for_locks: bool, *, alone: bool = False) -> None:
        """Set the result or the error of each request, or set it aside if its row is locked.

        If the database refuses the batch, try the works one by one. A work that is alone is not set aside.
        """
        if not batch:
            return
        works = [work for work, _ in batch]
        timeout = LOCK_TIMEOUT if waits_for_locks else LOCK_TIMEOUT_ALONE
        answers: Sequence[Result | Exception]
        try:
            results = await process_batch_soon(
                self._database, works, self._policy, lock_timeout=timeout, skip_held=not waits_for_locks
            )
            answers = results_by_work(works, results) if waits_for_locks else applied_or_held(works, results)
        except Exception as error:  # noqa: BLE001 (each request that waits raises it)
            if isinstance(error, DatabaseError | Conflict) and len(batch) > 1:
                for one in batch:
                    if not one[1].done():
                        await self._settle([one], waits_for_locks=False, alone=True)
                return
            answers = [error] * len(batch)
        for waiting, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Conflict) and not waits_for_locks and not alone:
                self._set_aside.append(waiting)
            else:
                settle(waiting[1], answer)


def applied_or_held(works: Sequence[Work], results: Sequence[Result]) -> list[Result | Unavailable]:
    """Return the results of a call that did not wait for locks. An event without a result is held, and not recorded."""
    return [
        Conflict("database_conflict", "Another transaction holds a row that this event needs.")
        if isinstance(answer, Unavailable)
        else answer
        for answer in results_by_work(works, results)
    ]


def settle(result: "asyncio.Future[Result]", answer: Result | Exception) -> None:
    """Set the result or the error, unless the request has timed out.

    If the work is recorded after the timeout, the sender's retry is a duplicate.
    """
    if result.done():
        return
    if isinstance(answer, Exception):
        result.set_exception(answer)
    else:
        result.set_result(answer)


def time_out(result: "asyncio.Future[Result]") -> None:
    """Fail the request with Unavailable, unless it has a result."""
    settle(result, Unavailable("database_slow", "The database did not answer in time."))
