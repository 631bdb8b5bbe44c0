"""Waits for due work, with LISTEN over a direct connection, or by sleeping."""

import time
from contextlib import suppress

import psycopg
from psycopg.conninfo import make_conninfo

from webhook_service.db.direct import CONNECTION_OPTIONS

LISTEN = "listen auth_sync"  # auth_sync_notify_v1 notifies this channel


RETRY_SECONDS = 2.0
"""The time until the next attempt to listen, after one has failed."""


class Wakeup:
    """A connection that listens for notifications.

    If it cannot listen, because of an outage or a pooler in transaction mode, `wait` sleeps.
    """

    def __init__(self, url: str) -> None:
        self._conninfo = make_conninfo(url, **CONNECTION_OPTIONS)
        self._connection: psycopg.Connection | None = None
        self._retry_at = 0.0

    def wait(self, seconds: float) -> bool:
        """Wait for a notification, at most `seconds`, and return whether the caller should poll now.

        A notification between two waits ends the next wait.
        """
        ends = time.monotonic() + seconds
        try:
            if self._connection is None and time.monotonic() >= self._retry_at:
                self._connection = psycopg.connect(self._conninfo, autocommit=True)
                self._connection.execute(LISTEN)
                return True  # the caller's poll finds rows that became due before this connection listened
            if self._connection is not None:
                return any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))
        except psycopg.Error:
            self.close()
            self._retry_at = time.monotonic() + RETRY_SECONDS
        time.sleep(max(0, ends - time.monotonic()))
        return False

    def close(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None
