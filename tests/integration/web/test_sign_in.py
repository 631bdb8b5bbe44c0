"""The admins who may sign in to the pages, and the ways to sign in."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from flask import Flask

from tests.auth_factors import factor
from tests.auth_faults import BROKEN, CUT, PAGE_500, PAGE_OK, UNEXPECTED, Fault, throttled
from tests.auth_server import JWT_KEY, SECRET_KEY
from tests.auth_traffic import JANE
from tests.conftest import ADMIN_KEY
from tests.employees import Connection, hire
from tests.integration.capturing import auth_on
from tests.integration.signing_in import (
    EMAIL,
    PASSWORD,
    Browser,
    admin_in_auth,
    local,
    pages,
    pages_with_auth,
    recorded,
)
from webhook_service.log import JsonFormatter
from webhook_service.settings import Settings, SupabaseConnection
from webhook_service.web.pages.sign_in import WRONG_KEY, WRONG_PASSWORD


def by_password(password: str = PASSWORD, email: str = EMAIL) -> dict[str, str]:
    return {"email": email, "password": password}


@contextmanager
def supabase(settings: Settings) -> Iterator[Flask]:
    with pages_with_auth(settings) as (app, _):
        yield app


@pytest.fixture(params=["stand-in", "Supabase"])
def with_auth(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Flask]:
    """The pages, with the stand-in or with Supabase Auth."""
    with pages(local(settings)) if request.param == "stand-in" else supabase(settings) as app:
        yield app


# By the admin key


def test_the_admin_key_signs_in(site: Flask, connection: Connection) -> None:
    """The admin key signs a visitor in, and the audit records the given name without unprintable characters."""
    browser = Browser(site)
    assert not browser.is_in()
    response = browser.signs_in(key=ADMIN_KEY, name=" Kim\0\n\u202e  of IT " + "x" * 99)
    assert (response.status_code, response.headers["Location"]) == (303, "/admin/auth-sync")
    assert browser.is_in()
    [(who, action, target)] = recorded(connection)
    assert who.startswith("admin key (Kim of IT")
    assert (len(who), action, target) == (len("admin key ()") + 60, "signed in", None)


def test_a_failed_sign_in_does_not_say_why(settings: Settings, database_url: str) -> None:
    """A failed sign-in gets one text and status for all causes, even if the user does not exist."""
    admin_in_auth(database_url)
    forms = [
        {"key": "wrong"},
        {"key": f"{ADMIN_KEY} "},
        {"key": "é\0"},
        by_password("wrong"),
        by_password(""),
        by_password(email="nobody@example.com"),
        by_password(email="jane\0@example.com"),
        by_password(email="é@example.com"),
        {"email": EMAIL, "key": ADMIN_KEY},
    ]
    for with_auth in (pages(local(settings)), supabase(settings)):
        with with_auth as app:
            for number, form in enumerate(forms):
                browser = Browser(app, f"198.51.100.{number}")
                response = browser.signs_in(**form)
                text = WRONG_PASSWORD if "email" in form else WRONG_KEY
                assert (response.status_code, text in response.text) == (401, True), form
                assert not browser.is_in()


# By Supabase Auth


def test_an_admin_of_auth_signs_in(with_auth: Flask, database_url: str, connection: Connection) -> None:
    """An admin of Auth signs in with a password and an e-mail in any case. The audit records the e-mail."""
    admin_in_auth(database_url)
    browser = Browser(with_auth)
    assert browser.signs_in(**by_password(email=f" {EMAIL.upper()} ")).status_code == 303
    assert EMAIL in browser.get("/admin/audit").text
    assert recorded(connection) == [(EMAIL, "signed in", None)]
    assert connection.execute("select count(*) as open from auth.sessions").fetchall() == [{"open": 0}]


@pytest.mark.parametrize(
    "who", ["no role", "another role", "by user_metadata", "banned", "deleted", "unconfirmed", "SSO", "dismissed"]
)
def test_a_user_who_is_not_an_admin_is_refused(
    with_auth: Flask, database_url: str, connection: Connection, who: str
) -> None:
    """A user who is not an admin is refused with the usual text, even with the right password."""
    role = {"no role": "", "by user_metadata": "", "another role": "employee"}.get(who, "sync_admin")
    admin_in_auth(database_url, role=role, confirmed=who != "unconfirmed")
    with auth_on(database_url) as auth:
        if who == "by user_metadata":
            auth.update_metadata(JANE, {"role": "sync_admin", "app_metadata": {"role": "sync_admin"}})
        if who == "deleted":
            auth.soft_delete(JANE)
    if who == "banned":
        connection.execute("update auth.users set banned_until = now() + interval '1 hour'")
    if who == "SSO":
        connection.execute("update auth.users set is_sso_user = true")
    if who == "dismissed":
        hire(connection, EMAIL, auth_user_id=JANE, is_active=False)
    browser = Browser(with_auth)
    response = browser.signs_in(**by_password())
    assert (response.status_code, WRONG_PASSWORD in response.text) == (401, True)
    assert not browser.is_in()
    assert recorded(connection) == []


def test_an_expired_ban_does_not_matter(with_auth: Flask, database_url: str, connection: Connection) -> None:
    """A user whose ban has expired may sign in again."""
    admin_in_auth(database_url)
    connection.execute("update auth.users set banned_until = now() - interval '1 hour'")
    assert Browser(with_auth).signs_in(**by_password()).status_code == 303


def test_a_password_alone_is_refused_if_there_is_a_second_factor(settings: Settings, database_url: str) -> None:
    """A user with a verified second factor is not in after the password. An unverified factor does not count."""
    admin_in_auth(database_url)
    with pages_with_auth(settings) as (app, auth):
        for factors, is_in in ([factor(), factor(status="unverified")], False), ([factor(status="unverified")], True):
            auth.factors = factors
            browser = Browser(app)
            assert browser.signs_in(**by_password()).status_code == 303
            assert browser.is_in() is is_in


@pytest.mark.parametrize("fault", [Fault(403, "user_banned"), Fault(400, "email_not_confirmed"), Fault(422, "odd")])
def test_a_sign_in_that_auth_refuses_is_refused(settings: Settings, database_url: str, fault: Fault) -> None:
    """A sign-in that Auth refuses, with any status and code, gets a 401."""
    admin_in_auth(database_url)
    with pages_with_auth(settings) as (app, auth):
        auth.fail_next(fault, path="/token")
        assert Browser(app).signs_in(**by_password()).status_code == 401


def test_a_refused_service_key_is_not_called_a_wrong_password(settings: Settings, database_url: str) -> None:
    """If Auth refuses the service's key, the page reports this, and does not call the password wrong."""
    admin_in_auth(database_url)
    with pages_with_auth(settings) as (app, auth):
        auth.key = JWT_KEY
        response = Browser(app).signs_in(**by_password())
    assert (response.status_code, "refused the key" in response.text) == (502, True)


@pytest.mark.parametrize(
    "fault", [CUT, BROKEN, UNEXPECTED, PAGE_500, PAGE_OK, throttled("7")], ids=lambda fault: f"{fault.status}"
)
def test_an_outage_of_auth_is_reported(settings: Settings, database_url: str, fault: Fault) -> None:
    """During an outage of Auth, a sign-in by password gets a 503 with Retry-After, and the admin key signs in.

    The password signs in after the outage.
    """
    admin_in_auth(database_url)
    with pages_with_auth(settings) as (app, auth):
        auth.fail(fault)
        browser = Browser(app)
        response = browser.signs_in(**by_password())
        assert (response.status_code, "Auth does not answer" in response.text) == (503, True)
        assert response.headers["Retry-After"] == ("7" if fault.status == 429 else "5")
        assert "jane@example.com" not in response.text
        assert browser.signs_in().status_code == 303
        auth.fail(None)
        assert Browser(app).signs_in(**by_password()).status_code == 303


def test_a_session_that_auth_cannot_end_does_not_prevent_a_sign_in(settings: Settings, database_url: str) -> None:
    """A failed sign-out in Auth does not prevent the sign-in, because the token is stored nowhere."""
    admin_in_auth(database_url)
    with pages_with_auth(settings) as (app, auth):
        for fault in (CUT, UNEXPECTED, PAGE_500):
            auth.fail_next(fault, path="/logout")
            assert Browser(app).signs_in(**by_password()).status_code == 303
        assert [dict(call.body) for call in auth.calls if "password" in str(call.body)] == []


def test_without_roles_there_is_no_sign_in_by_password(settings: Settings, database_url: str) -> None:
    """Without ADMIN_ROLES or without Auth, the page has no password form, and Auth is not called."""
    admin_in_auth(database_url)
    with pages_with_auth(settings) as (_, auth):
        for auth_settings in (SupabaseConnection(auth.url, auth.key), None):
            with pages(replace(settings, auth=auth_settings)) as app:
                browser = Browser(app)
                assert 'type="password"' in browser.get("/admin/login").text
                assert 'name="password"' not in browser.get("/admin/login").text
                assert browser.signs_in(**by_password()).status_code == 401
        assert auth.count() == 0


def test_nothing_secret_is_logged(settings: Settings, database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """The log has the address and the reason of a refused sign-in, but neither the user nor any typed text."""
    admin_in_auth(database_url)
    caplog.set_level(logging.DEBUG)
    with pages_with_auth(settings) as (app, _):
        for form in (by_password(), by_password("wr0ng"), {"key": "wr0ng"}, {"key": ADMIN_KEY}):
            Browser(app, "198.51.100.7").signs_in(**form)
    lines = "\n".join(map(JsonFormatter().format, caplog.records))
    refused = [record for record in caplog.records if record.getMessage() == "sign-in refused"]
    assert [(vars(record)["address"], vars(record)["reason"]) for record in refused] == [
        ("198.51.100.7", "invalid_credentials"),
        ("198.51.100.7", "wrong_key"),
    ]
    own = "\n".join(JsonFormatter().format(each) for each in caplog.records if each.name.startswith("webhook_service"))
    assert not [word for word in ("wr0ng", PASSWORD, ADMIN_KEY, SECRET_KEY, "t0kenOf", "pbkdf2") if word in lines]
    assert EMAIL.split("@")[0] not in own
