"""The double of Supabase Auth answers as Auth does, including Auth's flaws, and fails as a test requests."""

import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.acceptance.conftest import wait_for
from tests.auth_faults import BROKEN, CUT, PAGE_OK, TIMED_OUT, AuthServer, Call, Fault, throttled
from tests.auth_server import SECRET_KEY, auth_server
from tests.auth_traffic import JANE
from tests.employees import Connection
from tests.integration.auth_admins import EMAIL, auth_of_jane, row, users
from tests.integration.capturing import auth_on
from webhook_service.events import Json

NEW = {"X-Supabase-Api-Version": "2024-01-01"}
USER = f"/admin/users/{JANE}"


@pytest.fixture
def server(database_url: str) -> Iterator[AuthServer]:
    with auth_of_jane(database_url) as server:
        yield server


def ask(
    server: AuthServer, method: str, path: str, body: Json = None, *, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """Return the status and the JSON of a request."""
    sent = {"apikey": server.key, "Authorization": f"Bearer {server.key}"} | NEW | (headers or {})
    answer = httpx.request(method, f"{server.url}/auth/v1{path}", headers=sent, json=body, timeout=20)
    return answer.status_code, answer.json()


def error(server: AuthServer, method: str, path: str, body: Json = None) -> tuple[int, str]:
    """Return the status and the code of a refused request."""
    status, answer = ask(server, method, path, body)
    assert set(answer) == {"code", "message"}
    return status, answer["code"]


def test_errors_have_the_requested_form(server: AuthServer) -> None:
    """The code of an error is a text in the form since 2024, and the status in the older form."""
    path = f"/admin/users/{uuid4()}"
    assert ask(server, "GET", path) == (404, {"code": "user_not_found", "message": "User not found"})
    old = {"code": 404, "error_code": "user_not_found", "msg": "User not found"}
    assert ask(server, "GET", path, headers={"X-Supabase-Api-Version": ""}) == (404, old)
    server.old_errors = True
    assert ask(server, "GET", path) == (404, old)


def test_banned_until_is_ignored(server: AuthServer, connection: Connection) -> None:
    """Auth silently ignores `banned_until`."""
    status, answer = ask(server, "PUT", USER, {"banned_until": "2126-11-22T12:00:00Z"})
    assert (status, "banned_until" in answer) == (200, False)
    assert row(connection)["banned_until"] is None


def test_a_ban_stays_although_the_request_fails(server: AuthServer, connection: Connection) -> None:
    """Auth commits a ban first. The ban stays if the same request then fails with 500 because of a taken e-mail."""
    ask(server, "POST", "/admin/users", {"email": "bob@example.com"})
    both = {"ban_duration": "876000h", "email": "bob@example.com", "email_confirm": True}
    assert error(server, "PUT", USER, both) == (500, "unexpected_failure")
    assert row(connection)["email"] == EMAIL
    assert row(connection)["banned_until"] > datetime.now(UTC) + timedelta(days=36_000)


@pytest.mark.parametrize(
    ("duration", "length"),
    [("1h30m", timedelta(minutes=90)), ("1.5h", timedelta(minutes=90)), ("2562047h", timedelta(hours=2_562_047))],
)
def test_a_ban_has_a_go_duration(server: AuthServer, connection: Connection, duration: str, length: timedelta) -> None:
    """The units of a duration may be combined and have fractions."""
    before = datetime.now(UTC)
    assert ask(server, "PUT", USER, {"ban_duration": duration})[0] == 200
    assert before + length <= row(connection)["banned_until"] <= datetime.now(UTC) + length


@pytest.mark.parametrize("duration", ["1d", "100y", "5", "h", "forever", "2562048h", "1h 30m"])
def test_a_ban_with_an_invalid_duration_is_refused(server: AuthServer, connection: Connection, duration: str) -> None:
    """A Go duration has no days and is at most 292 years."""
    assert error(server, "PUT", USER, {"ban_duration": duration}) == (400, "validation_failed")
    assert row(connection)["banned_until"] is None


def test_invalid_requests(server: AuthServer, connection: Connection) -> None:
    """An invalid request gets Auth's error code, and never an error of the double."""
    for method, path, body, expected in (
        ("POST", "/admin/users", {"email": EMAIL.upper()}, (422, "email_exists")),
        ("POST", "/admin/users", {"email": "other@example.com", "id": str(JANE)}, (500, "unexpected_failure")),
        ("POST", "/admin/users", {"email": "other@example.com", "id": "5"}, (400, "validation_failed")),
        ("POST", "/admin/users", {}, (400, "validation_failed")),
        ("POST", "/admin/users", {"email": 5}, (400, "bad_json")),
        ("POST", "/admin/users", [], (400, "bad_json")),
        ("POST", "/invite", {"email": EMAIL}, (422, "email_exists")),
        ("POST", "/invite", {}, (400, "validation_failed")),
        ("GET", "/admin/users/5", None, (404, "validation_failed")),
        ("PUT", f"/admin/users/{uuid4()}", {}, (404, "user_not_found")),
        ("DELETE", f"/admin/users/{uuid4()}", {}, (404, "user_not_found")),
        ("GET", "/admin/users?page=one", None, (400, "validation_failed")),
    ):
        assert error(server, method, path, body) == expected, (method, path, body)
    assert users(connection) == 1


def test_a_request_without_the_key_is_refused(server: AuthServer) -> None:
    """A request is refused unless it has the key in the header of the gateway and in the header of Auth."""
    assert ask(server, "GET", USER, headers={"apikey": "wrong"})[0] == 401
    status, answer = ask(server, "GET", USER, headers={"Authorization": "Bearer wrong"})
    assert (status, answer["code"]) == (403, "bad_jwt")


def test_the_list_is_in_pages(server: AuthServer, database_url: str) -> None:
    """A page of the list has fifty users by default, the newest first, including soft-deleted ones."""
    with auth_on(database_url) as auth:
        made = [auth.admin_create(f"user{number}@example.com") for number in range(52)]
        auth.soft_delete(made[-1])
    order = [str(user) for user in [*reversed(made), JANE]]

    def page(query: str) -> list[str]:
        return [user["id"] for user in ask(server, "GET", f"/admin/users{query}")[1]["users"]]

    assert (page(""), page("?page=2")) == (order[:50], order[50:])
    assert page("?page=3&per_page=10") == order[20:30]
    assert page("?page=9") == []


def test_a_soft_delete_keeps_the_row(server: AuthServer) -> None:
    """A soft delete replaces the e-mail by a hash."""
    assert ask(server, "DELETE", USER, {"should_soft_delete": True}) == (200, {})
    user = ask(server, "GET", USER)[1]
    assert "deleted_at" in user
    assert "@" not in user["email"]


def test_faults_apply_to_the_requested_calls(server: AuthServer, connection: Connection) -> None:
    """Faults apply in the requested order, other calls succeed, and only a fault after the commit leaves a change."""
    server.fail_next(throttled("7"), TIMED_OUT.after_commit(), method="PUT", path="/admin/users")
    server.fail_next(BROKEN, path="/invite")
    ban = {"ban_duration": "1h"}
    assert ask(server, "GET", USER)[0] == 200
    assert ask(server, "PUT", USER, ban)[0] == 429
    assert row(connection)["banned_until"] is None
    assert ask(server, "PUT", USER, ban)[0] == 504
    assert row(connection)["banned_until"] is not None
    assert ask(server, "PUT", USER, ban)[0] == 200
    server.fail(TIMED_OUT)
    assert [ask(server, "GET", USER)[0] for _ in range(3)] == [504] * 3
    server.fail(None)
    assert ask(server, "GET", USER)[0] == 200
    assert (server.count(), server.count("PUT"), server.count(path="/invite")) == (8, 3, 0)


def test_calls_are_recorded_without_passwords(server: AuthServer) -> None:
    """The double records calls in their order, each with its fault, and without passwords by default."""
    body = {"email": "bob@example.com", "password": "secret"}
    server.fail_next(CUT)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(server, "POST", "/admin/users", body)
    server.keep_passwords = True
    ask(server, "POST", "/admin/users", body)
    first, second = server.calls
    assert (first.method, first.path) == ("POST", "/admin/users")
    assert (first.body, first.fault) == ({"email": body["email"]}, CUT)
    assert (second.body, second.fault) == (body, None)
    server.forget_calls()
    assert server.calls == []


def test_a_test_may_act_during_a_call(server: AuthServer, connection: Connection) -> None:
    """A test may act before a call, and between its commit and its response, even if the response is lost."""
    seen: list[tuple[str, int]] = []
    server.before = lambda call: seen.append((call.method, users(connection)))
    server.after = lambda call: seen.append((call.method, users(connection)))
    server.fail_next(CUT.after_commit())
    with pytest.raises(httpx.RemoteProtocolError):
        ask(server, "DELETE", USER)
    assert seen == [("DELETE", 1), ("DELETE", 0)]


def test_chance_is_the_same_for_the_same_seed(database_url: str) -> None:
    """The random faults of a call depend on the call and its number, and not on the order of the threads."""
    chances: dict[Fault, float] = {TIMED_OUT: 0.2, BROKEN: 0.2, PAGE_OK.after_commit(): 0.2}

    def met(seed: int) -> dict[str, list[Fault | None]]:
        paths = [f"/admin/users/ffffffff-ffff-4fff-8fff-{number:012}" for number in range(8)]
        with (
            auth_server(database_url, chances=chances, seed=seed) as server,
            httpx.Client(base_url=f"{server.url}/auth/v1", headers={"apikey": SECRET_KEY}) as client,
            ThreadPoolExecutor(8) as threads,
        ):
            list(threads.map(client.get, paths * 6))
            return {path: [call.fault for call in server.calls if call.path == path] for path in paths}

    first, again, other = met(1), met(1), met(2)
    assert first == again != other
    assert set(Counter(fault for faults in first.values() for fault in faults)) == {None, *chances}


def test_an_error_of_the_double_fails_the_test(database_url: str) -> None:
    """An error in the double fails the test, because it is not a response of Auth."""

    def breaks(call: Call) -> None:
        raise ZeroDivisionError

    def run() -> None:
        with auth_of_jane(database_url) as server:
            server.before = breaks
            with pytest.raises(httpx.RemoteProtocolError):
                ask(server, "GET", USER)

    with pytest.raises(ZeroDivisionError):
        run()


def test_a_client_may_leave(server: AuthServer) -> None:
    """A client that disconnects during its request, or before its response, does not stop the double."""
    port = httpx.URL(server.url).port
    assert port is not None
    head = f"PUT /auth/v1{USER} HTTP/1.1\r\nHost: x\r\napikey: {server.key}\r\nContent-Length: 2\r\n\r\n"
    for request in (head[:20], f"{head}{{", f"{head}{{}}"):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(request.encode())
    wait_for("the whole request", lambda: server.count("PUT") == 1)
    assert ask(server, "GET", USER)[0] == 200
    assert server.count() == 2
