"""How long calls of the database take: a limit for libraries that have none of their own, and the shortest of late."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from webhook_service.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


class Deadline:
    """Runs calls in at most `threads` threads; none is waited for longer than `seconds`."""

    def __init__(self, threads: int, seconds: float) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="database")
        self._seconds = seconds

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The call's result or error; Unavailable after the deadline. A call that has not begun by then never does."""
        answer = self._threads.submit(call, *args, **kwargs)
        try:
            return answer.result(self._seconds)
        except TimeoutError as error:
            answer.cancel()
            raise too_slow() from error

    async def run_soon(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same in an event loop, which goes on meanwhile."""
        answer = self._threads.submit(call, *args, **kwargs)
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(answer)
        except TimeoutError as error:
            raise too_slow() from error

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Shortest:
    """The shortest of the latest durations, in seconds: one that was not held up by anything."""

    def __init__(self, latest: int = 32) -> None:
        self._durations: deque[float] = deque(maxlen=latest)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self._durations.append(seconds)
        self.seconds = min(self._durations)


def too_slow() -> Unavailable:
    return Unavailable("database_slow", "The database did not answer in time.")
