"""Attacks by clients that connect and then do little: idle connections, half requests, a byte now and then.

The server has one worker, so that an attack and the webhooks meanwhile share an event loop.
"""

import resource
import select
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.acceptance.conftest import Server, StartServer, wait_for
from tests.acceptance.raw_http import (
    LIMIT_PATIENCE_SECONDS,
    NEXT,
    PATIENCE_SECONDS,
    answer_from,
    assert_answered,
    connect_many,
    connected,
    descriptors,
    head_of,
    send,
    server_sockets,
    signed_request,
    statuses,
    unharmed,
    until_closed,
)

REFUSED = {(), (400,), (408,), (503,)}
"""The answers that a client may get before its connection is closed at a limit; the first is none."""


@pytest.fixture(autouse=True)
def many_descriptors() -> Iterator[None]:
    """Allow this process and its servers enough files, on systems with a low default."""
    with descriptors(4096):
        yield


def test_1000_idle_connections_hold_up_no_webhook(shared_server: Server) -> None:
    """Connections that never send a byte delay no webhook."""
    with ExitStack() as stack, unharmed(shared_server):
        connect_many(shared_server.url, b"", 1000, stack)
        assert_answered(shared_server, 20)


@pytest.mark.campaign
def test_500_half_heads_hold_up_no_webhook(shared_server: Server) -> None:
    """Heads that stop in the middle delay no webhook, and the server closes their connections."""
    with ExitStack() as stack, unharmed(shared_server):
        senders = connect_many(shared_server.url, signed_request()[:100], 500, stack)
        assert_answered(shared_server, 20)
        received = {tuple(statuses(until_closed(sender))) for sender in senders}
        assert received <= REFUSED


@pytest.mark.campaign
def test_slowloris_is_closed_however_often_it_sends_a_byte(shared_server: Server) -> None:
    """The time limit of a head starts with the connection: another byte now and then does not extend it."""
    with ExitStack() as stack, unharmed(shared_server):
        left = set(connect_many(shared_server.url, head_of()[:-2] + b"X-A: ", 50, stack))

        def drip() -> bool:
            ended, _, _ = select.select(left, [], [], 0.2)
            left.difference_update(ended)
            for sender in left:
                send(sender, b"a")
            return not left

        assert_answered(shared_server, 5)
        wait_for("all are closed", drip, seconds=LIMIT_PATIENCE_SECONDS)


def test_an_empty_line_after_an_answer_does_not_keep_a_connection(start_server: StartServer) -> None:
    """A connection between two requests is closed when it is idle, even if the client has sent an empty line."""
    server = start_server(WEB_CONCURRENCY="1")
    with unharmed(server), connected(server.url, patience=LIMIT_PATIENCE_SECONDS) as client:
        send(client, NEXT)
        answer_from(client)
        send(client, b"\r\n")
        assert statuses(until_closed(client)) == []


@pytest.mark.campaign
@pytest.mark.parametrize("target", ["/webhook/auth", "/admin/login"])
def test_500_half_bodies_hold_up_no_webhook(start_server: StartServer, target: str) -> None:
    """Webhooks that stop in the middle of their body delay no other, and the server closes their connections."""
    server = start_server(WEB_CONCURRENCY="1")
    head, end, body = signed_request().partition(b"\r\n\r\n")
    half = head.replace(b"/webhook/auth", target.encode()) + end + body[: len(body) // 2]
    with ExitStack() as stack, unharmed(server):
        senders = connect_many(server.url, half, 500, stack)
        assert_answered(server, 20)
        received = {tuple(statuses(until_closed(sender))) for sender in senders}
        assert received <= REFUSED


def restart_with_few_files(server: Server) -> None:
    """Replace the worker by one that may open 256 files; each connection is a file."""
    before = server.workers()
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (256, 256))
    server.signal(signal.SIGHUP)
    wait_for("another worker", lambda: server.workers() and not set(before) & set(server.workers()))
    wait_for("it answers", lambda: httpx.get(f"{server.url}/healthz", timeout=10).is_success)


def test_connections_over_the_limit_get_a_503(start_server: StartServer) -> None:
    """A connection that the server has no file for gets a 503, and those before it are served."""
    server = start_server(WEB_CONCURRENCY="1")
    restart_with_few_files(server)
    with unharmed(server):
        with ExitStack() as stack:
            first, *idle = connect_many(server.url, b"", 400, stack)
            refused, _, _ = select.select(idle, [], [], PATIENCE_SECONDS)
            assert {tuple(statuses(until_closed(client))) for client in refused} == {(503,)}
            send(first, signed_request())
            assert statuses(answer_from(first)) == [200]
        wait_for("all connections closed", lambda: not server_sockets(server.url))


@pytest.mark.campaign
@pytest.mark.parametrize("target", ["POST /webhook/auth", "POST /admin/login"])
def test_a_body_that_never_begins_is_refused(start_server: StartServer, target: str) -> None:
    """The time limit of a body starts with its head, not with its first byte."""
    server = start_server(WEB_CONCURRENCY="1")
    with unharmed(server), connected(server.url, patience=LIMIT_PATIENCE_SECONDS) as client:
        send(client, head_of("Content-Length: 100", target=f"{target} HTTP/1.1"))
        assert tuple(statuses(until_closed(client))) in REFUSED
