"""A Supabase, or a PostgreSQL, that is dead, silent, broken or rude: over real sockets, a clear refusal in time."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import httpx
import pytest
from flask import Flask
from psycopg.conninfo import conninfo_to_dict
from werkzeug.serving import make_server

from tests.auth_traffic import SECRET, body_of, headers_for, insert
from tests.conftest import ADMIN_KEY
from tests.ports import free_port
from webhook_service.app import create_app
from webhook_service.config import Settings, SupabaseConnection
from webhook_service.db.direct import DirectDatabase
from webhook_service.db.supabase import SupabaseDatabase
from webhook_service.errors import DatabaseError, Unavailable
from webhook_service.ports import Database
from webhook_service.signature import parse_secrets

SHORT = httpx.Timeout(0.3)
WITHIN = 5.0
"""Seconds after which the webhook sender gives up."""

Behaviour = Callable[[socket.socket, threading.Event], None]
"""What a server does with a connection, until the event says that the test is over."""
Serve = Callable[[Behaviour], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server on a port of its own, which does with each connection as it is told; returns the port."""
    over = threading.Event()
    with ExitStack() as stack:
        stack.callback(over.set)

        def start(behaviour: Behaviour) -> int:
            listener = socket.create_server(("127.0.0.1", 0), backlog=128)
            threads = ThreadPoolExecutor(100)
            connections: list[socket.socket] = []

            def handle(connection: socket.socket) -> None:
                with connection, suppress(OSError):  # the client may hang up
                    behaviour(connection, over)

            def accept() -> None:
                while True:
                    connection, _ = listener.accept()
                    if over.is_set():
                        connection.close()
                        return
                    connections.append(connection)
                    threads.submit(handle, connection)

            accepting = threading.Thread(target=accept)
            accepting.start()

            def stop() -> None:
                over.set()
                socket.create_connection(listener.getsockname()).close()
                accepting.join()
                for connection in connections:
                    with suppress(OSError):  # closed already
                        connection.shutdown(socket.SHUT_RDWR)
                threads.shutdown()
                listener.close()

            stack.callback(stop)
            return int(listener.getsockname()[1])

        yield start


def silent(connection: socket.socket, over: threading.Event) -> None:
    over.wait()


def closes(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(1)


def request_of(connection: socket.socket) -> tuple[str, bytes]:
    """Reads one HTTP request: its head, and its body."""
    with connection.makefile("rb") as stream:
        head = "".join(iter(lambda: stream.readline().decode(), "\r\n"))
        length = next(int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:"))
        return head, stream.read(length)


def answers(status: int, body: str, content_type: str = "text/html", **headers: str) -> Behaviour:
    def answer(connection: socket.socket, over: threading.Event) -> None:
        request_of(connection)
        headers_now = {"Content-Type": content_type, "Content-Length": str(len(body.encode())), "Connection": "close"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers_now | headers).items())
        connection.sendall(f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n{body}".encode())

    return answer


def answers_json(status: int, **error: Any) -> Behaviour:
    return answers(status, json.dumps(error), "application/json; charset=utf-8")


def trickles(connection: socket.socket, over: threading.Event) -> None:
    """Answers rightly, and so slowly that only a limit on the whole call can end it."""
    request_of(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n")
    for byte in b'{"migration": 99}'.ljust(200):
        over.wait(0.05)
        connection.sendall(bytes([byte]))


@contextmanager
def supabase(port: int, timeout: httpx.Timeout = SHORT) -> Iterator[SupabaseDatabase]:
    database = SupabaseDatabase(f"http://127.0.0.1:{port}", "sb_secret_test", timeout=timeout)
    try:
        yield database
    finally:
        database.close()


def error_of(port: int) -> Unavailable | DatabaseError:
    with supabase(port) as database:
        try:
            answer = database.call("auth_sync_schema_v1")
        except (Unavailable, DatabaseError) as error:
            return error
    pytest.fail(f"It passed for an answer: {answer!r}")


def test_a_refused_connection_is_unavailable() -> None:
    """Nobody listens there."""
    error = error_of(free_port())
    assert (type(error), error.reason) == (Unavailable, "database_unreachable")


@pytest.mark.parametrize("behaviour", [silent, closes, trickles])
def test_a_supabase_that_does_not_answer_is_unavailable(serve: Serve, behaviour: Behaviour) -> None:
    """It hangs up, says nothing, or takes for ever: a call ends all the same."""
    error = error_of(serve(behaviour))
    assert isinstance(error, Unavailable)
    assert error.reason in ("database_unreachable", "database_slow")


PAGE = "<html><body><h1>Oh no</h1>jane@example.com</body></html>"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520, 522, 525])
def test_an_error_page_of_a_proxy_is_unavailable(serve: Serve, status: int) -> None:
    """What stands between us and PostgREST cannot do it now."""
    assert isinstance(error_of(serve(answers(status, PAGE))), Unavailable)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (429, "API rate limit exceeded"),
        (500, "An unexpected error occurred"),
        (502, "An invalid response was received from the upstream server"),
        (503, "name resolution failed"),
        (504, "The upstream server is timing out"),
    ],
)
def test_an_error_of_supabases_gateway_is_unavailable(serve: Serve, status: int, message: str) -> None:
    """The API gateway (Kong) speaks JSON as PostgREST does, but has no code."""
    assert isinstance(error_of(serve(answers_json(status, message=message))), Unavailable)


@pytest.mark.parametrize("body", [PAGE, "", "[", "null and void"], ids=["page", "empty", "cut", "text"])
def test_a_200_that_is_no_json_is_unavailable(serve: Serve, body: str) -> None:
    """A captive portal, a parked domain or a wrong URL is not an answer of the function."""
    assert isinstance(error_of(serve(answers(200, body))), Unavailable)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(serve: Serve, status: int) -> None:
    """The key is not taken elsewhere, and a POST does not become a GET."""
    followed = threading.Event()
    elsewhere = serve(lambda connection, over: followed.set())
    error = error_of(serve(answers(status, PAGE, Location=f"http://127.0.0.1:{elsewhere}/")))
    assert isinstance(error, Unavailable)
    assert not followed.is_set()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "PGRST000", Unavailable),
        (503, "PGRST001", Unavailable),
        (503, "PGRST002", Unavailable),
        (504, "PGRST003", Unavailable),
        (404, "PGRST202", Unavailable),
        (404, "42883", Unavailable),
        (500, "40001", Unavailable),
        (500, "40P01", Unavailable),
        (503, "53300", Unavailable),
        (500, "55P03", Unavailable),
        (500, "57014", Unavailable),
        (503, "57P01", Unavailable),
        (500, "XX000", Unavailable),
        (409, "23505", DatabaseError),
        (400, "22P02", DatabaseError),
        (400, "P0001", DatabaseError),
        (403, "42501", DatabaseError),
        (401, "PGRST301", DatabaseError),
        (406, "PGRST106", DatabaseError),
        (500, "54001", DatabaseError),
    ],
)
def test_an_error_of_postgrest_is_named_by_what_to_do(serve: Serve, status: int, code: str, kind: type) -> None:
    """Its code decides whether to ask again; its text, which may hold personal data, stays out."""
    error = error_of(serve(answers_json(status, code=code, message="jane@", details="(jane)", hint="jane")))
    assert isinstance(error, kind)
    assert "jane" not in f"{error} {error!r} {error.detail}"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
def test_a_page_that_refuses_is_a_database_error(serve: Serve, status: int) -> None:
    """An HTTP status is no SQLSTATE: 401 has nothing to do with class 40, the conflicts of transactions."""
    assert isinstance(error_of(serve(answers(status, PAGE))), DatabaseError)


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_a_database_error(serve: Serve, status: int) -> None:
    """Asking again with the same key will not help."""
    error = error_of(serve(answers_json(status, message="Invalid API key", hint="Double check your API key.")))
    assert isinstance(error, DatabaseError)


def test_a_refusal_without_a_code_tells_what_it_can(serve: Serve) -> None:
    """An operator reads the detail in /readyz and in the log: it has the status where there is no code."""
    assert "401" in error_of(serve(answers_json(401, message="Invalid API key"))).detail


def test_large_numbers_are_exact(serve: Serve) -> None:
    """A bigint keeps all its digits on the wire, both ways, where the server does too."""

    def echo(connection: socket.socket, over: threading.Event) -> None:
        _, body = request_of(connection)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    with supabase(serve(echo)) as database:
        assert database.call("echo", p=[2**63 - 1, -(2**63)]) == {"p": [2**63 - 1, -(2**63)]}


# The whole application, with the timeouts it really has.


@contextmanager
def served(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def app_on(kind: str, port: int) -> Iterator[str]:
    """The service on a database at that port; its URL."""
    connection = SupabaseConnection(f"http://127.0.0.1:{port}", "sb_secret_test")
    database: Database
    if kind == "postgres":
        database = DirectDatabase(f"postgresql://user:secret@127.0.0.1:{port}/postgres")
    else:
        database = SupabaseDatabase(connection.url, connection.service_role_key)
    settings = Settings(connection, parse_secrets(SECRET), ADMIN_KEY)
    try:
        with served(create_app(settings, database)) as url:
            yield url
    finally:
        database.close()


def deliver(url: str) -> httpx.Response:
    body = body_of(insert(email="jane@example.com"))
    return httpx.post(f"{url}/webhook/auth", content=body, headers=headers_for(body), timeout=WITHIN)


@pytest.mark.parametrize(
    ("kind", "behaviour"),
    [
        pytest.param("supabase", None, id="supabase-dead"),
        pytest.param("supabase", silent, id="supabase-silent"),
        pytest.param("supabase", trickles, id="supabase-trickles"),
        pytest.param("postgres", None, id="postgres-dead"),
        pytest.param("postgres", silent, id="postgres-silent"),
    ],
)
def test_the_sender_gets_a_503_in_time(serve: Serve, kind: str, behaviour: Behaviour | None) -> None:
    """Each of many deliveries is told to come again before the sender gives up, and probes say what is missing."""
    port = free_port() if behaviour is None else serve(behaviour)
    with app_on(kind, port) as url, ThreadPoolExecutor(20) as threads:
        ready = threads.submit(httpx.get, f"{url}/readyz", timeout=WITHIN)
        responses = list(threads.map(lambda _: deliver(url), range(19)))
        assert {(response.status_code, response.headers["Retry-After"]) for response in responses} == {(503, "5")}
        assert {response.headers["Content-Type"] for response in responses} == {"application/problem+json"}
        answer = ready.result()
        assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
        assert answer.json()["checks"]["database"] != "ok"
        assert "secret" not in answer.text
        assert httpx.get(f"{url}/healthz", timeout=WITHIN).status_code == 200


def test_a_silent_postgres_is_unavailable(serve: Serve) -> None:
    """A port that accepts and says nothing does not hold a call longer than its limit."""
    database = DirectDatabase(f"postgresql://127.0.0.1:{serve(silent)}/postgres", call_timeout=0.3)
    with pytest.raises(Unavailable) as caught:
        database.call("auth_sync_schema_v1")
    assert caught.value.reason in ("database_unreachable", "database_slow")
    database.close()


def test_a_database_that_comes_back_is_used_at_once(serve: Serve, database_url: str) -> None:
    """However long it was away: a call tries to connect, and does not wait for a back-off of the pool."""
    path = f"{conninfo_to_dict(database_url)['host']}/.s.PGSQL.5432"
    is_back = threading.Event()

    def forward(connection: socket.socket, over: threading.Event) -> None:
        if not is_back.is_set():
            return
        with socket.socket(socket.AF_UNIX) as upstream, ThreadPoolExecutor(1) as back:
            upstream.connect(path)
            back.submit(pump, upstream, connection)
            pump(connection, upstream)

    name = conninfo_to_dict(database_url)["dbname"]
    database = DirectDatabase(f"postgresql://postgres@127.0.0.1:{serve(forward)}/{name}", call_timeout=0.5)
    away_until = time.monotonic() + 4
    while time.monotonic() < away_until:
        with pytest.raises(Unavailable):
            database.call("auth_sync_schema_v1")
    is_back.set()
    assert database.call("auth_sync_schema_v1")["migration"] > 0
    database.close()


def pump(source: socket.socket, target: socket.socket) -> None:
    while chunk := source.recv(65536):
        target.sendall(chunk)
    target.shutdown(socket.SHUT_WR)
