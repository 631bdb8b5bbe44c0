"""One connection: uvicorn's own on httptools, with the bounds that uvicorn leaves to the application or to a proxy."""

import asyncio
import os
import resource
from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
"""How long a client may take for the head of a request, from its first byte or from the start of the connection."""

HEAD_BYTES = 32 * 1024
"""The size of a head, and of whatever else is not a body: empty lines, the extension of a chunk, trailers."""

MAX_PIPELINED = 100
"""Requests that wait for the answer to the one before them: each takes 2 kB, and one read may hold thousands."""

LAST_REQUEST_SECONDS = 1.0
"""When the worker ends, how long an open connection may still send a request, whose answer closes it: a client that
has just been accepted, or keeps its connection alive, would otherwise lose what it is sending.
"""

RESERVED_FILES = 64
"""Of the files that a process may open: for the database, the log, the relay and Auth. The rest are connections."""

BODY_HEADERS = (b"content-length", b"transfer-encoding")


def max_connections() -> int | None:
    """Of one process, which may open so many files; None: any number."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if files == resource.RLIM_INFINITY else max(1, files - RESERVED_FILES)


class Protocol(HttpToolsProtocol):
    """Bounds the time and the size of a head, the number of connections and what is pipelined; answers every whole
    request, also where the client has closed its direction or sends garbage after it. The limit of the configuration
    counts connections here, not requests: a connection that sends none takes a file, too.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Called for each accepted connection. Of many at once, the other workers should accept some: the one that runs
        would take all of them before another is scheduled.
        """
        os.sched_yield()
        super().__init__(*args, **kwargs)
        self._max_connections, self.limit_concurrency = self.limit_concurrency, None
        self._head_ends: asyncio.TimerHandle | None = None
        self._is_in_head = False
        self._is_whole = True  # no request is on its way
        self._idle_bytes = 0  # read since a request or a part of a body was complete
        self._has_progress = False  # such a completion, within one read
        self._is_last = False  # what follows is not read
        self._is_ending = False

    # What asyncio calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if self._max_connections is not None and len(self.connections) > self._max_connections:
            self._refuse(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n")
        else:
            self._await_head()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing() or self._is_last:
            return
        self._has_progress = False
        super().data_received(data)
        if self.transport.is_closing():
            return
        self._idle_bytes = 0 if self._has_progress else self._idle_bytes + len(data)
        if self._idle_bytes > HEAD_BYTES:
            self._refuse(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
        elif self._is_in_head and self._head_ends is None:
            self._await_head()

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        """A client that has sent a whole request and then closes its direction gets the answer."""
        if self._awaits_client():
            return False
        self.cycle.keep_alive = False
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    # What the parser calls; a ValueError is a 400

    def on_message_begin(self) -> None:
        super()._unset_keepalive_if_required()
        super().on_message_begin()
        self._is_in_head = True
        self._is_whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers come here too, and are not headers."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_is_here()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES:
            raise ValueError("the head is too large")
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests wait for their turn")
        offers_upgrade = self.parser.should_upgrade()
        if offers_upgrade and any(name in BODY_HEADERS for name, _ in self.headers):
            raise ValueError("the parser does not read the body of a request that offers an upgrade")
        super().on_headers_complete()
        self._is_last = offers_upgrade  # the parser would take what follows for something else
        if self._is_ending or self._is_last:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """uvicorn's, without its questions about WebSockets: a client may cause a call of this with each byte."""
        self._has_progress = True
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.body += body
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        self._is_whole = self._has_progress = True
        super().on_message_complete()

    # What uvicorn calls

    def send_400_response(self, msg: str) -> None:
        """Whole requests before a malformed one are answered first; the last of these answers closes the connection."""
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            super().send_400_response(msg)
        else:
            self.cycle.keep_alive = False
            self._is_last = True

    def shutdown(self) -> None:
        """The worker ends."""
        self._is_ending = True
        if self.cycle is not None:
            self.cycle.keep_alive = False
        if self._awaits_client():
            self.loop.call_later(LAST_REQUEST_SECONDS, self._close_if_silent)

    def _unset_keepalive_if_required(self) -> None:
        """Only a new request does: neither the rest of a body after its answer nor an empty line keeps a connection."""
        if self.transport.is_closing():
            super()._unset_keepalive_if_required()

    # Our own

    def _awaits_client(self) -> bool:
        """Whether no request is whole and unanswered."""
        return self.cycle is None or self.cycle.response_complete or not self._is_whole

    def _close_if_silent(self) -> None:
        if self._awaits_client():
            self.transport.close()

    def _await_head(self) -> None:
        self._head_ends = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _head_is_here(self) -> None:
        self._is_in_head = False
        if self._head_ends is not None:
            self._head_ends.cancel()
            self._head_ends = None

    def _refuse(self, start: bytes) -> None:
        self._head_is_here()
        self.transport.write(start + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()
