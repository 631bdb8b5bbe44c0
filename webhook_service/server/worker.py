"""uvicorn's worker class for gunicorn, which also stops its relay, and ends if gunicorn's main process dies."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from uvicorn import Server
from uvicorn_worker import UvicornWorker

from webhook_service.server.protocol import Protocol, max_connections

GRACE_SECONDS = 12
"""The grace period of requests when the worker stops. It is longer than the 10 seconds for a body. Without a
grace period, a client that does not read its response would keep the worker running.
"""

RECEIVE_BUFFER = 32 * 1024
"""The size in bytes of the kernel's buffer for a connection (Linux doubles it), and so of a read. By default it grows
to megabytes. One read can be 11,000 chunks, during which no other connection is served.
"""

HEARTBEAT_SECONDS = 1
"""The interval of heartbeats to gunicorn, which ends a worker that sends none."""


class QuietServer(Server):
    """A uvicorn server that does not re-raise the signal that stopped it.

    If the signal were raised again, gunicorn would not run its hooks, which stop the relay.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Worker(UvicornWorker):  # type: ignore[misc]  # it has no types
    """Serves the ASGI form of `wsgi:app`, a Flask application that also runs under any WSGI server."""

    CONFIG_KWARGS = {
        "loop": "uvloop",
        "http": Protocol,
        "ws": "none",
        "lifespan": "off",
        "interface": "asgi3",
        "access_log": False,  # the service logs a line for each delivery itself
        "server_header": False,
        "timeout_notify": HEARTBEAT_SECONDS,
        "timeout_graceful_shutdown": GRACE_SECONDS,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # gunicorn already logs the start and end of a worker. uvicorn would also log each malformed request, and anyone
        # can send such requests.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)

    def init_process(self) -> None:
        """Set the signal handlers before the application loads, instead of gunicorn's handlers."""
        self.init_signals()
        super().init_process()

    async def _serve(self) -> None:
        from webhook_service.server.asgi import application  # imports prometheus-client: see gunicorn_conf.when_ready

        self.config.app = application(self.wsgi)
        self.config.limit_concurrency = max_connections()
        self._server = QuietServer(self.config)
        for each in self.sockets:
            each.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)  # its connections inherit this
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end)
        for number in (signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, self._end_at_once)
        await self._server.serve(sockets=[each.sock for each in self.sockets])

    def _end(self) -> None:
        """Stop the server and the relay. gunicorn_conf.worker_exit waits for the relay's current batch."""
        self._server.should_exit = True
        if (relay := self.wsgi.extensions.get("relay")) is not None:
            relay.stop()

    def _end_at_once(self) -> None:
        self._server.force_exit = True
        self._end()

    async def callback_notify(self) -> None:
        self.notify()
        if self.ppid != os.getppid():
            self._end()
