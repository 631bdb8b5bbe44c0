"""Group commit: events that arrive at the same time share one call of the database, one transaction, one commit."""

import asyncio
from collections import deque
from collections.abc import Sequence

from webhook_service.errors import Conflict, DatabaseError, Unavailable
from webhook_service.events import Result, Work
from webhook_service.inbound.processing import LOCK_TIMEOUT_ALONE, MAX_BATCH, process_batch_soon, results_by_work
from webhook_service.policy import Policy
from webhook_service.ports import Database

RETURN_SECONDS = 0.002
"""How long the next call waits for the senders of the last: once answered, they send their next events. Without this
wait, a process would alternate between two halves of its senders, each with half of a batch.
"""

FAR_SECONDS = 0.005
"""A network round trip from which on a second call is worth while: the database would be idle for so long."""

HELD_UP_SECONDS = 0.25
"""A call that lasts longer waits for somebody's lock: other events do not wait for it."""

MAX_CALLS = 3
"""Calls of one process under way at once, those that are held up included."""

PATIENCE_SECONDS = 4.0
"""How long a request waits for its result; the sender of the webhook stops waiting after 5."""


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
        self._waiting: deque[tuple[Work, asyncio.Future[Result]]] = deque()
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
        end = loop.call_later(self._patience, settle, result, too_late())
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
            self._started[loop.create_task(self._run(batch))] = loop.time()

    def _may_call(self) -> bool:
        """The one rule: no call under way that is not held up; behind a slow network, one such call at most."""
        now = asyncio.get_running_loop().time()
        in_the_way = sum(now - started < self._held_up for started in self._started.values())
        return in_the_way <= (self._database.round_trip > FAR_SECONDS) and len(self._started) < MAX_CALLS

    async def _run(self, batch: Sequence[tuple[Work, "asyncio.Future[Result]"]]) -> None:
        """One call, and what follows from its end."""
        held_up = asyncio.get_running_loop().call_later(self._held_up, self._call_next, 0)
        await self._settle([each for each in batch if not each[1].done()])
        held_up.cancel()
        self._started.pop(asyncio.current_task())  # type: ignore[arg-type]  # a coroutine of ours always runs in one
        self._whole = min(len(self._waiting) + len(batch), self._max_batch)
        self._call_next(0 if len(self._waiting) >= self._whole else RETURN_SECONDS)

    async def _settle(self, batch: Sequence[tuple[Work, "asyncio.Future[Result]"]], lock_timeout: str = "") -> None:
        """Gives each its result or its error. What the database refuses together is tried one by one."""
        if not batch:
            return
        works = [work for work, _ in batch]
        timeout = {"lock_timeout": lock_timeout} if lock_timeout else {}
        answers: Sequence[Result | Exception]
        try:
            answers = results_by_work(works, await process_batch_soon(self._database, works, self._policy, **timeout))
        except Exception as error:  # noqa: BLE001 (it belongs to those who wait for it)
            if isinstance(error, DatabaseError | Conflict) and len(batch) > 1:
                for one in batch:
                    if not one[1].done():
                        await self._settle([one], LOCK_TIMEOUT_ALONE)
                return
            answers = [error] * len(batch)
        for (_, result), answer in zip(batch, answers, strict=True):
            settle(result, answer)


def settle(result: "asyncio.Future[Result]", answer: Result | Exception) -> None:
    """Once. A work that is recorded after its request was given up is a duplicate when it is sent again."""
    if result.done():
        return
    if isinstance(answer, Exception):
        result.set_exception(answer)
    else:
        result.set_result(answer)


def too_late() -> Unavailable:
    return Unavailable("database_slow", "The database did not answer in time.")
