"""One connection: uvicorn's own on httptools, with limits on what it leaves to the application or to a proxy."""

import asyncio
import os
import resource
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
"""How long a client may take for the head of a request, from its first byte or from the start of the connection."""

HEAD_BYTES = 32 * 1024
"""The size of a head that arrives in more than one read."""

LAST_REQUEST_SECONDS = 1.0
"""When the worker ends, how long an open connection may still send a request, whose answer closes it: a client that
has just been accepted, or keeps its connection alive, would otherwise lose what it is sending.
"""

RESERVED_FILES = 64
"""Of the files that a process may open: for the database, the log, the relay and Auth. The rest are connections."""


def max_connections() -> int | None:
    """Of one process, which may open so many files; None: any number."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if files == resource.RLIM_INFINITY else max(1, files - RESERVED_FILES)


class Protocol(HttpToolsProtocol):
    """Bounds the time and the size of a head and the number of connections, and answers a client that has closed its
    own direction. uvicorn itself would refuse requests over its limit, not connections that send none.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Called for each accepted connection. Of many at once, the other workers should accept some: the one that runs
        would take all of them before another is scheduled.
        """
        os.sched_yield()
        super().__init__(*args, **kwargs)
        self._head_ends: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._is_whole = True  # no request is on its way
        self._head_is_whole = False
        self._is_ending = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency:
            self._refuse(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n")
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if not self._head_is_whole and not self.transport.is_closing():
            if self._head_ends is None:  # of a further request on this connection
                self._await_head()
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_whole = False
        self._head_is_whole = False

    def on_headers_complete(self) -> None:
        self._head_is_here()
        super().on_headers_complete()
        if self._is_ending:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._is_whole = True
        super().on_message_complete()

    def shutdown(self) -> None:
        """Called by uvicorn when the worker ends."""
        self._is_ending = True
        if self.cycle is not None:
            self.cycle.keep_alive = False
        if self._awaits_client():
            self.loop.call_later(LAST_REQUEST_SECONDS, self._close_if_silent)

    def _awaits_client(self) -> bool:
        """Whether no request is whole and unanswered."""
        return self.cycle is None or self.cycle.response_complete or not self._is_whole

    def _close_if_silent(self) -> None:
        if self._awaits_client():
            self.transport.close()

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        """A client that has sent a whole request and then closes its direction gets the answer."""
        if self._awaits_client():
            return False
        self.cycle.keep_alive = False
        return True

    def _unset_keepalive_if_required(self) -> None:
        """The rest of a body whose request has been answered already does not keep the connection open."""
        if self._is_whole or self.transport.is_closing():
            super()._unset_keepalive_if_required()

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head_ends = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _head_is_here(self) -> None:
        self._head_is_whole = True
        if self._head_ends is not None:
            self._head_ends.cancel()
            self._head_ends = None

    def _refuse(self, start: bytes) -> None:
        self._head_is_here()
        self.transport.write(start + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()
