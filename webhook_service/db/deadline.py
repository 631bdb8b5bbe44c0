"""Time limits for calls of libraries that have no time limits, and the shortest of the latest durations."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from webhook_service.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


class Deadline:
    """Runs calls in at most `threads` threads, and waits at most `seconds` for each call."""

    def __init__(self, threads: int, seconds: float) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="database")
        self._seconds = seconds

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the call, and return its result or raise its error. Raises Unavailable after the deadline.

        A call that has not begun by the deadline does not run.
        """
        future = self._threads.submit(call, *args, **kwargs)
        try:
            return future.result(self._seconds)
        except TimeoutError as error:
            future.cancel()
            raise timed_out() from error

    async def run_soon(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the same as `run` without blocking the event loop."""
        future = self._threads.submit(call, *args, **kwargs)
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise timed_out() from error

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class ShortestDuration:
    """The shortest of the latest durations, in seconds, or 0 before the first duration.

    The shortest duration is an estimate for a call without delays.
    """

    def __init__(self, latest: int = 32) -> None:
        self._durations: deque[float] = deque(maxlen=latest)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self._durations.append(seconds)
        self.seconds = min(self._durations)


def timed_out() -> Unavailable:
    return Unavailable("database_slow", "The database did not answer in time.")
