"""gunicorn's worker: uvicorn's, which stops its relay in order and does not outlive gunicorn."""

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from uvicorn import Server
from uvicorn_worker import UvicornWorker

from webhook_service.server.protocol import Protocol, max_connections

GRACE_SECONDS = 12
"""How long requests may take to end when the worker does: a body has 10 seconds. A client that does not read its answer
would otherwise keep the worker.
"""

HEARTBEAT_SECONDS = 1
"""Between two signs of life to gunicorn, which ends a worker that gives none."""


class QuietServer(Server):
    """uvicorn would raise a signal again at its end, and gunicorn's hooks, which stop the relay, would not run."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Worker(UvicornWorker):  # type: ignore[misc]  # it has no types
    """Serves `wsgi:app`, a Flask application for any WSGI server, by its ASGI form."""

    CONFIG_KWARGS = {
        "loop": "uvloop",
        "http": Protocol,
        "ws": "none",
        "lifespan": "off",
        "interface": "asgi3",
        "access_log": False,  # a delivery is one line already
        "server_header": False,
        "timeout_notify": HEARTBEAT_SECONDS,
        "timeout_graceful_shutdown": GRACE_SECONDS,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # gunicorn says that a worker starts and ends, and a warning for each malformed request would be a stranger's.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)

    def init_process(self) -> None:
        """A signal that comes while the application is loaded must not find gunicorn's own handlers."""
        self.init_signals()
        super().init_process()

    async def _serve(self) -> None:
        from webhook_service.server.asgi import application  # imports prometheus-client: see gunicorn_conf.when_ready

        self.config.app = application(self.wsgi)
        self.config.limit_concurrency = max_connections()
        self._server = QuietServer(self.config)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end)
        for number in (signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, self._end_at_once)
        await self._server.serve(sockets=[each.sock for each in self.sockets])

    def _end(self) -> None:
        """The relay claims nothing more; what it has begun is waited for in gunicorn_conf.worker_exit."""
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
