"""Waiting for something to come: by LISTEN where there is a direct connection, else by sleeping."""

import time
from contextlib import suppress

import psycopg
from psycopg.conninfo import make_conninfo

from webhook_service.db.direct import LIVELINESS

LISTEN = "listen auth_sync"  # what auth_sync_notify_v1 tells


class Wakeup:
    """A connection that listens. Where it cannot (a pooler in transaction mode, an outage), waiting is sleeping."""

    def __init__(self, url: str) -> None:
        self._conninfo = make_conninfo(url, **LIVELINESS)
        self._connection: psycopg.Connection | None = None

    def wait(self, seconds: float) -> None:
        """Until a notification, or so many seconds. What came between two waits ends the next one at once."""
        ends = time.monotonic() + seconds
        try:
            if self._connection is None:
                self._connection = psycopg.connect(self._conninfo, autocommit=True)
                self._connection.execute(LISTEN)
                return  # what came before we listened is seen by looking again
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
