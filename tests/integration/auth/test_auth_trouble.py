"""Supabase Auth that is away, slow, broken, or not itself: each of its answers becomes the right error.

The contract is in test_auth_admin.py; what Auth refuses, is sent, and must not be told in test_auth_refusals.py.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.auth_faults import (
    BROKEN,
    CUT,
    PAGE,
    PAGE_500,
    PAGE_OK,
    SILENT,
    TIMED_OUT,
    UNEXPECTED,
    AuthServer,
    Fault,
    moved,
    throttled,
)
from tests.auth_server import SECRET_KEY, auth_server
from tests.auth_traffic import JANE
from tests.integration.auth_admins import CALLS, EMAIL, PASSWORD, auth_of_jane, client, error_of
from tests.integration.misbehaving_servers import Behaviour, Serve, closes, silent, trickles
from tests.ports import free_port
from webhook_service.auth.answers import pause_seconds
from webhook_service.auth.supabase import SupabaseAuthAdmin
from webhook_service.errors import AuthThrottled, AuthUnavailable

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SHORT = httpx.Timeout(0.5)
GATEWAY = [
    Fault(503, body='{"message": "name resolution failed"}'),
    Fault(502, body='{"message": "An invalid response was received from the upstream server"}'),
    Fault(404, body='{"message": "no Route matched with those values"}'),
]
"""What Supabase's gateway says in place of Auth: JSON without a code."""
PAGES = [Fault(status, body=PAGE) for status in (200, 201, 400, 401, 403, 404, 408, 422, 500, 502, 503, 520, 522)]
NO_OBJECTS = [Fault(200, body=body) for body in ("", "null", "[]", "5", '"jane@example.com"', "\x00")]
UNAVAILABLE = [
    *(TIMED_OUT, BROKEN, PAGE_500, PAGE_OK, UNEXPECTED, Fault(503, "hook_timeout"), Fault(408, "request_timeout")),
    *(moved("/elsewhere"), *PAGES, *GATEWAY, *NO_OBJECTS, Fault(204)),
]
USER = {"id": str(JANE), "email": "x@example.com", "aud": "", "app_metadata": {}, "user_metadata": {}} | {
    "created_at": "2026-11-22T12:00:00Z"
}
"""What an answer must have to be a user."""


@pytest.fixture
def server(database_url: str) -> Iterator[AuthServer]:
    with auth_of_jane(database_url) as server:
        yield server


@pytest.mark.parametrize("name", CALLS)
def test_trouble_is_unavailable(server: AuthServer, name: str) -> None:
    """Whatever is no answer of Auth's, or says that Auth cannot do it now: asking again later may help."""
    with client(server) as admin:
        for fault in UNAVAILABLE:
            server.fail_next(fault)
            error = error_of(admin, name)
            assert (type(error), error.reason) == (AuthUnavailable, "auth_unavailable"), fault


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("fault", [CUT, SILENT], ids=["cut", "silent"])
def test_no_answer_is_unreachable(server: AuthServer, name: str, fault: Fault) -> None:
    """The connection is cut, or nothing comes."""
    server.fail_next(fault)
    with client(server, timeout=SHORT) as admin:
        error = error_of(admin, name)
    assert (type(error), error.reason) == (AuthUnavailable, "auth_unreachable")


@pytest.mark.parametrize("behaviour", [silent, closes, trickles])
def test_a_call_ends(serve: Serve, behaviour: Behaviour) -> None:
    """Also where an answer comes so slowly that no single read is too long."""
    url = f"http://127.0.0.1:{serve(behaviour)}"
    with closing(SupabaseAuthAdmin(url, SECRET_KEY, timeout=SHORT, call_timeout=1.0)) as admin:
        error = error_of(admin, "update")
    assert (type(error), error.reason) == (AuthUnavailable, "auth_unreachable")


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_nobody_there_is_unreachable(host: str) -> None:
    """No port, or no such name."""
    with closing(SupabaseAuthAdmin(f"http://{host}:{free_port()}", SECRET_KEY)) as admin:
        error = error_of(admin, "get")
    assert (type(error), error.reason) == (AuthUnavailable, "auth_unreachable")


@pytest.mark.parametrize("fault", [TIMED_OUT, BROKEN, PAGE_OK, CUT], ids=lambda fault: str(fault.status))
def test_what_was_committed_is_seen_when_read_again(server: AuthServer, fault: Fault) -> None:
    """An error leaves open what was done; only reading tells."""
    with client(server) as admin:
        bob = uuid4()
        server.fail_next(fault.after_commit())
        with pytest.raises(AuthUnavailable):
            admin.create(bob, "bob@example.com", password=PASSWORD)
        assert admin.get(bob) is not None
        server.fail_next(fault.after_commit())
        with pytest.raises(AuthUnavailable):
            admin.update(bob, banned=True)
        found = admin.get(bob)
        assert found is not None
        assert found.banned_until is not None
        server.fail_next(fault.after_commit())
        with pytest.raises(AuthUnavailable):
            admin.delete(bob)
        assert admin.get(bob) is None
        assert server.count() == 6


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(server: AuthServer, database_url: str, status: int) -> None:
    """The key and the body go nowhere else."""
    with auth_server(database_url) as elsewhere, client(server) as admin:
        for name in CALLS:
            server.fail_next(moved(f"{elsewhere.url}/auth/v1/admin/users", status))
            assert error_of(admin, name).reason == "auth_unavailable"
        assert elsewhere.calls == []


@pytest.mark.parametrize("name", CALLS)
def test_too_many_requests(server: AuthServer, name: str) -> None:
    """Auth, or whatever stands before it, asks for a pause; where it does not say for how long, it is 5 seconds."""
    page = Fault(429, body=PAGE, headers=(("Retry-After", "9"),))
    soon = format_datetime(datetime.now(UTC) + timedelta(minutes=30), usegmt=True)
    with client(server) as admin:
        for fault, shortest, longest in (
            (throttled("7"), 7, 7),
            (throttled(), 5, 5),
            (throttled("jane@example.com"), 5, 5),
            (throttled(soon), 60, 1800),
            (page, 9, 9),
        ):
            server.fail_next(fault)
            error = error_of(admin, name)
            assert isinstance(error, AuthThrottled)
            assert shortest <= error.retry_after <= longest


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [
        ("7", 7),
        ("0", 1),
        ("3600", 3600),
        ("86400", 3600),
        ("999999999999999999999", 5),
        ("-3", 5),
        ("1.5", 5),
        ("", 5),
        ("soon", 5),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60),
        ("Sun, 22 Nov 2026 14:01:00 +0200", 60),
        ("Sun, 22 Nov 2026 12:01:00 -0000", 60),
        ("Sun, 22 Nov 2026 11:59:00 GMT", 1),
        ("Mon, 23 Nov 2026 12:00:00 GMT", 3600),
        ("Sun, 22 Nov 0026 12:00:00 GMT", 1),
        ("Sun, 99 Nov 2026 12:00:00 GMT", 5),
    ],
)
def test_a_pause_is_within_reason(retry_after: str, pause: float) -> None:
    """Seconds or a date, from a second to an hour."""
    assert pause_seconds(retry_after, now=NOW) == pause


@given(st.text() | st.from_regex(r"\A[A-Z][a-z]{2}, \d{1,5} [A-Z][a-z]{2} \d{1,6} \d+:\d+:\d+ [+-]?\w{1,12}\Z"))
def test_any_pause_is_within_reason(retry_after: str) -> None:
    """Whatever the header says."""
    assert 1 <= pause_seconds(retry_after, now=NOW) <= 3600


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "00000000-0000-4000-8000-000000000001"},
        {"id": EMAIL},
        {"id": None},
        {"banned_until": EMAIL},
        {"deleted_at": "9" * 30},
    ]
    + [{"banned_until": "0001-01-01T00:00:00+14:00"}, {"email": 5}, {"invited_at": EMAIL}],
    ids=str,
)
def test_an_answer_that_is_not_the_users_is_none(server: AuthServer, changes: dict[str, Any]) -> None:
    """Another user, no user, or one with impossible times: nothing is concluded from it, and nothing done."""
    answer = Fault(200, body=json.dumps(USER | changes))
    with client(server) as admin:
        for name in ("get", "update", "create"):
            server.fail_next(answer)
            error = error_of(admin, name)
            assert (type(error), error.reason) == (AuthUnavailable, "auth_unavailable")
            assert EMAIL not in f"{error!r}"
    assert server.count("DELETE") == 0


def test_times_are_finer_than_ours(server: AuthServer) -> None:
    """Auth answers a ban with nanoseconds; all times come out aware, in UTC."""
    reported = dict.fromkeys(("banned_until", "deleted_at", "invited_at"), "2126-10-29T16:10:38.241038123+02:00")
    server.fail_next(Fault(200, body=json.dumps(USER | reported)))
    with client(server) as admin:
        account = admin.update(JANE, banned=True)
    moment = datetime(2126, 10, 29, 14, 10, 38, 241038, UTC)
    assert (account.banned_until, account.deleted_at, account.invited_at) == (moment, moment, moment)
