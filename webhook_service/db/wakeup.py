"""Waits for due work, with LISTEN over a direct connection, or by sleeping."""

import time
from contextlib import suppress

import psycopg
from psycopg.conninfo import make_conninfo

from webhook_service.db.direct import CONNECTION_OPTIONS

LISTEN = "listen auth_sync"  # auth_sync_notify_v1 notifies this channel


class Wakeup:
    """A connection that listens for notifications.

    If it cannot listen, because of an outage or a pooler in transaction mode, `wait` sleeps.
    """

    def __init__(self, url: str) -> None:
        self._conninfo = make_conninfo(url, **CONNECTION_OPTIONS)
        self._connection: psycopg.Connection | None = None

    def wait(self, seconds: float) -> None:
        """Wait for a notification, at most `seconds`. A notification between two waits ends the next wait."""
        ends = time.monotonic() + seconds
        try:
            if self._connection is None:
                self._connection = psycopg.connect(self._conninfo, autocommit=True)
                self._connection.execute(LISTEN)
                return  # the caller's next poll finds rows that became due before this connection listened
            for _ in self._connection.notifies(timeout=seconds, stop_after=1):
                return
        except psycopg.Error:
            self.close()
            time.sleep(max(0, ends - time.monotonic()))

    def close(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None
