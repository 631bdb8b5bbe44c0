"""An event loop for tests with threads, calls into the loop, and doubles that the loop calls."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from webhook_service.events import Json, Result, Work
from webhook_service.inbound.batching import GroupCommit

T = TypeVar("T")


class CalledSoon:
    """The base of a double of the database, whose `call_soon` runs `call` in a thread."""

    round_trip = 0.0

    def call(self, function: str, **params: Json) -> Json:
        raise NotImplementedError

    async def call_soon(self, function: str, **params: Json) -> Json:
        return await asyncio.to_thread(self.call, function, **params)


class LoopBeside:
    """An event loop in a separate thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


class ForThreads:
    """A group commit that threads may call."""

    def __init__(self, commits: GroupCommit) -> None:
        self._commits = commits
        self._loop = LoopBeside()

    def process(self, work: Work) -> Result:
        return self._loop.run(self._commits.process(work))

    def waiting(self) -> int:
        return self._commits.waiting()
