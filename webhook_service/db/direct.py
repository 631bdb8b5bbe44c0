"""The Database port over direct PostgreSQL connections (psycopg).

A call goes through libpq's pipeline (`psycopg.pq`), which costs a third of a cursor and can be waited for in both ways:
by a thread, and by an event loop.
"""

import asyncio
import os
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Event

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.conninfo import make_conninfo
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.types.json import Jsonb

from webhook_service.db.deadline import Deadline, too_slow
from webhook_service.db.sqlstate import error_for
from webhook_service.errors import BadSetting, DatabaseError, Unavailable
from webhook_service.events import Json

CONNECTIONS = 3
"""For the calls of threads: the relay, the pages and the probes. Those of the event loop (the lanes of `batching`) have
their own, so that neither waits for the other.
"""
STATEMENT_TIMEOUT = 3000
"""Milliseconds; the server's own limit on a call."""
LIMIT = f"select set_config('statement_timeout', '{STATEMENT_TIMEOUT:d}', true)".encode()
"""That limit, for one transaction."""

LIVELINESS: dict[str, int] = {
    "connect_timeout": 2,
    "tcp_user_timeout": 4000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}
"""libpq's options that notice a host that is gone; in seconds, tcp_user_timeout in milliseconds."""

CALL_TIMEOUT = 3.5
"""Seconds; ours, for a server that does not even keep its own."""


class DirectDatabase:
    """Calls SQL functions over a few connections, which it opens as they are needed and keeps.

    psycopg_pool is not used: it tries again by itself and so hides for seconds that a connection is refused, backs off
    for minutes after an outage, and hands out connections that were cut while they lay idle.
    """

    def __init__(self, url: str, *, connections: int = CONNECTIONS, call_timeout: float = CALL_TIMEOUT) -> None:
        try:
            self._conninfo = make_conninfo(url, **LIVELINESS, client_encoding="UTF8")
        except psycopg.ProgrammingError:  # its text may repeat a part of the password
            raise BadSetting("DATABASE_URL", "cannot be read as a connection string") from None
        self._idle: SimpleQueue[psycopg.Connection] = SimpleQueue()
        self._is_closed = False
        self._free = BoundedSemaphore(connections)
        self._call_timeout = call_timeout
        # A name server may take longer than connect_timeout. As many again are for the event loop.
        self._connecting = Deadline(2 * connections, call_timeout)

    def call(self, function: str, **params: Json) -> Json:
        until = time.monotonic() + self._call_timeout
        if not self._free.acquire(timeout=self._call_timeout):
            raise too_slow()
        try:
            with self._using(self._idle_connection() or self._connect()) as connection:
                exchange = Exchange(connection, function, params)
                wait_for(exchange, until)
                return exchange.answer()
        finally:
            self._free.release()

    async def call_soon(self, function: str, **params: Json) -> Json:
        until = time.monotonic() + self._call_timeout
        idle = self._idle_connection()
        with self._using(idle if idle is not None else await asyncio.to_thread(self._connect)) as connection:
            exchange = Exchange(connection, function, params)
            await wait_in_loop_for(exchange, until)
            return exchange.answer()

    @contextmanager
    def _using(self, connection: psycopg.Connection) -> Iterator[psycopg.Connection]:
        try:
            yield connection
        except psycopg.Error as error:
            connection.close()
            raise translated(error) from error
        except BaseException:
            connection.close()
            raise
        self._idle.put(connection)
        if self._is_closed:  # meanwhile
            self.close()

    def _connect(self) -> psycopg.Connection:
        is_too_late = Event()

        def connect() -> psycopg.Connection:
            connection = psycopg.connect(self._conninfo, autocommit=True)
            if is_too_late.is_set():
                connection.close()
            return connection

        try:
            return self._connecting.run(connect)
        except psycopg.Error as error:
            raise translated(error) from error
        except Unavailable:
            is_too_late.set()
            raise

    def _idle_connection(self) -> psycopg.Connection | None:
        while True:
            try:
                connection = self._idle.get_nowait()
            except Empty:
                return None
            if not connection.closed and not has_been_cut(connection):
                return connection
            connection.close()

    def close(self) -> None:
        self._is_closed = True
        self._connecting.close()
        while (connection := self._idle_connection()) is not None:
            connection.close()


class Exchange:
    """A call on one connection: asked when this is made, in one trip, and in one transaction with its limit, as a
    pooler in transaction mode may stand between, so that nothing is left in the session. Raises psycopg's errors.
    """

    def __init__(self, connection: psycopg.Connection, function: str, params: dict[str, Json]) -> None:
        given = ", ".join(f"{name} => ${place}" for place, name in enumerate(params, start=1))
        values = [Jsonb(value) if isinstance(value, dict | list) else value for value in params.values()]
        self._adapter = Transformer(connection)
        written = self._adapter.dump_sequence(values, [PyFormat.TEXT] * len(values))
        self._server = server = connection.pgconn
        self._answer: psycopg.pq.abc.PGresult | None = None
        server.enter_pipeline_mode()
        server.send_query_params(LIMIT, None)
        server.send_query_params(f"select public.{function}({given})".encode(), written, self._adapter.types)
        server.pipeline_sync()
        self.is_sent = server.flush() == 0

    @property
    def socket(self) -> int:
        return self._server.socket

    def is_over(self) -> bool:
        """Sends and takes what can be, without waiting."""
        if not self.is_sent:
            self.is_sent = self._server.flush() == 0
        self._server.consume_input()
        while not self._server.is_busy():
            result = self._server.get_result()
            if result is None:
                if self._server.status == ConnStatus.BAD:
                    raise psycopg.OperationalError("the connection broke")
            elif result.status == ExecStatus.PIPELINE_SYNC:
                self._server.exit_pipeline_mode()
                return True
            elif result.status != ExecStatus.PIPELINE_ABORTED and not self._has_failed():
                self._answer = result
        return False

    def _has_failed(self) -> bool:
        return self._answer is not None and self._answer.status == ExecStatus.FATAL_ERROR

    def answer(self) -> Json:
        """Once it is over."""
        assert self._answer is not None  # noqa: S101 (a statement always has a result)
        if self._has_failed():
            raise psycopg.errors.error_from_result(self._answer)
        self._adapter.set_pgresult(self._answer)
        return self._adapter.load_row(0, tuple)[0]


def wait_for(exchange: Exchange, until: float) -> None:
    """In this thread. Raises Unavailable."""
    ready = select.poll()
    while not exchange.is_over():
        ready.register(exchange.socket, select.POLLIN if exchange.is_sent else select.POLLIN | select.POLLOUT)
        if not ready.poll(max(0, until - time.monotonic()) * 1000):
            raise too_slow()


async def wait_in_loop_for(exchange: Exchange, until: float) -> None:
    """While the event loop goes on. Raises Unavailable.

    The loop watches a duplicate: libpq closes a broken connection by itself, and the next one accepted would have its
    number.
    """
    loop = asyncio.get_running_loop()
    is_over = loop.create_future()

    def go_on() -> None:
        try:
            while not is_over.done():
                if exchange.is_over():
                    is_over.set_result(None)
                elif not has_news(socket):  # uvloop tells of a broken connection once only
                    break
        except psycopg.Error as error:
            is_over.set_exception(error)
        if exchange.is_sent:
            loop.remove_writer(socket)

    socket = os.dup(exchange.socket)
    loop.add_reader(socket, go_on)
    if not exchange.is_sent:
        loop.add_writer(socket, go_on)
    try:
        async with asyncio.timeout(until - time.monotonic()):
            await is_over
    except TimeoutError as error:
        raise too_slow() from error
    finally:
        loop.remove_reader(socket)
        loop.remove_writer(socket)
        os.close(socket)


def has_been_cut(connection: psycopg.Connection) -> bool:
    """An idle connection has nothing to read, but for the news that it is no more."""
    return has_news(connection.fileno())


def has_news(socket: int) -> bool:
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))


def translated(error: psycopg.Error) -> Unavailable | DatabaseError:
    if error.sqlstate is not None:
        return error_for(error.sqlstate)
    if isinstance(error, psycopg.DataError):  # refused before it was sent
        return DatabaseError("database_error", "A parameter is no PostgreSQL text.")
    return Unavailable("database_unreachable", "The database cannot be reached.")
