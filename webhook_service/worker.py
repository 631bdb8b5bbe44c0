"""gunicorn's gevent worker, with what an answer costs twice in it done once."""

import signal
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.workers.ggevent import GeventWorker

LONGEST_GATHERED = 65536


class NoAccessLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn would put an access line together for each request, for a logger that throws it away (see log.py)."""

    access_log_enabled = False


class Gathered:
    """A connection that sends what is written to it together, at the end or when it becomes much: head and body of an
    answer are one packet then. Whatever else is done with it is done with the connection itself.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._written = b""

    def sendall(self, data: bytes) -> None:
        self._written += data
        if len(self._written) > LONGEST_GATHERED:
            self.send_written()

    def send_written(self) -> None:
        written, self._written = self._written, b""
        if written:
            sent = self._connection.send(written)  # the kernel takes all of it but from who does not read
            if sent < len(written):
                self._connection.sendall(written[sent:])

    def __getattr__(self, name: str) -> Any:
        self.send_written()
        return getattr(self._connection, name)


class Worker(GeventWorker):  # type: ignore[misc]
    """Each request has a greenlet of its own; those that wait for the database wait together."""

    def init_process(self) -> None:
        # gevent's patches take a while, in which gunicorn's own handler would lose the order to stop.
        signal.signal(signal.SIGTERM, self.handle_exit)
        # A worker's settings do not change, and each request asks for some thirty: as attributes they need no lookup.
        self.cfg.__dict__.update({name: setting.get() for name, setting in self.cfg.settings.items()})
        super().init_process()

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        gathered = Gathered(sock)
        try:
            super().handle_request(listener_name, req, gathered, addr)
        finally:
            gathered.send_written()
