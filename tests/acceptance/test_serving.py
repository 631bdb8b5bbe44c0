"""The server as a process: the settings that it needs, its log, and its answers over a socket."""

import os
import re
import signal
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.acceptance.command import settings_for
from tests.acceptance.conftest import (
    Post,
    Server,
    StartServer,
    deliver,
)
from tests.acceptance.lives import hire_users, user_id
from tests.auth_traffic import CONFIRMED, insert
from tests.conftest import ADMIN_KEY
from tests.employees import Connection
from tests.ports import free_port
from webhook_service.server import process as server_process


@pytest.mark.parametrize("variable", ["DATABASE_URL", "WEBHOOK_SECRETS", "ADMIN_API_KEY"])
def test_a_missing_setting_ends_the_start(database_url: str, variable: str) -> None:
    """A server without a required setting does not start, and names the variable."""
    environment = settings_for(database_url) | {"HOST": "127.0.0.1", "PORT": str(free_port())}
    del environment[variable]
    done = subprocess.run(server_process.COMMAND, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert variable in done.stdout + done.stderr


def test_each_delivery_is_one_line_of_json(start_server: StartServer, connection: Connection) -> None:
    """The log is lines of JSON. Each delivery has one, with the event, its outcome and its duration."""
    server = start_server()
    hire_users(connection, 1)
    post = Post("evt-1", insert(user_id(1), email="user1@example.com", email_confirmed_at=CONFIRMED))
    deliver(server.url, [post])
    deliver(server.url, [post])
    httpx.post(f"{server.url}/webhook/auth", json=post.payload)
    lines = [line for line in server.log_lines() if line["message"] == "delivery"]
    named = [{name: line.get(name) for name in ("event_id", "operation", "outcome", "status")} for line in lines]
    accepted = {"event_id": "evt-1", "operation": "INSERT", "status": "SUCCESS"}
    assert named[:2] == [accepted | {"outcome": "linked"}, accepted | {"outcome": "duplicate"}]
    assert [line["http_status"] for line in lines] == [200, 200, 401]
    assert all(line["ms"] > 0 for line in lines)
    assert "user1@example.com" not in server.log()


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /webhook/auth HTTP/1.1\r\n\r\n",
        b"POST /webhook/auth HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /webhook/auth HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /webhook/auth HTTP/1.1\r\nHost: x\r\nwebhook-id: \xff\x80\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /webhook/auth HTTP/1.1\r\nHost: x\r\n" + b"webhook-signature: v1,AAAA\r\n" * 90 + b"\r\n",
        b"POST /webhook/auth HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET " + b"/" * 9000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["nothing", "TLS", "no host", "bad length", "bad chunk", "odd header", "90 signatures", "bad version", "long"],
)
def test_bytes_that_are_hardly_http_are_never_a_5xx(shared_server: Server, request_: bytes) -> None:
    """Malformed bytes get a 4xx or a closed connection, and the next request is answered."""
    with socket.create_connection(("127.0.0.1", int(shared_server.url.rpartition(":")[2])), timeout=10) as connection:
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1000)
    assert answer == b"" or answer.split()[1].startswith((b"4", b"505"))
    assert httpx.get(f"{shared_server.url}/healthz").status_code == 200


def test_a_chunked_body_over_the_limit_is_413(start_server: StartServer) -> None:
    """A chunked body over MAX_BODY_BYTES gets 413.

    Flask would accept a part of the body as a whole body, but never gets only a part.
    """
    server = start_server(WEB_CONCURRENCY="1", MAX_BODY_BYTES="100000")
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    parts = (b"{}" + b" " * 60_000, b" " * 60_000, b"{}")  # sent without a Content-Length
    answer = httpx.post(f"{server.url}/admin/api/replays", content=iter(parts), headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    form = (b"key=x&more=" + b"x" * 60_000, b"x" * 60_000)
    assert httpx.post(f"{server.url}/admin/login", content=iter(form), headers=headers).status_code == 413


def test_hundreds_may_wait_to_be_accepted(start_server: StartServer) -> None:
    """While the only worker accepts no connections, more connections than pg_net opens at once can wait."""
    server = start_server(WEB_CONCURRENCY="1")
    [worker] = server.workers()
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    os.kill(worker, signal.SIGSTOP)
    try:
        with ExitStack() as stack:
            for _ in range(300):
                stack.enter_context(socket.create_connection(address, timeout=10))
    finally:
        os.kill(worker, signal.SIGCONT)


@pytest.mark.parametrize(
    ("trusted", "shown"), [("127.0.0.1", "203.0.113.7"), ("192.0.2.1", "127.0.0.1")], ids=["a proxy", "others"]
)
def test_the_address_of_a_visitor_is_what_a_trusted_proxy_says(
    start_server: StartServer, trusted: str, shown: str
) -> None:
    """Attempts to sign in count for the last address in X-Forwarded-For that is not a trusted proxy.

    The server ignores the header of a client that is not a trusted proxy.
    """
    server = start_server(FORWARDED_ALLOW_IPS=trusted)
    with httpx.Client(headers={"X-Forwarded-For": "198.51.100.9, 203.0.113.7"}) as browser:
        page = browser.get(f"{server.url}/admin/login").text
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        assert token is not None
        answer = browser.post(f"{server.url}/admin/login", data={"key": "wrong", "name": "x", "csrf_token": token[1]})
    assert answer.status_code == 401
    [line] = [line for line in server.log_lines() if line["message"] == "sign-in refused"]
    assert line["address"] == shown


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_address_is_served(database_url: str, tmp_path: Path, host: str) -> None:
    """HOST may be an IPv6 address, with or without brackets."""
    port = free_port()
    environment = settings_for(database_url) | {"HOST": host, "PORT": str(port), "WEB_CONCURRENCY": "1"}
    with (tmp_path / "log").open("wb") as log, server_process.running(environment, log=log) as process:
        server_process.wait_until_ready(f"http://[::1]:{port}", process)


def test_an_imported_file_may_be_larger_than_other_bodies(start_server: StartServer, connection: Connection) -> None:
    """The server passes a file of up to 5 MB on to the import, and a larger one is refused as too large."""
    server = start_server()
    headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "text/csv"}
    lines = b"".join(b"p%d@example.com,%s\n" % (number, b"x" * 100_000) for number in range(20))
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        answer = client.post("/admin/api/imports", content=b"email,first_name\n" + lines)
        assert (answer.status_code, answer.json()["counts"]["new"]) == (200, 20)
        answer = client.post("/admin/api/imports", content=b"email,first_name\n" + 3 * lines)
        assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")
