"""A connection to the database that breaks in the middle of a call of the event loop: uvloop's, as in the server."""

import asyncio
import select
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

import pytest
import uvloop
from psycopg.conninfo import conninfo_to_dict

from tests.employees import Connection
from tests.integration.db.test_database_trouble import proxied
from tests.integration.db.test_direct_database import wait_until_one_waits
from tests.integration.misbehaving_servers import Behaviour, Serve
from webhook_service.db.direct import DirectDatabase
from webhook_service.errors import Unavailable
from webhook_service.events import Json

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that a call may take: none of these tests waits so long, so that no call ends by it."""


class Loop:
    """uvloop in a thread, which a test can hold up, so that several things come to the loop at the same moment."""

    def __init__(self) -> None:
        self._runs = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)  # one that never ends fails the test, no more
        self._thread.start()
        assert self._runs.wait(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._runs.set()
        await self._over.wait()

    def begin(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def hold(self) -> threading.Event:
        """Until the event is set."""
        is_held, let_go = threading.Event(), threading.Event()

        def hold() -> None:
            is_held.set()
            let_go.wait(10)

        self._loop.call_soon_threadsafe(hold)
        assert is_held.wait(10)
        return let_go

    def stop(self) -> None:
        """What is under way is cancelled."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.stop()


@pytest.fixture
def direct(database_url: str) -> Iterator[DirectDatabase]:
    direct = DirectDatabase(database_url, call_timeout=PATIENCE)
    yield direct
    direct.close()


@pytest.fixture
def call(loop: Loop, direct: DirectDatabase, connection: Connection) -> "Future[Json]":
    return begin_endless(loop, direct, connection)


def begin_endless(loop: Loop, direct: DirectDatabase, connection: Connection) -> "Future[Json]":
    """A call that the database works on for longer than any test takes."""
    connection.execute("create function endless() returns text language sql as 'select pg_sleep(600)::text'")
    return loop.begin(direct.call_soon("endless"))


class Echo:
    """A server in the loop that says what it hears."""

    def __init__(self, loop: Loop) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = listener.getsockname()
        loop.begin(self._start(listener)).result(10)

    async def _start(self, listener: socket.socket) -> None:
        server = await asyncio.start_server(self._echo, sock=listener)
        self._task = asyncio.create_task(server.serve_forever())  # which closes it in the end

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while heard := await reader.read(100):
            writer.write(heard)
        writer.close()


def end_backend(connection: Connection, pid: int) -> None:
    """And waits until it is gone."""
    connection.execute("select pg_terminate_backend(%s, 10000)", [pid])


def test_a_connection_that_breaks_ends_its_call_at_once(
    loop: Loop, direct: DirectDatabase, connection: Connection, call: "Future[Json]"
) -> None:
    """As a database that cannot be reached, not as one that is slow; and the loop goes on to the next call."""
    end_backend(connection, wait_until_one_waits(connection, "Timeout"))
    with pytest.raises(Unavailable, match="database_unreachable"):
        call.result(10)
    assert loop.begin(direct.call_soon("auth_sync_schema_v1")).result(10)["migration"] > 0


def test_a_socket_accepted_while_a_connection_breaks_is_heard(
    loop: Loop, connection: Connection, call: "Future[Json]"
) -> None:
    """It may get the number of the broken one: the loop no longer watches that number when libpq closes it."""
    echo = Echo(loop)
    backend = wait_until_one_waits(connection, "Timeout")
    let_go = loop.hold()
    end_backend(connection, backend)
    with socket.create_connection(echo.address, 10) as client:
        let_go.set()
        with pytest.raises(Unavailable, match="database_unreachable"):
            call.result(10)
        client.sendall(b"Are you there?")
        assert client.recv(100) == b"Are you there?"


def test_a_connection_that_is_reset_ends_its_call_at_once(
    loop: Loop, connection: Connection, database_url: str, serve: Serve
) -> None:
    """Also where the beginning of an answer came at the same moment: uvloop tells of both together, a single time."""
    cut, cutter = socket.socketpair()
    with cut, cutter:
        direct = DirectDatabase(proxied(database_url, serve(until_cut(database_url, cut))), call_timeout=PATIENCE)
        call = begin_endless(loop, direct, connection)
        wait_until_one_waits(connection, "Timeout")
        let_go = loop.hold()
        cutter.sendall(b"now")
        cutter.settimeout(10)
        cutter.recv(10)
        let_go.set()
        with pytest.raises(Unavailable, match="database_unreachable"):
            call.result(10)
        direct.close()


def until_cut(database_url: str, cut: socket.socket) -> Behaviour:
    """A proxy to the real database; once `cut` has news, a notice begins, the connection is reset, `cut` is told."""
    path = f"{conninfo_to_dict(database_url)['host']}/.s.PGSQL.5432"

    def behaviour(connection: socket.socket, over: threading.Event) -> None:
        with socket.socket(socket.AF_UNIX) as upstream:
            upstream.connect(path)
            other = {connection: upstream, upstream: connection}
            while cut not in (ready := select.select([*other, cut], [], [])[0]):
                for source in ready:
                    other[source].sendall(source.recv(65536))
            connection.sendall(b"N\x00\x00\x00\x20")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            cut.sendall(b"done")

    return behaviour
