"""The event loop for tests that are threads: calls into it, and doubles that are called from it."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from webhook_service.batching import GroupCommit
from webhook_service.events import Json, Result, Work

T = TypeVar("T")


class CalledSoon:
    """For a double of the database: in the event loop it does what it does in a thread."""

    round_trip = 0.0

    def call(self, function: str, **params: Json) -> Json:
        raise NotImplementedError

    async def call_soon(self, function: str, **params: Json) -> Json:
        return await asyncio.to_thread(self.call, function, **params)


class LoopBeside:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


class ForThreads:
    """A group commit that threads may call, as requests do in their loop."""

    def __init__(self, commits: GroupCommit) -> None:
        self._commits = commits
        self._loop = LoopBeside()

    def process(self, work: Work) -> Result:
        return self._loop.run(self._commits.process(work))

    def waiting(self) -> int:
        return self._commits.waiting()
