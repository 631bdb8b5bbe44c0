"""gunicorn's ASGI worker: deliveries in its event loop, Flask's requests in threads."""

import asyncio
import gc
import os
import signal
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.glogging import Logger
from gunicorn.workers.gasgi import ASGIWorker

HEARTBEAT = 1.0
"""Seconds between two signs of life to gunicorn, which ends a worker that gives none. Garbage is looked for then, too:
connections end old, and at what is old Python would look after a million new objects only (see gunicorn_conf).
"""

LAST_REQUEST = 1.0
"""Seconds in which who keeps a connection alive may use it once more when the worker ends: that answer closes it."""

LOOK_AGAIN = 0.02


class NoAccessLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn would put an access line together for each request, for a logger that throws it away (see log.py)."""

    access_log_enabled = False


class Connection(ASGIProtocol):  # type: ignore[misc]
    """Closed by an answer that says so, and never after one that did not: its client would lose what it sends next."""

    def _will_close(self, request: Any, response_requires_close: bool) -> bool:
        return bool(self.worker.is_ending() or super()._will_close(request, response_requires_close))

    def connection_lost(self, exc: Exception | None) -> None:
        """The parser knows its connection: without this circle, memory is free at once."""
        super().connection_lost(exc)
        self._callback_parser = None


class Worker(ASGIWorker):  # type: ignore[misc]
    """`wsgi:app` is Flask's application, for any WSGI server; in here it is served by its other face.

    It ends in order and at once: gunicorn's own would look up each second only, and wait for connections on which
    nothing happens.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.alive: bool
        self._connections: WeakSet[Connection] = WeakSet()
        self._ending = asyncio.Event()

    def load_wsgi(self) -> None:
        self.wsgi = self.app.wsgi()
        self.asgi = self.wsgi.extensions["asgi"]

    def init_process(self) -> None:
        self.init_signals()  # before anything that takes a while
        super().init_process()

    def init_signals(self) -> None:
        """Plain ones while the application is loaded: the loop does not hear of a signal before it runs."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, lambda *_: self.handle_exit_signal())

    async def _serve(self) -> None:
        super().init_signals()
        servers = [
            await self.loop.create_server(self._connection, sock=each.sock, backlog=self.cfg.backlog)
            for each in self.sockets
        ]
        while self.alive and not self._ending.is_set() and self.ppid == os.getppid():
            self.notify()
            gc.collect()
            await self._wait_for_the_end(HEARTBEAT)
        self._ending.set()  # from now on, each answer closes its connection
        for server in servers:
            server.close()
        if not self._quick_shutdown:
            await self._until_all_are_gone(LAST_REQUEST)
            for connection in list(self._connections):
                if connection._current_request is None:
                    connection._close_transport()
            await self._until_all_are_gone(self.cfg.graceful_timeout)
        self.alive = False

    def is_ending(self) -> bool:
        return self._ending.is_set()

    def _connection(self) -> Connection:
        connection = Connection(self)
        self._connections.add(connection)
        return connection

    async def _wait_for_the_end(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()

    async def _until_all_are_gone(self, seconds: float) -> None:
        ends = self.loop.time() + seconds
        while self.nr_conns > 0 and self.loop.time() < ends and not self._quick_shutdown:
            await asyncio.sleep(LOOK_AGAIN)

    def handle_exit_signal(self) -> None:
        self._ending.set()

    def handle_quit_signal(self) -> None:
        super().handle_quit_signal()
        self._ending.set()
