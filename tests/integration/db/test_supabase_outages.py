"""A Supabase that is dead, silent or broken, over real sockets. Each of its responses raises the right error."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.integration.misbehaving_servers import (
    Behaviour,
    Serve,
    answers,
    answers_json,
    closes,
    request_of,
    silent,
    trickles,
)
from tests.ports import free_port
from webhook_service.db.supabase import SupabaseDatabase
from webhook_service.errors import DatabaseError, Unavailable

SHORT = httpx.Timeout(0.3)


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
    pytest.fail(f"The response was accepted as a result: {answer!r}")


def test_a_refused_connection_raises_unavailable() -> None:
    """A port on which no server listens raises Unavailable."""
    error = error_of(free_port())
    assert (type(error), error.reason) == (Unavailable, "database_unreachable")


@pytest.mark.parametrize("behaviour", [silent, closes, trickles])
def test_a_supabase_that_does_not_answer_raises_unavailable(serve: Serve, behaviour: Behaviour) -> None:
    """A call raises Unavailable if the server closes the connection, stays silent or answers too slowly."""
    error = error_of(serve(behaviour))
    assert isinstance(error, Unavailable)
    assert error.reason in ("database_unreachable", "database_slow")


PAGE = "<html><body><h1>Oh no</h1>jane@example.com</body></html>"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520, 522, 525])
def test_an_error_page_of_a_proxy_raises_unavailable(serve: Serve, status: int) -> None:
    """An error page of a proxy in front of PostgREST raises Unavailable."""
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
def test_an_error_of_supabases_gateway_raises_unavailable(serve: Serve, status: int, message: str) -> None:
    """An error of the API gateway (Kong) is JSON without PostgREST's code, and raises Unavailable."""
    assert isinstance(error_of(serve(answers_json(status, message=message))), Unavailable)


@pytest.mark.parametrize("body", [PAGE, "", "[", "null and void"], ids=["page", "empty", "cut", "text"])
def test_a_200_that_is_not_json_raises_unavailable(serve: Serve, body: str) -> None:
    """A 200 without JSON, such as from a captive portal, a parked domain or a wrong URL, raises Unavailable."""
    assert isinstance(error_of(serve(answers(200, body))), Unavailable)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(serve: Serve, status: int) -> None:
    """After a redirect, the key is not sent to another URL, and a POST does not become a GET."""
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
def test_the_code_of_postgrest_decides_whether_a_retry_helps(serve: Serve, status: int, code: str, kind: type) -> None:
    """PostgREST's code decides whether a retry helps. Its text, which may hold personal data, is not in the error."""
    error = error_of(serve(answers_json(status, code=code, message="jane@", details="(jane)", hint="jane")))
    assert isinstance(error, kind)
    assert "jane" not in f"{error} {error!r} {error.detail}"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
def test_a_page_that_refuses_raises_a_database_error(serve: Serve, status: int) -> None:
    """A 4xx page raises DatabaseError.

    The status 401 is not taken for an SQLSTATE of class 40 (a conflict), which would raise Unavailable.
    """
    assert isinstance(error_of(serve(answers(status, PAGE))), DatabaseError)


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_raises_a_database_error(serve: Serve, status: int) -> None:
    """A refused key raises DatabaseError, because a retry with the same key does not help."""
    error = error_of(serve(answers_json(status, message="Invalid API key", hint="Double check your API key.")))
    assert isinstance(error, DatabaseError)


def test_a_refusal_without_a_code_has_its_status(serve: Serve) -> None:
    """If a refusal has no code, the error's detail has the status. Operators read it in /readyz and in the log."""
    assert "401" in error_of(serve(answers_json(401, message="Invalid API key"))).detail


def test_large_numbers_are_exact(serve: Serve) -> None:
    """A bigint keeps all its digits in both directions if the server keeps them."""

    def echo(connection: socket.socket, over: threading.Event) -> None:
        _, body = request_of(connection)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    with supabase(serve(echo)) as database:
        assert database.call("echo", p=[2**63 - 1, -(2**63)]) == {"p": [2**63 - 1, -(2**63)]}
