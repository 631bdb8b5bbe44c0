"""The refusals of Supabase Auth, the requests to it, and the data that errors and logs must not contain."""

import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import closing
from uuid import UUID, uuid4

import pytest

from tests.auth_faults import PAGE, TIMED_OUT, AuthServer, Fault
from tests.auth_server import CONFIDENTIAL
from tests.auth_traffic import JANE
from tests.employees import Connection
from tests.integration.auth_admins import CALLS, EMAIL, NEW_EMAIL, PASSWORD, auth_of_jane, client, error_of, users
from tests.integration.canaries import lines
from webhook_service.auth.supabase import SupabaseAuthAdmin
from webhook_service.errors import AuthEmailExists, AuthRefused, AuthUnavailable, AuthUserNotFound

USER = f"/admin/users/{JANE}"


@pytest.fixture
def server(database_url: str) -> Iterator[AuthServer]:
    with auth_of_jane(database_url) as server:
        yield server


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_key_is_refused(server: AuthServer, name: str) -> None:
    """The gateway refuses a wrong key. Auth changes nothing, and the error is not AuthUserNotFound."""
    with closing(SupabaseAuthAdmin(server.url, "sb_secret_wrong")) as admin:
        error = error_of(admin, name)
    assert (type(error), error.reason) == (AuthRefused, "auth_key_refused")
    assert "401" in error.detail
    assert server.calls == []


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("fault", [Fault(403, "not_admin"), Fault(403, "bad_jwt"), Fault(401, "no_authorization")])
def test_a_key_without_rights_is_refused(server: AuthServer, name: str, fault: Fault) -> None:
    """Auth refuses a key without privileges."""
    server.fail_next(fault)
    with client(server) as admin:
        error = error_of(admin, name)
    assert isinstance(error, AuthRefused)
    assert (error.reason, error.code) == ("auth_key_refused", fault.code)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("old_errors", [True, False])
def test_auth_refuses(database_url: str, name: str, old_errors: bool) -> None:
    """The error for any other refusal has Auth's code. An unknown path does not raise AuthUserNotFound."""
    with auth_of_jane(database_url, old_errors=old_errors) as server, client(server) as admin:
        for status, code in (
            (400, "validation_failed"),
            (404, "validation_failed"),
            (409, "conflict"),
            (422, "user_sso_managed"),
            (422, "phone_exists"),
            (422, "weak_password"),
            (451, "a_code_of_tomorrow"),
        ):
            server.fail_next(Fault(status, code))
            error = error_of(admin, name)
            assert type(error) is AuthRefused
            assert (error.reason, error.code) == ("auth_refused", code)
            assert (str(status) in error.detail, code in error.detail) == (True, True)


def test_an_auth_without_codes_refuses(server: AuthServer) -> None:
    """A refusal of an Auth from before 2024 has only a status and a text. Its 404 does not name the missing object."""
    with client(server) as admin:
        for status in (400, 404, 422):
            server.fail_next(Fault(status, body=json.dumps({"code": status, "msg": CONFIDENTIAL})))
            error = error_of(admin, "get")
            assert type(error) is AuthRefused
            assert (error.reason, error.code) == ("auth_refused", "")


def test_errors_of_both_forms_are_the_same(database_url: str, connection: Connection) -> None:
    """Errors are the same if a proxy drops the API version, so that Auth answers in the form from before 2024."""
    with auth_of_jane(database_url, old_errors=True) as server, client(server) as admin:
        bob = uuid4()
        assert admin.get(bob) is None
        admin.delete(bob)
        with pytest.raises(AuthUserNotFound):
            admin.update(bob, banned=True)
        with pytest.raises(AuthEmailExists):
            admin.create(bob, EMAIL, password=PASSWORD)
        admin.create(bob, "bob@example.com", password=PASSWORD)
        with pytest.raises(AuthUnavailable):
            admin.update(bob, email=EMAIL)
    assert users(connection) == 2


def test_an_auth_that_is_too_old(database_url: str, connection: Connection) -> None:
    """If an old Auth creates a user under another id, this user is deleted again, and no other user."""
    with auth_of_jane(database_url, honours_id=False) as server, client(server) as admin:
        with pytest.raises(AuthRefused) as caught:
            admin.create(uuid4(), NEW_EMAIL, password=PASSWORD)
        assert (type(caught.value), caught.value.reason) == (AuthRefused, "auth_too_old")
        assert admin.get(JANE) is not None
    assert users(connection) == 1


def test_the_user_that_an_old_auth_keeps_is_named(database_url: str, connection: Connection) -> None:
    """The error names the user that an old Auth created and that could not be deleted."""
    with auth_of_jane(database_url, honours_id=False) as server, client(server) as admin:
        server.fail_next(TIMED_OUT, method="DELETE")
        with pytest.raises(AuthRefused) as caught:
            admin.create(uuid4(), NEW_EMAIL, password=PASSWORD)
    [left] = connection.execute("select id from auth.users where email = %s", [NEW_EMAIL]).fetchall()
    assert caught.value.reason == "auth_too_old"
    assert str(left["id"]) in caught.value.detail


def test_the_requests(database_url: str) -> None:
    """A ban is sent as a duration, an e-mail is always confirmed, and a request has only requested fields."""
    bob, joe = uuid4(), UUID("ffffffff-ffff-4fff-8fff-ffffffffffff")
    with auth_of_jane(database_url, keep_passwords=True) as server, client(server) as admin:
        admin.create(bob, "Bob@example.com", password=PASSWORD)
        admin.create(joe, "joe@example.com", password=None)
        admin.invite("joe@example.com")
        admin.update(JANE, banned=True)
        admin.update(JANE, banned=False)
        admin.update(JANE, email=NEW_EMAIL)
        admin.update(JANE, email=EMAIL, banned=True)
        admin.get(JANE)
        admin.delete(JANE)
        sent = [(call.method, call.path, dict(call.body)) for call in server.calls]
    bob_user = {"id": str(bob), "email": "Bob@example.com", "email_confirm": True, "password": PASSWORD}
    assert sent == [
        ("POST", "/admin/users", bob_user),
        ("POST", "/admin/users", {"id": str(joe), "email": "joe@example.com", "email_confirm": False}),
        ("POST", "/invite", {"email": "joe@example.com", "data": None}),
        ("PUT", USER, {"ban_duration": "876000h"}),
        ("PUT", USER, {"ban_duration": "none"}),
        ("PUT", USER, {"email": NEW_EMAIL, "email_confirm": True}),
        ("PUT", USER, {"ban_duration": "876000h", "email": EMAIL, "email_confirm": True}),
        ("GET", USER, {}),
        ("DELETE", USER, {"should_soft_delete": False}),
    ]


def test_a_call_is_one_request(server: AuthServer) -> None:
    """A call is not retried, because the caller decides about a retry after a read."""
    with client(server) as admin:
        for number, name in enumerate(CALLS, start=1):
            server.fail_next(TIMED_OUT)
            error_of(admin, name)
            assert server.count() == number


def test_text_that_cannot_be_sent_is_refused(server: AuthServer) -> None:
    """An e-mail with half a surrogate pair is refused."""
    with client(server) as admin, pytest.raises(AuthRefused) as caught:
        admin.create(uuid4(), "\ud800@example.com", password=PASSWORD)
    assert (caught.value.reason, caught.value.code) == ("auth_refused", "validation_failed")


ALL = f"{EMAIL} {NEW_EMAIL} {PASSWORD} jane@example.com"
ECHOES = [
    *(Fault(status, body=ALL) for status in (200, 302, 400, 401, 403, 404, 429, 500, 504)),
    *(Fault(status, body=json.dumps({"code": ALL, "message": ALL})) for status in (200, 401, 422, 429, 500, 504)),
    *(Fault(status, body=json.dumps({"code": status, "error_code": ALL, "msg": ALL})) for status in (422, 500)),
    *(Fault(status, "a_code") for status in (400, 401, 422, 429, 500, 504)),
    Fault(422, "email_exists"),
    Fault(429, "over_email_send_rate_limit", headers=(("Retry-After", ALL),)),
    Fault(302, body=PAGE, headers=(("Location", f"http://{NEW_EMAIL}/{PASSWORD}"),)),
    Fault(200, body=json.dumps({"user": {"id": ALL, "email": ALL}})),
]
"""Responses that repeat the data of the request, and other data."""


@pytest.mark.parametrize("name", CALLS)
def test_nothing_personal_is_shown(server: AuthServer, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """No error, cause or log contains an e-mail, a password, the key or Auth's text."""
    caplog.set_level(logging.INFO)
    with client(server) as admin:
        for fault in ECHOES:
            if name == "delete" and fault.status == 200 and fault.body.startswith("{"):
                continue  # Auth answers {}, and supabase-py ignores the content
            server.fail_next(fault)
            error = error_of(admin, name)
            logging.getLogger("webhook_service").error("failed", exc_info=error)
            reported = "".join(traceback.format_exception(error)) + f"{error!r} {error.detail} {vars(error)}"
            reported += lines(caplog) + caplog.text
            for secret in (EMAIL, NEW_EMAIL, PASSWORD, server.key, CONFIDENTIAL, "jane@example.com"):
                assert secret not in reported, (fault, secret)
            caplog.clear()


@pytest.mark.parametrize("key", ["sb_secret_canary\n", "sb_secret_canary\u2028", "sb_secret_canar\u00ff"])
def test_a_key_that_cannot_be_sent_is_not_shown(server: AuthServer, key: str) -> None:
    """The error for a key with a line break does not contain the key."""
    with closing(SupabaseAuthAdmin(server.url, key)) as admin:
        error = error_of(admin, "get")
    assert "canar" not in "".join(traceback.format_exception(error)) + f"{error!r}"
