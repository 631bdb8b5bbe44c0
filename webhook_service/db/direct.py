"""The Database port over direct PostgreSQL connections (psycopg)."""

import asyncio
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Event
from typing import Any, Generic, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from webhook_service.db.deadline import Deadline, ShortestDuration, timed_out
from webhook_service.db.sqlstate import error_for
from webhook_service.errors import BadSetting, DatabaseError, Unavailable
from webhook_service.events import Json
from webhook_service.ports import LONG_CALLS

C = TypeVar("C", "Connection", "AsyncConnection")
T = TypeVar("T")

CONNECTIONS = 3
"""The number of connections for calls of threads: the relay, the pages and the probes. Calls of the event loop use
other connections, at most `batching.MAX_CALLS`, so that calls of threads and of the event loop do not wait for each
other.
"""

STATEMENT_TIMEOUT_MILLISECONDS = 3000
"""The time limit that the server enforces on a call."""

LIMIT = "select set_config('statement_timeout', '{:d}', true)"
"""Sets the server's time limit for one transaction. A pooler in transaction mode would not keep a session's setting."""

CALL = "select public.{}({}), extract(epoch from clock_timestamp() - statement_timestamp())::float8"
"""Returns the function's result, and the seconds that the server needed for it."""

CONNECTION_OPTIONS: dict[str, int] = {
    "connect_timeout": 2,
    "tcp_user_timeout": 4000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}
"""libpq's options that detect a dead host. Times are in seconds, except tcp_user_timeout, which is in milliseconds."""

CALL_TIMEOUT_SECONDS = 3.5
"""The time limit of the client on a call, in case the server does not enforce its limit."""

TLS_FAILURES = (
    *("certificate verify failed", "does not match host name", "root certificate file", "server does not support SSL"),
    "no encryption",
)
"""Parts of the messages of libpq and of the server about a connection that `sslmode` or `sslrootcert` prevents."""

WAIT_INTERVAL_SECONDS = 0.1
"""The interval of psycopg's checks during a wait. This is psycopg's default."""


class Connection(psycopg.Connection[Any]):
    """A connection whose waits end at `until` (monotonic seconds), with psycopg's OperationalError."""

    until = inf

    def wait(self, gen: PQGen[T], interval: float = WAIT_INTERVAL_SECONDS, timeout: float | None = None) -> T:
        try:
            return super().wait(gen, interval, timeout=max(0, self.until - time.monotonic()))
        except BaseException:
            abandon(self, gen)
            raise


class AsyncConnection(psycopg.AsyncConnection[Any]):
    """A `Connection` for an event loop.

    `asyncio.timeout` is not used, because psycopg first requests a cancellation from the server when a task is
    cancelled.
    """

    until = inf

    async def wait(self, gen: PQGen[T], interval: float = WAIT_INTERVAL_SECONDS, timeout: float | None = None) -> T:
        try:
            return await super().wait(gen, interval, timeout=max(0, self.until - time.monotonic()))
        except BaseException:
            abandon(self, gen)
            raise


def abandon(connection: Connection | AsyncConnection, gen: PQGen[T]) -> None:
    """Close the connection, and then the generator of a wait that has failed, which may not have ended.

    psycopg's generator that ends a pipeline waits again when it is closed, to receive the remaining results. Python
    reports this as "generator ignored GeneratorExit", with a traceback. The closed connection ends the wait at once.
    """
    connection.pgconn.finish()
    with suppress(psycopg.Error):
        gen.close()


class IdleConnections(Generic[C]):
    """Connections that are not in use. Any thread may take a connection or put a connection back."""

    def __init__(self) -> None:
        self._connections: SimpleQueue[C] = SimpleQueue()
        self._is_closed = False

    def take(self) -> C | None:
        """Return a connection that the server has not closed, or None if there is none.

        The server sends data on an idle connection only when it closes the connection.
        """
        while True:
            try:
                connection = self._connections.get_nowait()
            except Empty:
                return None
            if not connection.closed and not has_unread_data(connection.fileno()):
                return connection
            connection.pgconn.finish()

    @contextmanager
    def using(self, connection: C, until: float) -> Iterator[C]:
        """Put the connection back after success, and close it after an error. Raises Unavailable, DatabaseError."""
        connection.until = until
        try:
            yield connection
        except psycopg.Error as error:
            connection.pgconn.finish()
            raise (timed_out() if time.monotonic() >= until else translated(error)) from error
        except BaseException:
            connection.pgconn.finish()
            raise
        self._connections.put(connection)
        if self._is_closed:  # another thread may have called `close` during the call
            self.close()

    def close(self) -> None:
        self._is_closed = True
        while (connection := self.take()) is not None:
            connection.pgconn.finish()


class DirectDatabase:
    """Calls SQL functions over a few connections, which it opens on demand and keeps open.

    A call is one pipeline, so it needs one round trip and one transaction. psycopg_pool is not used for three reasons.
    It retries automatically, which hides a refused connection for seconds. It backs off for minutes after an outage. It
    returns connections that the server has closed while they were idle.

    Raises BadSetting for a `url` that libpq cannot read.
    """

    def __init__(self, url: str, *, connections: int = CONNECTIONS, call_timeout: float = CALL_TIMEOUT_SECONDS) -> None:
        try:
            self._conninfo = make_conninfo(url, **CONNECTION_OPTIONS, client_encoding="UTF8")
        except psycopg.ProgrammingError:  # the error's text may repeat a part of the password
            raise BadSetting("DATABASE_URL", "cannot be read as a connection string") from None
        self._idle: IdleConnections[Connection] = IdleConnections()
        self._idle_in_loop: IdleConnections[AsyncConnection] = IdleConnections()
        self._free = BoundedSemaphore(connections)
        self._call_timeout = call_timeout
        self._connecting = Deadline(connections, call_timeout)  # a DNS lookup may take longer than connect_timeout
        self._round_trips = ShortestDuration()

    def call(self, function: str, **params: Json) -> Json:
        until = time.monotonic() + max(self._call_timeout, LONG_CALLS.get(function, 0))
        if not self._free.acquire(timeout=self._call_timeout):
            raise timed_out()
        try:
            with self._idle.using(self._idle.take() or self._connect(), until) as connection:
                with connection.pipeline():
                    connection.execute(limit_of(function))
                    cursor = connection.execute(*statement(function, params))
                return result_in(cursor.fetchone())[0]
        finally:
            self._free.release()

    async def call_soon(self, function: str, **params: Json) -> Json:
        until = time.monotonic() + self._call_timeout
        with self._idle_in_loop.using(self._idle_in_loop.take() or await self._connect_soon(), until) as connection:
            started = time.monotonic()
            async with connection.pipeline():
                await connection.execute(limit_of(function))
                cursor = await connection.execute(*statement(function, params))
            result, server_seconds = result_in(await cursor.fetchone())
            self._round_trips.add(time.monotonic() - started - server_seconds)
        return result

    @property
    def round_trip(self) -> float:
        return self._round_trips.seconds

    def _connect(self) -> Connection:
        is_too_late = Event()

        def connect() -> Connection:
            connection = Connection.connect(self._conninfo, autocommit=True, prepare_threshold=None)
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

    async def _connect_soon(self) -> AsyncConnection:
        try:
            async with asyncio.timeout(self._call_timeout):
                return await AsyncConnection.connect(self._conninfo, autocommit=True, prepare_threshold=None)
        except psycopg.Error as error:
            raise translated(error) from error
        except TimeoutError as error:
            raise timed_out() from error

    def close(self) -> None:
        self._connecting.close()
        self._idle.close()
        self._idle_in_loop.close()


def limit_of(function: str) -> str:
    """Return the statement that sets the server's time limit for a call of this function."""
    return LIMIT.format(LONG_CALLS.get(function, 0) * 1000 or STATEMENT_TIMEOUT_MILLISECONDS)


def statement(function: str, params: dict[str, Json]) -> tuple[str, list[Any]]:
    """Return the statement that calls a SQL function with named parameters, and the parameters' values."""
    arguments = ", ".join(f"{name} => %s" for name in params)
    values = [Jsonb(value) if isinstance(value, dict | list) else value for value in params.values()]
    return CALL.format(function, arguments), values


def result_in(row: tuple[Json, float] | None) -> tuple[Json, float]:
    assert row is not None  # noqa: S101 (a select without a table has one row)
    return row


def has_unread_data(socket: int) -> bool:
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))


def translated(error: psycopg.Error) -> Unavailable | DatabaseError:
    if error.sqlstate is not None:
        return error_for(error.sqlstate)
    if isinstance(error, psycopg.DataError):  # psycopg refused the value before it sent a request
        return DatabaseError("database_error", "A parameter cannot be stored as PostgreSQL text.")
    if any(words in str(error) for words in TLS_FAILURES):
        return Unavailable(
            "database_unreachable", "The database cannot be reached with the TLS options of DATABASE_URL."
        )
    return Unavailable("database_unreachable", "The database cannot be reached.")
