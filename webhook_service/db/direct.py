"""The Database port over direct PostgreSQL connections (psycopg)."""

import select
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from webhook_service.db.deadline import Deadline
from webhook_service.db.sqlstate import error_for
from webhook_service.errors import BadSetting, DatabaseError, Unavailable
from webhook_service.events import Json

CONNECTIONS = 4
STATEMENT_TIMEOUT = 3000
"""Milliseconds; the server's own limit on a call."""
LIMIT = f"select set_config('statement_timeout', '{STATEMENT_TIMEOUT:d}', true)"
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
            self._conninfo = make_conninfo(url, **LIVELINESS)
        except psycopg.ProgrammingError:  # its text may repeat a part of the password
            raise BadSetting("DATABASE_URL", "cannot be read as a connection string") from None
        self._idle: SimpleQueue[psycopg.Connection] = SimpleQueue()
        self._deadline = Deadline(connections, call_timeout)

    def call(self, function: str, **params: Json) -> Json:
        in_use = InUse()
        try:
            return self._deadline.run(self._call, function, params, in_use)
        except Unavailable:
            in_use.cut()  # where the deadline has passed, the thread still waits
            raise

    def _call(self, function: str, params: dict[str, Json], in_use: "InUse") -> Json:
        given = ", ".join(f"{name} => %({name})s" for name in params)
        query = f"select public.{function}({given})"  # noqa: S608 (names of ours, no values)
        values = {name: Jsonb(value) if isinstance(value, dict | list) else value for name, value in params.items()}
        try:
            with self._connection() as connection, in_use.by(connection):
                row = answered(connection, query, values)
        except psycopg.Error as error:
            raise translated(error) from error
        return row[0] if row is not None else None

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        connection = self._idle_connection() or self._connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._idle.put(connection)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=None)

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
        self._deadline.close()
        while (connection := self._idle_connection()) is not None:
            connection.close()


class InUse:
    """The connection that a call uses at this moment, if any: so that nobody cuts one that is back, or another's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: psycopg.Connection | None = None
        self._is_over = False

    @contextmanager
    def by(self, connection: psycopg.Connection) -> Iterator[None]:
        with self._lock:
            if self._is_over:  # it took too long to connect
                raise psycopg.OperationalError("nobody waits for this call any more")
            self._connection = connection
        try:
            yield
        finally:
            with self._lock:
                self._connection = None

    def cut(self) -> None:
        """Ends the call, and the wait for a server that went silent: it would keep its thread for ever."""
        with self._lock, suppress(OSError, psycopg.Error):  # it is gone already
            self._is_over = True
            if self._connection is not None:
                # The family does not matter: only the descriptor is used, and duplicated for that.
                with socket.fromfd(self._connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as duplicate:
                    duplicate.shutdown(socket.SHUT_RDWR)


def answered(connection: psycopg.Connection, query: str, values: Mapping[str, object]) -> Any:
    """The row of a call, in one transaction and in one trip, with its limit: a pooler in transaction mode may stand
    between, so nothing is left in the session.
    """
    with connection.pipeline():
        connection.execute(LIMIT)
        answer = connection.execute(query, values)
    return answer.fetchone()


def has_been_cut(connection: psycopg.Connection) -> bool:
    """An idle connection has nothing to read, but for the news that it is no more."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def translated(error: psycopg.Error) -> Unavailable | DatabaseError:
    if error.sqlstate is not None:
        return error_for(error.sqlstate)
    if isinstance(error, psycopg.DataError):  # refused before it was sent
        return DatabaseError("database_error", "A parameter is no PostgreSQL text.")
    return Unavailable("database_unreachable", "The database cannot be reached.")
