"""The protocol of an HTTP connection: that of uvicorn on httptools, with the limits that uvicorn leaves to a proxy."""

import asyncio
import os
import resource
from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
"""The time limit for the head of a request, from its first byte or from the start of the connection."""

HEAD_BYTES = 32 * 1024
"""The maximum size of a head. It also limits other bytes outside a body: empty lines, chunk extensions and trailers."""

MAX_PIPELINED = 100
"""The largest number of requests that wait for the response to an earlier request. Each request takes 2 kB, and one
read may hold thousands of requests.
"""

LAST_REQUEST_SECONDS = 1.0
"""The time in which an open connection may still send a request after the worker begins to stop. The response closes
the connection. Otherwise a new connection or a keep-alive connection would lose the request that it is sending.
"""

RESERVED_FILES = 64
"""The number of open files that are reserved for the database, the log, the relay and Auth. Connections may use all
other files."""

MAX_PARTS = 4096
"""The number of parts of bodies (chunks) in one read after which other connections have their turn. Otherwise the event
loop would do up to 32 reads of one connection in a row.
"""

BODY_HEADERS = (b"content-length", b"transfer-encoding")


def max_connections() -> int | None:
    """Return the largest number of connections of one process, or None if its open files have no limit."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if files == resource.RLIM_INFINITY else max(1, files - RESERVED_FILES)


class Protocol(HttpToolsProtocol):
    """Limits the time and the size of a head, the number of connections, and the number of pipelined requests.

    Every complete request gets a response, even if the client has closed its direction or sends garbage after the
    request. The configuration's `limit_concurrency` limits connections here instead of requests, because an idle
    connection needs a file too.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Let other workers run before this connection is served.

        Otherwise the running worker would accept all simultaneous connections.
        """
        os.sched_yield()
        super().__init__(*args, **kwargs)
        self._max_connections, self.limit_concurrency = self.limit_concurrency, None
        self._head_ends: asyncio.TimerHandle | None = None
        self._is_in_head = False
        self._is_complete = True  # no request is partly received
        self._idle_bytes = 0  # the number of bytes since the last complete request or part of a body
        self._parts = 0  # the number of requests and parts of bodies that the current read has completed
        self._is_last = False  # the protocol reads no further requests
        self._is_ending = False

    # Called by asyncio

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if self._max_connections is not None and len(self.connections) > self._max_connections:
            self._refuse(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n")
        else:
            self._await_head()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing() or self._is_last:
            return
        self._parts = 0
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._parts > MAX_PARTS and not self.flow.read_paused:
            self.flow.pause_reading()
            self.loop.call_soon(self._read_on)
        self._idle_bytes = 0 if self._parts else self._idle_bytes + len(data)
        if self._idle_bytes > HEAD_BYTES:
            self._refuse(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
        elif self._is_in_head and self._head_ends is None:
            self._await_head()

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        """Keep the connection open for the response if the client has closed its direction after a complete request."""
        if self._awaits_client():
            return False
        self.cycle.keep_alive = False
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    # Called by the parser. A ValueError causes a 400.

    def on_message_begin(self) -> None:
        super()._unset_keepalive_if_required()
        super().on_message_begin()
        self._is_in_head = True
        self._is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Ignore trailers, for which the parser calls this method too."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_is_here()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES:
            raise ValueError("the head is too large")
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many pipelined requests")
        offers_upgrade = self.parser.should_upgrade()
        if offers_upgrade and any(name in BODY_HEADERS for name, _ in self.headers):
            raise ValueError("the parser does not read the body of a request that offers an upgrade")
        super().on_headers_complete()
        self._is_last = offers_upgrade  # the parser would not read the following bytes as a request
        if self._is_ending or self._is_last:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Do the same as uvicorn, but skip its slow checks for WebSockets, because each byte may cause a call."""
        self._parts += 1
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.body += body
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        self._is_complete = True
        self._parts += 1
        super().on_message_complete()

    # Called by uvicorn

    def send_400_response(self, msg: str) -> None:
        """Answer the complete requests before the malformed one first. Their last response closes the connection."""
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            super().send_400_response(msg)
        else:
            self.cycle.keep_alive = False
            self._is_last = True

    def shutdown(self) -> None:
        """Close the connection after its current request, or after a last request within LAST_REQUEST_SECONDS."""
        self._is_ending = True
        if self.cycle is not None:
            self.cycle.keep_alive = False
        if self._awaits_client():
            self.loop.call_later(LAST_REQUEST_SECONDS, self._close_if_silent)

    def _unset_keepalive_if_required(self) -> None:
        """Continue the keep-alive timeout, because only a new request ends it.

        An empty line, or the remaining bytes of an answered body, does not end the timeout.
        """
        if self.transport.is_closing():
            super()._unset_keepalive_if_required()

    # Called by this class

    def _awaits_client(self) -> bool:
        """Return whether all complete requests have their responses."""
        return self.cycle is None or self.cycle.response_complete or not self._is_complete

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.flow.resume_reading()

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
