"""Clients with unusual behaviour: a whole webhook is answered, whatever comes with it or after it."""

import re
import socket
import struct
from pathlib import Path

import httpx
import pytest

from tests.acceptance.command import settings_for
from tests.acceptance.conftest import Server, StartServer
from tests.acceptance.raw_http import (
    LIMIT_PATIENCE_SECONDS,
    answer_from,
    connected,
    exchange,
    half_close,
    head_of,
    is_refusal,
    send,
    send_apart,
    signed_lines,
    signed_request,
    statuses,
    unharmed,
    until_closed,
)
from tests.auth_traffic import insert
from tests.employees import Connection
from tests.integration.signing_in import TOKEN
from tests.ports import free_port
from webhook_service.demo.traffic import body_of
from webhook_service.server import process as server_process
from webhook_service.web.attempts import ATTEMPTS

PROBE = head_of(target="GET /healthz HTTP/1.1")
PAGE = head_of(target="GET /admin/login HTTP/1.1")


def ids_in(received: bytes) -> list[str]:
    """The event ids that the answers name, in their order."""
    return [found.decode() for found in re.findall(rb'"event_id": ?"([^"]+)"', received)]


def recorded(connection: Connection) -> list[str]:
    return [row["event_id"] for row in connection.execute("select event_id from integration_sync_log")]


@pytest.mark.parametrize("target", ["POST /webhook/auth", "GET /healthz", "GET /admin/login"])
def test_a_client_that_half_closes_after_its_request_is_answered(shared_server: Server, target: str) -> None:
    """A client that has finished sending still reads: it gets its answer, and then the connection is closed."""
    message = signed_request() if "webhook" in target else head_of(target=f"{target} HTTP/1.1")
    with unharmed(shared_server), connected(shared_server.url) as client:
        client.sendall(message)
        half_close(client)
        assert statuses(until_closed(client)) == [200]


def test_pipelined_webhooks_are_answered_to_a_client_that_half_closes(shared_server: Server) -> None:
    """Each whole request before the half-close is answered, not only the first one."""
    with unharmed(shared_server), connected(shared_server.url) as client:
        client.sendall(b"".join(signed_request(event_id=f"half-{n}") for n in range(10)))
        half_close(client)
        received = until_closed(client)
    assert statuses(received) == [200] * 10
    assert ids_in(received) == [f"half-{n}" for n in range(10)]


def test_a_client_that_half_closes_within_its_body_is_refused(
    start_server: StartServer, connection: Connection
) -> None:
    """Half a body gets a 400 or no answer, and is not recorded."""
    server = start_server(WEB_CONCURRENCY="1")
    with unharmed(server), connected(server.url) as client:
        client.sendall(signed_request(event_id="half")[:-10])
        half_close(client)
        assert statuses(until_closed(client)) in ([], [400])
    assert "half" not in recorded(connection)


def test_pipelined_requests_are_answered_in_their_order(shared_server: Server) -> None:
    """The n-th answer is to the n-th request: an answer from the event loop does not overtake one from a thread."""
    last = head_of("Connection: close", target="GET /healthz HTTP/1.1")
    webhooks = [signed_request(event_id=f"pipelined-{n}") for n in range(20)]
    with unharmed(shared_server):
        received = exchange(shared_server.url, b"".join(PAGE + webhook + PROBE for webhook in webhooks) + last)
    assert statuses(received) == [200] * 61
    assert ids_in(received) == [f"pipelined-{n}" for n in range(20)]
    answers = re.split(rb"HTTP/1\.1 200 ", received)[1:]
    assert all(b"text/html" in answer for answer in answers[:60:3])
    assert all(b'"alive"' in answer for answer in answers[2:60:3])


GARBAGE = {
    "NUL bytes": bytes(20),
    "text": b"what is this?\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a malformed head": b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
    "100 kB": b"\xff" * 100_000,
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_after_a_webhook_does_not_take_its_answer(shared_server: Server, garbage: bytes) -> None:
    """A whole webhook is answered before the connection is closed because of the garbage."""
    with unharmed(shared_server), connected(shared_server.url, patience=LIMIT_PATIENCE_SECONDS) as client:
        send(client, signed_request() + garbage)
        assert statuses(until_closed(client)) in ([200], [200, 400], [200, 408], [200, 414], [200, 431])


def test_a_webhook_that_comes_byte_by_byte_is_answered(shared_server: Server) -> None:
    """A request is the same wherever its packets end."""
    with unharmed(shared_server), connected(shared_server.url) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in signed_request("Connection: close"):
            client.send(bytes([byte]))
        assert statuses(until_closed(client)) == [200]


def test_a_client_that_waits_for_100_continue_gets_it(shared_server: Server) -> None:
    """`Expect: 100-continue` delays a body until the server asks for it; some clients send large bodies so."""
    body = body_of(insert())
    head = head_of(*signed_lines(body), f"Content-Length: {len(body)}", "Expect: 100-continue", "Connection: close")
    with unharmed(shared_server), connected(shared_server.url) as client:
        client.sendall(head)
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        client.sendall(body)
        assert statuses(until_closed(client)) == [200]


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS"])
def test_an_offer_to_upgrade_is_ignored_or_refused(shared_server: Server, protocol: str) -> None:
    """A webhook with an `Upgrade` header, which Java's HTTP client sends by default, is not read without its body."""
    offer = [f"Upgrade: {protocol}", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__"]
    with unharmed(shared_server), connected(shared_server.url) as client:
        client.sendall(signed_request(*offer))
        assert statuses(answer_from(client)) in ([200], [400], [426])


@pytest.mark.parametrize(
    "request_",
    [
        b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        head_of("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA",
                target="GET /webhook/auth HTTP/1.1"),
        b"GET http://example.com/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"HEAD /webhook/auth HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ],
    ids=["CONNECT", "OPTIONS *", "WebSocket", "another host's URL", "HEAD"],
)  # fmt: skip
def test_an_unsupported_method_or_protocol_is_refused(shared_server: Server, request_: bytes) -> None:
    """An unsupported method or protocol gets a 4xx or no answer: never a tunnel, never a 5xx."""
    with unharmed(shared_server), connected(shared_server.url) as client:
        client.sendall(request_)
        half_close(client)
        received = statuses(until_closed(client))
    assert received == [] or (len(received) == 1 and 400 <= received[0] < 500)


def test_a_head_that_arrives_in_two_reads_after_others_is_answered(shared_server: Server) -> None:
    """The limit of a head counts its own bytes, not those of the requests that arrive with it."""
    probe = head_of(f"X-A: {'a' * 500}", target="GET /healthz HTTP/1.1")
    with unharmed(shared_server), connected(shared_server.url) as client:
        send_apart(shared_server.url, client, probe * 80 + probe[:20], probe[20:])
        half_close(client)
        assert statuses(until_closed(client)) == [200] * 81


TARGETS = [b"*", b"//[", b"/%", b"/%00", b"/%ff%fe", b"/\xc3\xa9", b"/a?\xff", b"?x", b"#", b"/..;/", b"http://[::1", b"http://x:99999/",
           b"/" + b"a" * 20_000]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: repr(target[:20]))
def test_an_odd_target_is_refused(shared_server: Server, target: bytes) -> None:
    """A target that is not a path, or not in ASCII, or unknown, gets a 4xx."""
    with unharmed(shared_server):
        received = exchange(shared_server.url, b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % target)
    assert is_refusal(received), received


FORGED = [
    ("192.0.2.1", "X-Forwarded-For", "198.51.100.{}"),
    ("192.0.2.1", "X_Forwarded_For", "198.51.100.{}"),
    ("127.0.0.1", "X_Forwarded_For", "198.51.100.{}"),
    ("127.0.0.1", "X-Forwarded-For", "198.51.100.{}, 203.0.113.9"),
    ("127.0.0.1", "X-Forwarded-For", "198.51.100.{}, 203.0.113.9, 127.0.0.1"),
]
IDS = ["no proxy", "no proxy, underscores", "a proxy, underscores", "a proxy appends", "two proxies append"]


@pytest.mark.parametrize(("proxies", "name", "value"), FORGED, ids=IDS)
def test_a_forged_forwarding_header_does_not_evade_the_limit_on_sign_ins(
    start_server: StartServer, proxies: str, name: str, value: str
) -> None:
    """Attempts count for the address that a proxy of ours has added, or of the connection, not for an invented one."""
    server = start_server(WEB_CONCURRENCY="1", FORWARDED_ALLOW_IPS=proxies)
    with unharmed(server), httpx.Client(base_url=server.url) as browser:
        found = TOKEN.search(browser.get("/admin/login").text)
        assert found is not None
        form = {"key": "wrong", "csrf_token": found[1]}
        forged = [{name: value.format(n)} for n in range(ATTEMPTS + 1)]
        answers = [browser.post("/admin/login", data=form, headers=headers).status_code for headers in forged]
    assert answers == [401] * ATTEMPTS + [429]


@pytest.mark.parametrize("mode", ["", "=auto", "=v1", "=v2"])
def test_the_server_does_not_start_with_the_proxy_protocol(database_url: str, tmp_path: Path, mode: str) -> None:
    """The worker cannot read the PROXY protocol, so gunicorn's option ends the start, with the alternative."""
    environment = settings_for(database_url) | {"PORT": str(free_port()), "WEB_CONCURRENCY": "1"}
    environment["GUNICORN_CMD_ARGS"] = f"--proxy-protocol{mode}"
    log_file = tmp_path / "server.log"
    with log_file.open("wb") as log, server_process.running(environment, log=log) as process:
        assert process.wait(20) == 1
    assert "--proxy-protocol is not supported: send X-Forwarded-For" in log_file.read_text("utf-8")
    assert "Traceback" not in log_file.read_text("utf-8")


@pytest.mark.parametrize("start", [b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\0"])
def test_the_proxy_protocol_is_refused_without_the_option(shared_server: Server, start: bytes) -> None:
    """A connection that begins with the PROXY protocol gets a 400: it cannot forge an address."""
    with unharmed(shared_server):
        assert is_refusal(exchange(shared_server.url, start + PROBE))


def test_clients_that_reset_their_connection_leave_nothing_behind(shared_server: Server) -> None:
    """A client that resets its connection before its answer is not an error of the server."""
    with unharmed(shared_server):
        for number in range(200):
            with connected(shared_server.url) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() resets
                message = (signed_request(), PAGE, PROBE)[number % 3]
                send(client, message[: len(message) - number % 2 * 10])
