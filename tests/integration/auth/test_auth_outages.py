"""Calls raise the documented error if Supabase Auth is unavailable, slow or broken, or another server answers.

The contract is in test_auth_admin.py. Refusals, requests and secrets are in test_auth_refusals.py.
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
"""Responses of Supabase's gateway in place of Auth: JSON without a code."""
PAGES = [Fault(status, body=PAGE) for status in (200, 201, 400, 401, 403, 404, 408, 422, 500, 502, 503, 520, 522)]
NO_OBJECTS = [Fault(200, body=body) for body in ("", "null", "[]", "5", '"jane@example.com"', "\x00")]
UNAVAILABLE = [
    *(TIMED_OUT, BROKEN, PAGE_500, PAGE_OK, UNEXPECTED, Fault(503, "hook_timeout"), Fault(408, "request_timeout")),
    *(moved("/elsewhere"), *PAGES, *GATEWAY, *NO_OBJECTS, Fault(204)),
]
USER = {"id": str(JANE), "email": "x@example.com", "aud": "", "app_metadata": {}, "user_metadata": {}} | {
    "created_at": "2026-11-22T12:00:00Z"
}
"""The fields that a response must have to be a user."""


@pytest.fixture
def server(database_url: str) -> Iterator[AuthServer]:
    with auth_of_jane(database_url) as server:
        yield server


@pytest.mark.parametrize("name", CALLS)
def test_an_outage_raises_auth_unavailable(server: AuthServer, name: str) -> None:
    """A response that is not from Auth, or that reports an outage, raises AuthUnavailable. The caller may retry."""
    with client(server) as admin:
        for fault in UNAVAILABLE:
            server.fail_next(fault)
            error = error_of(admin, name)
            assert (type(error), error.reason) == (AuthUnavailable, "auth_unavailable"), fault


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("fault", [CUT, SILENT], ids=["cut", "silent"])
def test_no_response_is_unreachable(server: AuthServer, name: str, fault: Fault) -> None:
    """A connection that closes or times out without a response raises AuthUnavailable."""
    server.fail_next(fault)
    with client(server, timeout=SHORT) as admin:
        error = error_of(admin, name)
    assert (type(error), error.reason) == (AuthUnavailable, "auth_unreachable")


@pytest.mark.parametrize("behaviour", [silent, closes, trickles])
def test_a_call_ends(serve: Serve, behaviour: Behaviour) -> None:
    """A call ends in time, even if the response arrives so slowly that no single read times out."""
    url = f"http://127.0.0.1:{serve(behaviour)}"
    with closing(SupabaseAuthAdmin(url, SECRET_KEY, timeout=SHORT, call_timeout=1.0)) as admin:
        error = error_of(admin, "update")
    assert (type(error), error.reason) == (AuthUnavailable, "auth_unreachable")


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_an_unknown_host_is_unreachable(host: str) -> None:
    """A closed port or an unknown host name raises AuthUnavailable."""
    with closing(SupabaseAuthAdmin(f"http://{host}:{free_port()}", SECRET_KEY)) as admin:
        error = error_of(admin, "get")
    assert (type(error), error.reason) == (AuthUnavailable, "auth_unreachable")


@pytest.mark.parametrize("fault", [TIMED_OUT, BROKEN, PAGE_OK, CUT], ids=lambda fault: str(fault.status))
def test_a_committed_change_is_seen_by_a_read(server: AuthServer, fault: Fault) -> None:
    """A read shows a change that Auth committed although the call raised an error."""
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
    """After a redirect, the key and the body are not sent to another URL."""
    with auth_server(database_url) as elsewhere, client(server) as admin:
        for name in CALLS:
            server.fail_next(moved(f"{elsewhere.url}/auth/v1/admin/users", status))
            assert error_of(admin, name).reason == "auth_unavailable"
        assert elsewhere.calls == []


@pytest.mark.parametrize("name", CALLS)
def test_too_many_requests(server: AuthServer, name: str) -> None:
    """A 429 of Auth or of a proxy raises AuthThrottled. Its pause is Retry-After, or 5 seconds without this header."""
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
def test_a_pause_has_limits(retry_after: str, pause: float) -> None:
    """Retry-After may be a number of seconds or a date. The pause is at least a second and at most an hour."""
    assert pause_seconds(retry_after, now=NOW) == pause


@given(st.text() | st.from_regex(r"\A[A-Z][a-z]{2}, \d{1,5} [A-Z][a-z]{2} \d{1,6} \d+:\d+:\d+ [+-]?\w{1,12}\Z"))
def test_any_pause_has_limits(retry_after: str) -> None:
    """A pause is between a second and an hour for any text of the header."""
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
def test_a_response_about_another_user_is_ignored(server: AuthServer, changes: dict[str, Any]) -> None:
    """A response with another user, an invalid user or invalid times raises AuthUnavailable, and no user is deleted."""
    answer = Fault(200, body=json.dumps(USER | changes))
    with client(server) as admin:
        for name in ("get", "update", "create"):
            server.fail_next(answer)
            error = error_of(admin, name)
            assert (type(error), error.reason) == (AuthUnavailable, "auth_unavailable")
            assert EMAIL not in f"{error!r}"
    assert server.count("DELETE") == 0


def test_times_have_nanoseconds(server: AuthServer) -> None:
    """Auth's response to a ban has a time with nanoseconds. An account has all times in UTC, with microseconds."""
    reported = dict.fromkeys(("banned_until", "deleted_at", "invited_at"), "2126-10-29T16:10:38.241038123+02:00")
    server.fail_next(Fault(200, body=json.dumps(USER | reported)))
    with client(server) as admin:
        account = admin.update(JANE, banned=True)
    moment = datetime(2126, 10, 29, 14, 10, 38, 241038, UTC)
    assert (account.banned_until, account.deleted_at, account.invited_at) == (moment, moment, moment)
