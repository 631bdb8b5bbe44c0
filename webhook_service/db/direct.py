"""The Database port over direct PostgreSQL connections (psycopg)."""

import asyncio
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Event
from typing import Any, Generic, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from webhook_service.db.deadline import Deadline, Shortest, too_slow
from webhook_service.db.sqlstate import error_for
from webhook_service.errors import BadSetting, DatabaseError, Unavailable
from webhook_service.events import Json

C = TypeVar("C", "Connection", "AsyncConnection")
T = TypeVar("T")

CONNECTIONS = 3
"""For the calls of threads: the relay, the pages and the probes. Those of the event loop have their own, at most
`batching.MAX_CALLS`, so that neither waits for the other.
"""

STATEMENT_TIMEOUT = 3000
"""Milliseconds; the server's own limit on a call."""

LIMIT = f"select set_config('statement_timeout', '{STATEMENT_TIMEOUT:d}', true)"
"""That limit, for one transaction: a pooler in transaction mode may stand between, so the session keeps nothing."""

CALL = "select public.{}({}), extract(epoch from clock_timestamp() - statement_timestamp())::float8"
"""The answer, and how many seconds the server worked on it."""

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

INTERVAL = 0.1
"""Seconds between psycopg's own checks while it waits; its default."""


class Connection(psycopg.Connection[Any]):
    """A connection whose waits end at `until` (monotonic seconds), with psycopg's OperationalError."""

    until = inf

    def wait(self, gen: PQGen[T], interval: float = INTERVAL, timeout: float | None = None) -> T:
        return super().wait(gen, interval, timeout=max(0, self.until - time.monotonic()))


class AsyncConnection(psycopg.AsyncConnection[Any]):
    """The same for an event loop. A cancellation from outside would first ask the server to cancel the query."""

    until = inf

    async def wait(self, gen: PQGen[T], interval: float = INTERVAL, timeout: float | None = None) -> T:
        return await super().wait(gen, interval, timeout=max(0, self.until - time.monotonic()))


class Idle(Generic[C]):
    """Connections that nobody uses at the moment; any thread may take one or put one back."""

    def __init__(self) -> None:
        self._connections: SimpleQueue[C] = SimpleQueue()
        self._is_closed = False

    def take(self) -> C | None:
        """One that has not been cut: an idle connection has nothing to read but that news."""
        while True:
            try:
                connection = self._connections.get_nowait()
            except Empty:
                return None
            if not connection.closed and not has_news(connection.fileno()):
                return connection
            connection.pgconn.finish()

    @contextmanager
    def using(self, connection: C, until: float) -> Iterator[C]:
        """Puts it back where all went well, and closes it otherwise. Raises Unavailable, DatabaseError."""
        connection.until = until
        try:
            yield connection
        except psycopg.Error as error:
            connection.pgconn.finish()
            raise (too_slow() if time.monotonic() >= until else translated(error)) from error
        except BaseException:
            connection.pgconn.finish()
            raise
        self._connections.put(connection)
        if self._is_closed:  # meanwhile
            self.close()

    def close(self) -> None:
        self._is_closed = True
        while (connection := self.take()) is not None:
            connection.pgconn.finish()


class DirectDatabase:
    """Calls SQL functions over a few connections, which it opens as they are needed and keeps.

    A call is one pipeline: one round trip, one transaction. psycopg_pool is not used: it retries by itself and so hides
    for seconds that a connection is refused, backs off for minutes after an outage, and hands out connections that were
    cut while they lay idle.
    """

    def __init__(self, url: str, *, connections: int = CONNECTIONS, call_timeout: float = CALL_TIMEOUT) -> None:
        try:
            self._conninfo = make_conninfo(url, **LIVELINESS, client_encoding="UTF8")
        except psycopg.ProgrammingError:  # its text may repeat a part of the password
            raise BadSetting("DATABASE_URL", "cannot be read as a connection string") from None
        self._idle: Idle[Connection] = Idle()
        self._idle_in_loop: Idle[AsyncConnection] = Idle()
        self._free = BoundedSemaphore(connections)
        self._call_timeout = call_timeout
        self._connecting = Deadline(connections, call_timeout)  # a name server may take longer than connect_timeout
        self._round_trips = Shortest()

    def call(self, function: str, **params: Json) -> Json:
        until = time.monotonic() + self._call_timeout
        if not self._free.acquire(timeout=self._call_timeout):
            raise too_slow()
        try:
            with self._idle.using(self._idle.take() or self._connect(), until) as connection:
                with connection.pipeline():
                    connection.execute(LIMIT)
                    cursor = connection.execute(*statement(function, params))
                return answer_in(cursor.fetchone())[0]
        finally:
            self._free.release()

    async def call_soon(self, function: str, **params: Json) -> Json:
        until = time.monotonic() + self._call_timeout
        with self._idle_in_loop.using(self._idle_in_loop.take() or await self._connect_soon(), until) as connection:
            asked = time.monotonic()
            async with connection.pipeline():
                await connection.execute(LIMIT)
                cursor = await connection.execute(*statement(function, params))
            answer, worked = answer_in(await cursor.fetchone())
            self._round_trips.add(time.monotonic() - asked - worked)
        return answer

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
            raise too_slow() from error

    def close(self) -> None:
        self._connecting.close()
        self._idle.close()
        self._idle_in_loop.close()


def statement(function: str, params: dict[str, Json]) -> tuple[str, list[Any]]:
    """The call of a SQL function with named parameters, and their values."""
    given = ", ".join(f"{name} => %s" for name in params)
    values = [Jsonb(value) if isinstance(value, dict | list) else value for value in params.values()]
    return CALL.format(function, given), values


def answer_in(row: tuple[Json, float] | None) -> tuple[Json, float]:
    assert row is not None  # noqa: S101 (a select without a table has one row)
    return row


def has_news(socket: int) -> bool:
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))


def translated(error: psycopg.Error) -> Unavailable | DatabaseError:
    if error.sqlstate is not None:
        return error_for(error.sqlstate)
    if isinstance(error, psycopg.DataError):  # refused before it was sent
        return DatabaseError("database_error", "A parameter cannot be a PostgreSQL text.")
    return Unavailable("database_unreachable", "The database cannot be reached.")
