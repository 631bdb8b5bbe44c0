"""The service with a dead or silent database of either kind. Each sender gets a clear refusal in time."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import httpx
import pytest
from flask import Flask
from psycopg.conninfo import conninfo_to_dict
from werkzeug.serving import make_server

from tests.auth_traffic import SECRET, headers_for, insert
from tests.conftest import ADMIN_KEY
from tests.integration.misbehaving_servers import Behaviour, Serve, silent, trickles
from tests.ports import free_port
from webhook_service.app import create_app
from webhook_service.db.direct import DirectDatabase
from webhook_service.db.supabase import SupabaseDatabase
from webhook_service.demo.traffic import body_of
from webhook_service.errors import Unavailable
from webhook_service.inbound.signature import parse_secrets
from webhook_service.ports import Database
from webhook_service.settings import Settings, SupabaseConnection

SENDER_TIMEOUT_SECONDS = 5.0
"""The timeout of the webhook's sender."""


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
    """Run the service on a database at that port, and yield its URL."""
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
    return httpx.post(f"{url}/webhook/auth", content=body, headers=headers_for(body), timeout=SENDER_TIMEOUT_SECONDS)


@pytest.mark.campaign
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
    """Each of many deliveries gets a 503 with Retry-After before the sender times out. /readyz names the database."""
    port = free_port() if behaviour is None else serve(behaviour)
    with app_on(kind, port) as url, ThreadPoolExecutor(20) as threads:
        ready = threads.submit(httpx.get, f"{url}/readyz", timeout=SENDER_TIMEOUT_SECONDS)
        responses = list(threads.map(lambda _: deliver(url), range(19)))
        assert {(response.status_code, response.headers["Retry-After"]) for response in responses} == {(503, "5")}
        assert {response.headers["Content-Type"] for response in responses} == {"application/problem+json"}
        answer = ready.result()
        assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
        assert answer.json()["checks"]["database"] != "ok"
        assert "secret" not in answer.text
        assert httpx.get(f"{url}/healthz", timeout=SENDER_TIMEOUT_SECONDS).status_code == 200


def test_a_silent_postgres_is_unavailable(serve: Serve) -> None:
    """A call ends at its time limit if the port accepts the connection and stays silent."""
    database = DirectDatabase(f"postgresql://127.0.0.1:{serve(silent)}/postgres", call_timeout=0.3)
    with pytest.raises(Unavailable) as caught:
        database.call("auth_sync_schema_v1")
    assert caught.value.reason in ("database_unreachable", "database_slow")
    database.close()


def test_a_database_that_comes_back_is_used_at_once(serve: Serve, database_url: str) -> None:
    """After an outage of any length, the next call connects without a backoff."""
    is_back = threading.Event()
    database = DirectDatabase(proxied(database_url, serve(forward(database_url, is_back))), call_timeout=2)
    for _ in range(8):  # psycopg_pool would back off for minutes after these failures
        with pytest.raises(Unavailable):
            database.call("auth_sync_schema_v1")
    is_back.set()
    assert database.call("auth_sync_schema_v1")["migration"] > 0
    database.close()


def test_silent_connections_are_closed(serve: Serve, database_url: str) -> None:
    """A host that vanishes blocks no thread. Calls succeed as soon as new connections can be opened."""
    is_there = threading.Event()
    is_there.set()
    database = DirectDatabase(
        proxied(database_url, serve(forward(database_url, is_there))), connections=2, call_timeout=2
    )
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: database.call("auth_sync_schema_v1"), range(2)))
        is_there.clear()
        for reported in [threads.submit(database.call, "auth_sync_schema_v1") for _ in range(4)]:
            assert isinstance(reported.exception(), Unavailable)
    is_there.set()
    assert database.call("auth_sync_schema_v1")["migration"] > 0
    database.close()


def test_a_slow_connect_keeps_no_thread(serve: Serve, database_url: str) -> None:
    """If a call's deadline passes before it has a connection, its thread is free after the connection opens."""
    is_there, is_slow = threading.Event(), threading.Event()
    is_there.set()
    is_slow.set()
    to_postgres = forward(database_url, is_there)

    def slow_to_connect(connection: socket.socket, over: threading.Event) -> None:
        if is_slow.is_set():
            over.wait(0.4)
        to_postgres(connection, over)

    database = DirectDatabase(proxied(database_url, serve(slow_to_connect)), connections=1, call_timeout=0.3)
    with pytest.raises(Unavailable):
        database.call("auth_sync_schema_v1")
    is_slow.clear()
    assert answer_of(database) > 0
    database.close()


def answer_of(database: DirectDatabase) -> int:
    """Return the first result, after the thread is free again."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(Unavailable):
            return int(database.call("auth_sync_schema_v1")["migration"])
    raise AssertionError("no answer")


def proxied(database_url: str, port: int) -> str:
    return f"postgresql://postgres@127.0.0.1:{port}/{conninfo_to_dict(database_url)['dbname']}"


def forward(database_url: str, is_there: threading.Event) -> Behaviour:
    """Return a proxy to the real database.

    While `is_there` is not set, it closes new connections and sends nothing on open connections.
    """
    path = f"{conninfo_to_dict(database_url)['host']}/.s.PGSQL.5432"

    def behaviour(connection: socket.socket, over: threading.Event) -> None:
        if not is_there.is_set():
            return
        with socket.socket(socket.AF_UNIX) as upstream, ThreadPoolExecutor(1) as back:
            upstream.connect(path)
            back.submit(pump, upstream, connection, is_there)
            pump(connection, upstream, is_there)

    return behaviour


def pump(source: socket.socket, target: socket.socket, is_there: threading.Event) -> None:
    while chunk := source.recv(65536):
        if is_there.is_set():
            target.sendall(chunk)
    target.shutdown(socket.SHUT_WR)
