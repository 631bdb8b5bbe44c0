"""The event loop for tests that are threads: calls into it, and doubles that are called from it."""

import asyncio

from webhook_service.batching import Processor
from webhook_service.events import Json, Result, Work
from webhook_service.web.gateway import LoopBeside


class CalledSoon:
    """For a double of the database: in the event loop it does what it does in a thread."""

    __slots__ = ()

    def call(self, function: str, **params: Json) -> Json:
        raise NotImplementedError

    async def call_soon(self, function: str, **params: Json) -> Json:
        return await asyncio.to_thread(self.call, function, **params)


class ForThreads:
    """A processor that threads may call, as requests do in their loop."""

    def __init__(self, processor: Processor) -> None:
        self._processor = processor
        self._loop = LoopBeside()

    def process(self, work: Work) -> Result:
        return self._loop.run(self._processor.process(work))

    def waiting(self) -> int:
        return self._processor.waiting()
