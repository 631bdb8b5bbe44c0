"""Connections to the database that break during a call of the event loop. The loop is uvloop's, as in the server."""

import asyncio
import os
import select
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import pytest
import uvloop
from psycopg.conninfo import conninfo_to_dict

from tests.employees import Connection
from tests.integration.db.test_database_outages import proxied
from tests.integration.db.test_direct_database import wait_until_one_waits
from tests.integration.misbehaving_servers import Behaviour, Serve
from webhook_service.db.direct import DirectDatabase
from webhook_service.errors import Unavailable
from webhook_service.events import Json

T = TypeVar("T")

CALL_TIMEOUT_SECONDS = 60.0
"""The limit on a call. It is longer than any of these tests, so that it ends no call."""


class Loop:
    """uvloop in a thread. A test can block it, so that several events reach the loop at the same moment."""

    def __init__(self) -> None:
        self._runs = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)  # a thread that hangs fails only the test
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
        """Block the loop until the returned event is set."""
        is_held, let_go = threading.Event(), threading.Event()

        def hold() -> None:
            is_held.set()
            let_go.wait(10)

        self._loop.call_soon_threadsafe(hold)
        assert is_held.wait(10)
        return let_go

    def stop(self) -> None:
        """Stop the loop, and cancel the running calls."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.stop()


@pytest.fixture
def direct(database_url: str) -> Iterator[DirectDatabase]:
    direct = DirectDatabase(database_url, call_timeout=CALL_TIMEOUT_SECONDS)
    yield direct
    direct.close()


@pytest.fixture
def call(loop: Loop, direct: DirectDatabase, connection: Connection) -> "Future[Json]":
    return begin_endless(loop, direct, connection)


def begin_endless(loop: Loop, direct: DirectDatabase, connection: Connection) -> "Future[Json]":
    """Begin a call that runs longer in the database than any test."""
    connection.execute("create function endless() returns text language sql as 'select pg_sleep(600)::text'")
    return loop.begin(direct.call_soon("endless"))


class Echo:
    """A server in the loop that sends back the data that it receives, and knows the descriptors of its clients."""

    def __init__(self, loop: Loop) -> None:
        self.accepted: list[int] = []
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = listener.getsockname()
        loop.begin(self._start(listener)).result(10)

    async def _start(self, listener: socket.socket) -> None:
        server = await asyncio.start_server(self._echo, sock=listener)
        self._task = asyncio.create_task(server.serve_forever())  # the task closes the server when it ends

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted.append(writer.get_extra_info("socket").fileno())
        while received := await reader.read(100):
            writer.write(received)
        writer.close()


def end_backend(connection: Connection, pid: int) -> None:
    """Terminate a backend, and wait until it has ended."""
    connection.execute("select pg_terminate_backend(%s, 10000)", [pid])


@contextmanager
def no_free_descriptor_below() -> Iterator[int]:
    """Yield a number below which no descriptor is free. A new descriptor below it was closed meanwhile."""
    with ExitStack() as stack:
        highest = max(int(name) for name in os.listdir("/proc/self/fd"))
        while (number := os.open(os.devnull, os.O_RDONLY)) <= highest:
            stack.callback(os.close, number)
        stack.callback(os.close, number)
        yield number


def test_a_connection_that_breaks_ends_its_call_at_once(
    loop: Loop, direct: DirectDatabase, connection: Connection, call: "Future[Json]"
) -> None:
    """A broken connection ends its call at once as unreachable and not as slow. The loop serves the next call."""
    end_backend(connection, wait_until_one_waits(connection, "Timeout"))
    with pytest.raises(Unavailable, match="database_unreachable"):
        call.result(10)
    assert loop.begin(direct.call_soon("auth_sync_schema_v1")).result(10)["migration"] > 0


def test_a_socket_accepted_while_a_connection_breaks_is_served(
    loop: Loop, connection: Connection, call: "Future[Json]"
) -> None:
    """A socket that is accepted at the moment in which the connection breaks is served, and the call ends."""
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


def test_a_new_socket_with_the_descriptor_of_a_broken_connection_is_served(
    loop: Loop, connection: Connection, call: "Future[Json]"
) -> None:
    """The loop does not watch the descriptor of a broken connection any longer, which the next socket gets."""
    echo = Echo(loop)
    backend = wait_until_one_waits(connection, "Timeout")
    with no_free_descriptor_below() as limit, socket.socket() as client:
        end_backend(connection, backend)
        with pytest.raises(Unavailable, match="database_unreachable"):
            call.result(10)
        client.settimeout(10)
        client.connect(echo.address)
        client.sendall(b"Are you there?")
        assert client.recv(100) == b"Are you there?"
    assert echo.accepted[0] < limit


def test_a_connection_that_is_reset_ends_its_call_at_once(
    loop: Loop, connection: Connection, database_url: str, serve: Serve
) -> None:
    """A reset connection ends its call at once, even after the beginning of a response.

    uvloop reports the data and the reset in one event.
    """
    cut, cutter = socket.socketpair()
    with cut, cutter:
        direct = DirectDatabase(
            proxied(database_url, serve(until_cut(database_url, cut))), call_timeout=CALL_TIMEOUT_SECONDS
        )
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
    """Return a proxy to the real database.

    When `cut` receives data, it sends the beginning of a notice, resets the connection, and answers `cut`.
    """
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
