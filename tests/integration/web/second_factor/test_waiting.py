"""Attacks on the time between the password and the code."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from tests.auth_factors import totp
from tests.auth_faults import AuthServer
from tests.auth_traffic import JANE
from tests.employees import Connection, hire
from tests.integration.capturing import auth_on
from tests.integration.signing_in import (
    EMAIL,
    Browser,
    recorded,
    redirects_to_sign_in,
)
from tests.integration.web.second_factor.conftest import BY_JANE, CODE_PAGE, TOKEN, is_wrong, sessions_in_auth, waiting
from webhook_service.web.pages.sign_in import (
    OVER,
)


def test_without_a_password_there_is_no_code(site: Flask, auth: AuthServer) -> None:
    """A visitor who has sent no password is led to the sign-in, and a code from there is refused."""
    browser = Browser(site)
    assert redirects_to_sign_in(browser.get(CODE_PAGE))
    assert is_wrong(browser.sends_code(totp()), OVER)
    assert auth.count(path="/factors") == 0


def test_a_code_must_come_within_five_minutes(site: Flask, connection: Connection) -> None:
    """After five minutes the right code is refused, and the session in Auth is ended."""
    for passed, status in (("4 minutes 55 seconds", 303), ("5 minutes 1 second", 401)):
        browser = waiting(site)
        connection.execute("update auth_sync_pending_sign_ins set began_at = began_at - %s::interval", [passed])
        response = browser.sends_code(totp())
        assert (response.status_code, OVER in response.text) == (status, status == 401)
        assert browser.is_in() is (status == 303)
    assert sessions_in_auth(connection) == []
    assert redirects_to_sign_in(browser.get(CODE_PAGE))


def test_a_sign_in_is_bound_to_its_visitor(site: Flask, auth: AuthServer) -> None:
    """Only the cookie of the visitor who sent the password has the key, so no other visitor can send the code."""
    victim, attacker = waiting(site), waiting(site, "198.51.100.1")
    with victim.client.session_transaction(path="/admin") as session:
        stolen = dict(session["second_factor"])
    with attacker.client.session_transaction(path="/admin") as session:
        session["second_factor"] = session["second_factor"] | {"id": stolen["id"]}
    assert is_wrong(attacker.sends_code(totp()), OVER)
    assert not attacker.is_in()
    assert auth.count("POST", "/factors") == 0


def test_a_code_signs_in_once(site: Flask, connection: Connection) -> None:
    """A copy of the cookie from before the code is useless after it, even with a right code."""
    browser, thief = waiting(site), Browser(site, "198.51.100.1")
    copied = browser.cookie
    assert browser.sends_code(totp()).status_code == 303
    thief.cookie = copied
    assert is_wrong(thief.sends_code(totp()), OVER)
    assert not thief.is_in()
    assert browser.is_in()


def test_one_sign_in_gives_one_session(site: Flask, connection: Connection) -> None:
    """Of several right codes at once for one sign-in, exactly one begins a session."""
    browser = waiting(site)
    token, copies = browser.token(), [Browser(site) for _ in range(4)]
    for copy in copies:
        copy.cookie = browser.cookie

    def sends(copy: Browser) -> int:
        return copy.post(CODE_PAGE, {"code": totp(), "csrf_token": token}).status_code

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(sends, copies)) == [303, 401, 401, 401]
    assert recorded(connection) == [(EMAIL, "signed in", None)]


def test_the_access_token_is_nowhere_in_clear(site: Flask, connection: Connection) -> None:
    """While a sign-in waits, neither the cookie nor the database has Auth's token, and neither alone can open it."""
    browser = waiting(site)
    serializer = SecureCookieSessionInterface().get_signing_serializer(site)
    assert serializer is not None
    cookie = json.dumps(serializer.loads(browser.cookie), default=str)
    [row] = connection.execute("select * from auth_sync_pending_sign_ins").fetchall()
    assert TOKEN not in cookie + str(row)
    with browser.client.session_transaction(path="/admin") as session:
        assert session["second_factor"]["key"] not in str(row)
    assert row["sealed"] not in cookie


def dismissed(connection: Connection, url: str) -> None:
    connection.execute("update employees set is_active = false where auth_user_id = %s", [JANE])


def banned(connection: Connection, url: str) -> None:
    connection.execute("update auth.users set banned_until = now() + interval '1 hour' where id = %s", [JANE])


def role_taken(connection: Connection, url: str) -> None:
    with auth_on(url) as auth:
        auth.set_app_metadata(JANE, {"role": None})


def password_changed(connection: Connection, url: str) -> None:
    connection.execute("update auth.users set encrypted_password = 'another' where id = %s", [JANE])


def signed_out(connection: Connection, url: str) -> None:
    connection.execute("delete from auth.sessions")


@pytest.mark.parametrize("change", [dismissed, banned, role_taken, password_changed, signed_out])
def test_a_change_before_the_code_ends_the_sign_in(
    site: Flask, connection: Connection, database_url: str, change: Callable[[Connection, str], None]
) -> None:
    """An admin who loses the right to sign in after the password gets no session with the right code."""
    hire(connection, EMAIL, auth_user_id=JANE)
    browser = waiting(site)
    change(connection, database_url)
    assert is_wrong(browser.sends_code(totp()), OVER)
    assert not browser.is_in()
    assert recorded(connection) == []
    assert is_wrong(browser.sends_code(totp()), OVER)
    assert sessions_in_auth(connection) == []


def test_a_removed_factor_ends_the_sign_in(site: Flask, auth: AuthServer) -> None:
    """If the account has lost its factors since the password, the sign-in starts again."""
    browser = waiting(site)
    auth.factors = []
    assert is_wrong(browser.sends_code(totp()), OVER)
    assert not browser.is_in()


def test_another_sign_in_ends_the_one_that_waits(site: Flask, connection: Connection) -> None:
    """A sign-in that waits for a code ends with its session in Auth if the visitor signs in in another way."""
    browser = waiting(site)
    assert browser.signs_in(**BY_JANE).status_code == 303
    assert (
        connection.execute("select from auth_sync_pending_sign_ins").rowcount,
        len(sessions_in_auth(connection)),
    ) == (1, 1)
    assert browser.signs_in().status_code == 303
    assert browser.is_in()
    assert (connection.execute("select from auth_sync_pending_sign_ins").rowcount, sessions_in_auth(connection)) == (
        0,
        [],
    )


def test_abandoned_sign_ins_are_deleted(site: Flask, connection: Connection) -> None:
    """Sign-ins that nobody completes are deleted by later ones, an hour after they began."""
    for _ in range(3):
        waiting(site)
    connection.execute("update auth_sync_pending_sign_ins set began_at = now() - interval '61 minutes'")
    waiting(site)
    assert connection.execute("select from auth_sync_pending_sign_ins").rowcount == 1


@pytest.mark.parametrize(
    "odd",
    [None, 1, "x", [], {}, {"id": "x", "key": "x"}, {"id": str(JANE), "key": "é"}, {"id": str(JANE), "key": "x"},
     {"id": str(JANE)}, {"id": 1, "key": 1}],
    ids=repr,
)  # fmt: skip
def test_an_odd_cookie_is_ignored(site: Flask, odd: Any) -> None:
    """A signed cookie with invalid content, from another version of the service, causes no error."""
    browser = Browser(site)
    browser.token()
    with browser.client.session_transaction(path="/admin") as session:
        session["second_factor"] = odd
    assert browser.get(CODE_PAGE).status_code in (200, 303)
    assert is_wrong(browser.sends_code(totp()), OVER)
    assert browser.signs_in().status_code == 303
