"""One check for all requests that arrive while it runs."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedCheck(Generic[T]):
    """Runs one check at a time. All requests that arrive during a check share its result and its deadline.

    So any number of requests make one check at a time, and hold no thread after the deadline of `seconds`. A result is
    also used for the requests of the next `keep_seconds`.
    """

    def __init__(self, check: Callable[[], T], seconds: float, keep_seconds: float = 0.0) -> None:
        self._check = check
        self._seconds = seconds
        self._keep_seconds = keep_seconds
        self._lock = Lock()
        self._current: Future[T] | None = None
        self._until = 0.0
        self._kept_until = 0.0

    def result(self) -> T:
        """Return the result of the current check, or of a new check. Raises TimeoutError after the deadline."""
        with self._lock:
            if self._current is None or (self._current.done() and time.monotonic() >= self._kept_until):
                self._current = Future()
                self._until = time.monotonic() + self._seconds
                Thread(target=self._run, args=[self._current], name="check", daemon=True).start()
            current, until = self._current, self._until
        return current.result(max(0, until - time.monotonic()))

    def _run(self, future: Future[T]) -> None:
        try:
            found = self._check()
        except Exception as error:  # noqa: BLE001 (the requests that wait raise it)
            future.set_exception(error)
        else:
            self._kept_until = time.monotonic() + self._keep_seconds
            future.set_result(found)
