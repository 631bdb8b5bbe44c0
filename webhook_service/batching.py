"""Requests that wait at the same moment share one call: one round trip, one commit for all of them.

All of it happens in the event loop; only what went wrong is tried again in a thread.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from webhook_service.errors import Conflict, DatabaseError, Unavailable
from webhook_service.events import Result, Work
from webhook_service.handlers import Policy
from webhook_service.ports import Database
from webhook_service.processing import LOCK_TIMEOUT_ALONE, MAX_BATCH, process_batch, process_batch_soon

LANES = 3
"""Calls under way at once in one process, at most. A database nearby needs one: while it works, the next batch gathers.
One behind a network needs several, or it would lie idle for as long as questions and answers travel.
"""

GATHERING = 0.004
"""Seconds that a work waits for others while a call is under way; twice as long beside two, and so on. Beside one, as
many works as that one has need not wait: a call costs as much as several works in it, but while the database is busy
with one half of the senders, this process should be with the other.
"""

RETURNING = 0.002
"""Seconds after a call in which its senders come again, if there is more to send: the next one waits so long for as
many as the last one had. Where none has just ended, a work waits for nobody.
"""

PATIENCE = 4.0
"""Seconds that a request waits for its result; the webhook sender gives up after 5."""


class Waiting:
    """A work, who waits for its result, and since when (the loop's time). Once there is one, no other counts: what was
    recorded meanwhile is a duplicate when it is sent again.
    """

    __slots__ = ("result", "since", "work")

    def __init__(self, work: Work, since: float, result: "asyncio.Future[Result]") -> None:
        self.work = work
        self.since = since
        self.result = result

    def settle(self, answer: Result | BaseException) -> None:
        if self.result.done():
            return
        if isinstance(answer, BaseException):
            self.result.set_exception(answer)
        else:
            self.result.set_result(answer)

    def give_up(self) -> None:
        self.settle(Unavailable("database_slow", "The database did not answer in time."))


class Processor:
    """Merges the works of concurrent requests into batches. One event loop may call it."""

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
        self._calls: set[asyncio.Task[None]] = set()
        self._last = 0  # works of the last call begun
        self._ended = 0.0
        self._look: asyncio.Handle | None = None

    async def process(self, work: Work) -> Result:
        """Raises Unavailable where the sender should try again, DatabaseError where that will not help."""
        loop = asyncio.get_running_loop()
        waiting = Waiting(work, loop.time(), loop.create_future())
        self._waiting.append(waiting)
        if self._look is None or len(self._waiting) == self._last:  # before and after, only time changes something
            self._look_again(0)
        end = loop.call_later(self._patience, waiting.give_up)
        try:
            return await waiting.result
        finally:
            end.cancel()

    def waiting(self) -> int:
        """How many works wait for a call."""
        return len(self._waiting)

    def _look_again(self, pause: float) -> None:
        """After what the loop has at hand: what is at the door comes along."""
        if self._look is not None:
            self._look.cancel()
        loop = asyncio.get_running_loop()
        self._look = loop.call_later(pause, self._begin) if pause > 0 else loop.call_soon(self._begin)

    def _begin(self) -> None:
        """As many calls as are worth while now."""
        self._look = None
        while self._waiting and len(self._calls) < self._lanes:
            if (pause := self._pause()) > 0:
                self._look_again(pause)
                return
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_batch))]
            call = asyncio.get_running_loop().create_task(
                self._settle([item for item in batch if not item.result.done()])
            )
            self._calls.add(call)
            self._last = len(batch)
            call.add_done_callback(self._end)

    def _end(self, call: "asyncio.Task[None]") -> None:
        self._calls.discard(call)
        self._ended = asyncio.get_running_loop().time()
        if self._waiting:
            self._look_again(0)

    def _pause(self) -> float:
        """Seconds until the next call is to begin, if nothing happens."""
        now, under_way = asyncio.get_running_loop().time(), len(self._calls)
        if under_way <= 1 and len(self._waiting) >= self._last:
            return 0
        since, pause = (self._waiting[0].since, GATHERING * under_way) if under_way else (self._ended, RETURNING)
        return max(0, since + pause - now)

    async def _settle(self, batch: Sequence[Waiting]) -> None:
        if not batch:
            return
        works = [item.work for item in batch]
        try:
            results = await process_batch_soon(self._database, works, self._policy)
            answers: Sequence[Result | BaseException] = handed_out(works, results)
        except (DatabaseError, Conflict) as error:
            if len(works) == 1:
                answers = [error]
            else:  # one of them is poison, or in another's way: it fails alone
                await self._settle_each(batch)
                return
        except Exception as error:  # noqa: BLE001 (it belongs to those who wait)
            answers = [error] * len(works)
        for item, answer in zip(batch, answers, strict=True):
            item.settle(answer)

    async def _settle_each(self, batch: Sequence[Waiting]) -> None:
        """Those that nobody waits for any more are not begun."""
        for item in batch:
            if not item.result.done():
                item.settle(await asyncio.to_thread(self._alone, item.work))

    def _alone(self, work: Work) -> Result | BaseException:
        try:
            results = process_batch(self._database, [work], self._policy, lock_timeout=LOCK_TIMEOUT_ALONE)
        except Exception as error:  # noqa: BLE001 (it belongs to who waits)
            return error
        return handed_out([work], results)[0]


def handed_out(works: Sequence[Work], results: Sequence[Result]) -> list[Result | BaseException]:
    """To each work its result. The same event twice in one batch has two: the one that was applied, and a duplicate."""
    by_event: dict[str, list[Result]] = {}
    for result in results:
        by_event.setdefault(result.event_id, []).append(result)
    return [
        mine.pop(0)
        if (mine := by_event.get(work.event.event_id))
        else Unavailable("not_recorded", "The event was not recorded.")  # its row was removed while it waited for it
        for work in works
    ]
