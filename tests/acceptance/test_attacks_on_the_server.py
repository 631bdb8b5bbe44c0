"""Attacks on the server's time and memory: endless bodies and heads, and connections that do nothing.

The server has one worker, so that an attack and the webhooks meanwhile share an event loop.
"""

import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.acceptance.conftest import Server, StartServer, wait_for
from tests.acceptance.raw_http import (
    LIMIT_PATIENCE_SECONDS,
    NEXT,
    answer_from,
    assert_answered,
    connect_many,
    connected,
    half_close,
    head_of,
    is_answered,
    memory_of,
    send,
    statuses,
    unharmed,
    until_closed,
)
from tests.ports import free_port
from webhook_service.settings import DEFAULT_MAX_BODY_BYTES

CHUNKED = head_of("Transfer-Encoding: chunked", "Connection: close")
FLOOD = b"GET /healthz HTTP/1.1\r\nHost:x\r\n\r\n"
READY = head_of(target="GET /readyz HTTP/1.1")
CHUNK = b"1\r\nx\r\n"


@contextmanager
def sending(connection: socket.socket, message: bytes) -> Iterator[Future[bool]]:
    """Send in a thread, as fast as the server reads -> whether all was sent before the server closed."""
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(send, connection, message)


# Bodies


def test_a_million_one_byte_chunks_just_under_the_limit_hold_up_no_webhook(shared_server: Server) -> None:
    """While a body arrives in one-byte chunks, webhooks are answered; after its last chunk the body is answered too."""
    with unharmed(shared_server), connected(shared_server.url, patience=LIMIT_PATIENCE_SECONDS) as attacker:
        with sending(attacker, CHUNKED + CHUNK * (DEFAULT_MAX_BODY_BYTES - 1)):
            assert_answered(shared_server, 50)
        assert_answered(shared_server, 50)  # the body lacks only its last chunk
        send(attacker, b"0\r\n\r\n")
        assert statuses(until_closed(attacker)) == [401]


def test_five_megabytes_in_one_byte_chunks_hold_up_no_webhook(shared_server: Server) -> None:
    """A body over the limit is refused while it arrives, and webhooks are answered until then."""
    with unharmed(shared_server), connected(shared_server.url, patience=LIMIT_PATIENCE_SECONDS) as attacker:
        with sending(attacker, CHUNKED + CHUNK * 5_000_000) as attack:
            assert_answered(shared_server, 20)
            while not attack.done():
                assert_answered(shared_server, 5)
        assert statuses(until_closed(attacker)) in ([413], [])


def test_four_bodies_in_one_byte_chunks_hold_up_no_webhook(shared_server: Server) -> None:
    """The chunks of several bodies leave the event loop its turns: webhooks are answered between any two reads."""
    with ExitStack() as stack:
        stack.enter_context(unharmed(shared_server))
        attackers = [
            stack.enter_context(connected(shared_server.url, patience=LIMIT_PATIENCE_SECONDS)) for _ in range(4)
        ]
        message = CHUNKED + CHUNK * (DEFAULT_MAX_BODY_BYTES - 1) + b"0\r\n\r\n"
        attacks = [stack.enter_context(sending(attacker, message)) for attacker in attackers]
        while not all(attack.done() for attack in attacks):
            assert_answered(shared_server, 5)
        assert [statuses(until_closed(attacker)) for attacker in attackers] == [[401]] * 4


# Heads


ENDLESS = {
    "headers": (head_of()[:-2], b"X-A: " + b"a" * 1017 + b"\r\n"),
    "a header's value": (head_of()[:-2] + b"X-A: ", b"a" * 1024),
    "a header's name": (head_of()[:-2], b"a" * 1024),
    "a path": (b"POST /", b"a" * 1024),
    "empty lines": (b"", b"\r\n" * 512),
    "empty lines after a request": (NEXT, b"\r\n" * 512),
    "trailers": (CHUNKED + b"0\r\n", b"X-A: " + b"a" * 1017 + b"\r\n"),
    "a trailer's value": (CHUNKED + b"0\r\nX-A: ", b"a" * 1024),
    "a chunk's extension": (CHUNKED + b"1;", b"a" * 1024),
}


@pytest.mark.parametrize(("start", "more"), ENDLESS.values(), ids=ENDLESS)
def test_an_endless_part_of_a_request_is_refused(shared_server: Server, start: bytes, more: bytes) -> None:
    """Each part of a request besides its body has a limit, too: the server never reads 64 MB of it."""
    with unharmed(shared_server), connected(shared_server.url, patience=LIMIT_PATIENCE_SECONDS) as attacker:
        with sending(attacker, start + more * 65_536) as is_sent:
            assert_answered(shared_server, 20)
        assert not is_sent.result()
        received = statuses(until_closed(attacker))
    assert received in ([], [400], [413], [431]) or (start == NEXT and received in ([200], [200, 400], [200, 431]))


@pytest.mark.parametrize("size", [40_000, 1_000_000])
def test_an_oversized_head_is_refused(shared_server: Server, size: int) -> None:
    """A whole and well-formed head over the limit of 32 KB is refused."""
    line = "X-A: " + "a" * 993
    with unharmed(shared_server), connected(shared_server.url) as attacker:
        send(attacker, head_of(*[line] * (size // 1000), "Content-Length: 0"))
        assert statuses(until_closed(attacker)) in ([], [400], [431])


# Connections


@contextmanager
def network(database_url: str) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A URL of the database through a proxy process. While the process is stopped, the database does not answer."""
    target = conninfo_to_dict(database_url)
    port = free_port()
    arguments = [str(port), f"{target['host']}/.s.PGSQL.{target.get('port', 5432)}", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.speed.delay_proxy", *arguments], cwd=Path(__file__).parents[2]
    )
    try:
        yield f"postgresql://{target['user']}@127.0.0.1:{port}/{target['dbname']}", process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait()


def hangs(url: str, request_: bytes) -> bool:
    with connected(url) as connection:
        connection.sendall(request_)
        return not select.select([connection], [], [], 0.3)[0]


def test_healthz_is_answered_while_80_readyz_hang(start_server: StartServer, database_url: str) -> None:
    """The liveness probe waits neither for the database nor for other requests that wait for it."""
    with network(database_url) as (url, way):
        server = start_server(DATABASE_URL=url, WEB_CONCURRENCY="1")
        with ExitStack() as stack, unharmed(server):
            way.send_signal(signal.SIGSTOP)
            wait_for("a /readyz that hangs", lambda: hangs(server.url, READY))
            hanging = connect_many(server.url, READY, 80, stack)
            probed = [httpx.get(f"{server.url}/healthz", timeout=10).status_code for _ in range(20)]
            assert probed == [200] * 20
            # The database still does not answer, and each /readyz is answered at the deadline.
            assert {tuple(statuses(answer_from(connection))) for connection in hanging} == {(503,)}
            way.send_signal(signal.SIGCONT)
            wait_for("an applied event", lambda: is_answered(server))


def test_answers_that_are_not_read_hold_up_no_webhook(shared_server: Server) -> None:
    """A client that pipelines without end and reads no answer is no longer read from, and delays no webhook."""
    with unharmed(shared_server), connected(shared_server.url, patience=1) as attacker:
        attacker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

        with ThreadPoolExecutor(1) as thread:
            attack = thread.submit(attacker.sendall, NEXT * 2_500_000)
            assert_answered(shared_server, 20)
            assert isinstance(attack.exception(), OSError)  # a timeout, or the server has closed the connection


def test_a_flood_of_pipelined_requests_takes_no_memory(start_server: StartServer) -> None:
    """The requests that wait for their turn on one connection are few: 10 MB of them take no 100 MB of memory."""
    server = start_server(WEB_CONCURRENCY="1")
    before = memory_of(server)
    with unharmed(server), connected(server.url, patience=LIMIT_PATIENCE_SECONDS) as attacker:
        with ThreadPoolExecutor(1) as thread, sending(attacker, FLOOD * 300_000) as attack:
            reading = thread.submit(until_closed, attacker)
            while not attack.done():
                assert_answered(server)
                assert memory_of(server) < before + 100_000_000
            half_close(attacker)
        assert set(statuses(reading.result())) <= {200, 400, 431}
