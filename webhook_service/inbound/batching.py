"""Group commit: events that arrive at the same time share one call of the database, one transaction, one commit."""

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
"""How long the next call waits for the senders of the last: once answered, they send their next events. Without this
wait, a process would alternate between two halves of its senders, each with half of a batch.
"""

FAR_SECONDS = 0.005
"""A network round trip from which on a second call is worth while: the database would be idle for so long."""

HELD_UP_SECONDS = 0.25
"""A call that lasts longer waits for somebody's lock: other events do not wait for it. If their rows are locked, too,
they are refused for now instead of waiting: an import that locks many employees would hold up all calls.
"""

MAX_CALLS = 3
"""Calls of one process under way at once, those that are held up included."""

PATIENCE_SECONDS = 4.0
"""How long a request waits for its result; the sender of the webhook stops waiting after 5."""


Waiting = tuple[Work, "asyncio.Future[Result]"]
"""A work, and the result that its request waits for."""


class GroupCommit:
    """Merges the works of concurrent requests. All of it runs in one event loop.

    One call is under way at a time, and what arrives meanwhile goes with the next one; far from the database, two.
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
        self._started: dict[asyncio.Task[None], float] = {}  # the calls under way, by the loop's time
        self._whole = 0  # works that make the next batch whole; it is not waited for any longer than _next says
        self._next: asyncio.Handle | None = None

    async def process(self, work: Work) -> Result:
        """Raises Unavailable where the sender should try again, DatabaseError where that will not help."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((work, result))
        if self._next is None or len(self._waiting) == self._whole:
            self._call_next(0)
        end = loop.call_later(self._patience, give_up, result)
        try:
            return await result
        finally:
            end.cancel()

    def waiting(self) -> int:
        """The number of works that wait for a call."""
        return len(self._waiting)

    def _call_next(self, pause: float) -> None:
        """Without a pause: after the requests that the loop has already read, so that they come along."""
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
        """The one rule: no call under way that is not held up; behind a slow network, one such call at most."""
        in_the_way = len(self._started) - self._held_up_calls()
        return in_the_way <= (self._database.round_trip > FAR_SECONDS) and len(self._started) < MAX_CALLS

    def _held_up_calls(self) -> int:
        now = asyncio.get_running_loop().time()
        return sum(now - started >= self._held_up for started in self._started.values())

    async def _run(self, batch: Sequence[Waiting], *, waits_for_locks: bool) -> None:
        """One call, and what follows from its end."""
        held_up = asyncio.get_running_loop().call_later(self._held_up, self._call_next, 0)
        try:
            await self._settle([each for each in batch if not each[1].done()], waits_for_locks)
        finally:
            held_up.cancel()
            self._started.pop(asyncio.current_task())  # type: ignore[arg-type]  # a coroutine of ours always runs in one
            self._whole = min(len(self._waiting) + len(batch), self._max_batch)
            self._call_next(0 if len(self._waiting) >= self._whole else RETURN_SECONDS)

    async def _settle(self, batch: Sequence[Waiting], waits_for_locks: bool) -> None:
        """Gives each its result or its error. What the database refuses together is tried one by one."""
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
        except Exception as error:  # noqa: BLE001 (it belongs to those who wait for it)
            if isinstance(error, DatabaseError | Conflict) and len(batch) > 1:
                for one in batch:
                    if not one[1].done():
                        await self._settle([one], waits_for_locks=False)
                return
            answers = [error] * len(batch)
        for (_, result), answer in zip(batch, answers, strict=True):
            settle(result, answer)


def applied_or_held(works: Sequence[Work], results: Sequence[Result]) -> list[Result | Unavailable]:
    """The results of a call that did not wait for locks: an event without one is held, and not recorded."""
    return [
        Conflict("database_conflict", "Another transaction holds a row that this event needs.")
        if isinstance(answer, Unavailable)
        else answer
        for answer in results_by_work(works, results)
    ]


def settle(result: "asyncio.Future[Result]", answer: Result | Exception) -> None:
    """Once. A work that is recorded after its request was given up is a duplicate when it is sent again."""
    if result.done():
        return
    if isinstance(answer, Exception):
        result.set_exception(answer)
    else:
        result.set_result(answer)


def give_up(result: "asyncio.Future[Result]") -> None:
    settle(result, Unavailable("database_slow", "The database did not answer in time."))
