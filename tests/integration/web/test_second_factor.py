"""Sign-ins with a second factor: the password, then a code of an authenticator app, and attacks on the time between."""

import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from werkzeug.test import TestResponse

from tests.auth_factors import OTHER_SECRET, factor, totp, wrong_totp
from tests.auth_faults import CUT, PAGE_OK, UNEXPECTED, AuthServer, Fault, throttled
from tests.auth_server import JWT_KEY
from tests.auth_traffic import JANE
from tests.employees import Connection, hire
from tests.integration.capturing import auth_on
from tests.integration.signing_in import (
    EMAIL,
    PAGES,
    PASSWORD,
    Browser,
    admin_in_auth,
    local,
    next_of,
    pages,
    pages_with_auth,
    recorded,
    redirects_to_sign_in,
)
from webhook_service.log import JsonFormatter
from webhook_service.settings import Settings, SupabaseConnection
from webhook_service.web.attempts import ATTEMPTS
from webhook_service.web.pages.sign_in import (
    CODE_IS_WRONG,
    NO_SECOND_FACTOR,
    OTHER_SECOND_FACTOR,
    OVER,
    WRONG_PASSWORD,
)

BY_JANE = {"email": EMAIL, "password": PASSWORD}
CODE_PAGE = "/admin/login/code"
TOKEN = "t0kenOf"


@pytest.fixture
def with_auth(settings: Settings, database_url: str) -> Iterator[tuple[Flask, AuthServer]]:
    """The pages with Supabase Auth, in which Jane is an admin with an authenticator app."""
    admin_in_auth(database_url)
    with pages_with_auth(settings) as (app, auth):
        auth.factors = [factor()]
        yield app, auth


@pytest.fixture
def site(with_auth: tuple[Flask, AuthServer]) -> Flask:
    return with_auth[0]


@pytest.fixture
def auth(with_auth: tuple[Flask, AuthServer]) -> AuthServer:
    return with_auth[1]


def waiting(app: Flask, address: str = "192.0.2.1", **form: str) -> Browser:
    """Return a browser in which Jane has sent the right password, and which asks for the code."""
    browser = Browser(app, address)
    response = browser.signs_in(**BY_JANE, **form)
    assert (response.status_code, response.headers["Location"].partition("?")[0]) == (303, CODE_PAGE)
    return browser


def sessions_in_auth(connection: Connection) -> list[str]:
    return [row["aal"] for row in connection.execute("select aal from auth.sessions order by created_at").fetchall()]


def is_wrong(response: TestResponse, text: str = CODE_IS_WRONG, status: int = 401) -> bool:
    return (response.status_code, text in response.text) == (status, True)


# The right code


def test_a_code_signs_in(site: Flask, connection: Connection) -> None:
    """The password leads to the page for the code, and the code to the requested page. Auth keeps no session."""
    browser = Browser(site)
    response = browser.signs_in(**BY_JANE, next="/admin/employees?person=Kim")
    assert next_of(response) == "/admin/employees?person=Kim"
    assert not browser.is_in()
    assert "Code of your authenticator app" in browser.get(response.headers["Location"]).text
    response = browser.sends_code(totp(), next="/admin/employees?person=Kim")
    assert (response.status_code, response.headers["Location"]) == (303, "/admin/employees?person=Kim")
    assert browser.is_in()
    assert recorded(connection) == [(EMAIL, "signed in", None)]
    assert sessions_in_auth(connection) == []
    assert connection.execute("select from auth_sync_pending_sign_ins").rowcount == 0


def test_a_code_may_have_spaces(site: Flask) -> None:
    """Authenticator apps show the code in two groups, so spaces do not matter."""
    code = totp()
    assert waiting(site).sends_code(f" {code[:3]} {code[3:]}\t").status_code == 303


def test_any_authenticator_app_of_the_account_counts(site: Flask, auth: AuthServer) -> None:
    """A code of any verified authenticator app signs in. Codes of unverified apps and other factors do not."""
    unverified = factor(status="unverified", secret=OTHER_SECRET)
    auth.factors = [factor(kind="phone"), unverified, factor()]
    browser = waiting(site)
    assert is_wrong(browser.sends_code(totp(OTHER_SECRET)))
    assert browser.sends_code(totp()).status_code == 303
    auth.factors = [factor(), factor(secret=OTHER_SECRET)]
    for secret in (OTHER_SECRET, auth.factors[0]["secret"]):
        assert waiting(site).sends_code(totp(secret)).status_code == 303


def test_the_code_leads_to_this_service_only(site: Flask) -> None:
    """After the code, the browser is redirected to a page of this service only."""
    response = waiting(site).sends_code(totp(), next="https://evil.example/")
    assert response.headers["Location"] == "/admin/auth-sync"


# Wrong codes


def test_a_wrong_code_can_be_corrected(site: Flask, auth: AuthServer, connection: Connection) -> None:
    """A wrong code is called wrong, and signs nobody in. The right code then signs in."""
    browser = waiting(site)
    for code in (wrong_totp(), totp(OTHER_SECRET)):
        assert is_wrong(browser.sends_code(code))
        assert not browser.is_in()
    assert sessions_in_auth(connection) == ["aal1"]
    assert browser.sends_code(totp()).status_code == 303
    assert browser.is_in()


def test_a_text_that_is_not_a_code_is_not_sent_to_auth(site: Flask, auth: AuthServer) -> None:
    """A text without exactly six digits is a wrong code, without a call of Auth."""
    browser = waiting(site)
    for code in ("", " ", "12345", "1234567", "abcdef", "１２３４５６", "00000\0", "0" * 5000, "-12345"):
        assert is_wrong(browser.sends_code(code)), code
    assert auth.count(path="/factors") == 0


def test_codes_are_limited_like_passwords(site: Flask, connection: Connection) -> None:
    """An account has ten attempts for passwords and codes together, from all addresses, and then must wait."""
    browsers = [waiting(site, f"198.51.100.{number}") for number in range(2)]
    for number in range(ATTEMPTS - 2):
        assert is_wrong(browsers[number % 2].sends_code(wrong_totp()))
    for browser in browsers:
        response = browser.sends_code(totp())
        assert is_wrong(response, "Too many attempts. Try again in 1 minute.", 429)
        assert int(response.headers["Retry-After"]) > 0
        assert not browser.is_in()
    connection.execute("update auth_sync_sign_in_attempts set at = at - interval '10 minutes'")
    assert browsers[0].sends_code(totp()).status_code == 303


def test_an_address_has_one_limit_for_codes_and_keys(site: Flask) -> None:
    """Codes count for the address too, so the address must also wait before it tries admin keys."""
    browser = waiting(site)
    for _ in range(ATTEMPTS - 1):
        assert is_wrong(browser.sends_code(wrong_totp()))
    assert browser.signs_in().status_code == 429
    assert Browser(site, "192.0.2.9").signs_in().status_code == 303


# The time between the password and the code


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


# Auth's answers


@pytest.mark.parametrize(
    "fault",
    [CUT, UNEXPECTED, PAGE_OK, throttled("7"), Fault(422, "mfa_challenge_expired")],
    ids=lambda fault: fault.code,
)
@pytest.mark.parametrize("action", ["challenge", "verify"])
def test_an_outage_of_auth_does_not_end_the_sign_in(site: Flask, auth: AuthServer, fault: Fault, action: str) -> None:
    """If Auth cannot check the code now, the page says so, and a code signs in after the outage."""
    browser = waiting(site)
    auth.fail_next(fault, path=f"/factors/{auth.factors[0]['id']}/{action}")
    response = browser.sends_code(totp())
    assert is_wrong(response, "Auth does not answer", 503)
    assert response.headers["Retry-After"] == ("7" if fault.status == 429 else "5")
    assert "jane@example.com" not in response.text
    assert not browser.is_in()
    assert browser.sends_code(totp()).status_code == 303
    assert browser.is_in()


def test_a_lost_answer_does_not_end_the_sign_in(site: Flask, auth: AuthServer, connection: Connection) -> None:
    """If Auth's answer to a right code is lost, the next code signs in, and no session stays in Auth."""
    browser = waiting(site)
    auth.fail_next(CUT.after_commit(), path=f"/factors/{auth.factors[0]['id']}/verify")
    assert browser.sends_code(totp()).status_code == 503
    assert browser.sends_code(totp()).status_code == 303
    assert sessions_in_auth(connection) == []


def test_a_challenge_that_expires_at_once_is_not_a_wrong_code(site: Flask, auth: AuthServer) -> None:
    """If the challenge expires before the code arrives, the code is not called wrong, and can be sent again."""
    browser = waiting(site)
    auth.before = lambda call: auth.challenges.expire() if call.path.endswith("/verify") else None
    assert browser.sends_code(totp()).status_code == 503
    auth.before = None
    assert browser.sends_code(totp()).status_code == 303


@pytest.mark.parametrize("code", ["mfa_verification_rejected", "user_banned", "session_expired", "bad_jwt"])
def test_a_refusal_of_auth_ends_the_sign_in(site: Flask, auth: AuthServer, code: str) -> None:
    """A refusal of Auth that is not about the code ends the sign-in."""
    browser = waiting(site)
    auth.fail_next(Fault(403, code), path=f"/factors/{auth.factors[0]['id']}/verify")
    assert is_wrong(browser.sends_code(totp()), OVER)
    assert not browser.is_in()
    assert is_wrong(browser.sends_code(totp()), OVER)


def test_a_refused_service_key_is_not_called_a_wrong_code(site: Flask, auth: AuthServer) -> None:
    """If the gateway refuses the service's key, the page reports this, and does not call the code wrong."""
    browser = waiting(site)
    auth.key = JWT_KEY
    assert is_wrong(browser.sends_code(totp()), "refused the key", 502)


def test_a_session_that_auth_cannot_end_does_not_prevent_a_sign_in(site: Flask, auth: AuthServer) -> None:
    """A failed sign-out in Auth does not prevent the sign-in."""
    browser = waiting(site)
    auth.fail_next(CUT, path="/logout")
    assert browser.sends_code(totp()).status_code == 303


# Accounts that may not sign in


def test_a_user_who_is_not_an_admin_is_not_asked_for_a_code(
    site: Flask, connection: Connection, database_url: str
) -> None:
    """A user without a role is refused after the password with the usual text, and keeps no session in Auth."""
    admin_in_auth(database_url, "bob@example.com", uuid4(), role="employee")
    response = Browser(site).signs_in(email="bob@example.com", password=PASSWORD)
    assert is_wrong(response, WRONG_PASSWORD)
    assert sessions_in_auth(connection) == []


def test_a_dismissed_admin_is_not_asked_for_a_code(site: Flask, connection: Connection) -> None:
    """An admin who is a dismissed employee is refused after the password, and keeps no session in Auth."""
    hire(connection, EMAIL, auth_user_id=JANE, is_active=False)
    assert is_wrong(Browser(site).signs_in(**BY_JANE), WRONG_PASSWORD)
    assert sessions_in_auth(connection) == []


def test_another_kind_of_second_factor_is_named(site: Flask, auth: AuthServer, connection: Connection) -> None:
    """An account whose only second factor is a phone is refused, and the page says why."""
    auth.factors = [factor(kind="phone"), factor(status="unverified")]
    assert is_wrong(Browser(site).signs_in(**BY_JANE), OTHER_SECOND_FACTOR)
    assert sessions_in_auth(connection) == []


def test_a_second_factor_can_be_required(settings: Settings, database_url: str, connection: Connection) -> None:
    """With ADMIN_REQUIRE_SECOND_FACTOR, an account without one is refused. The admin key still signs in."""
    admin_in_auth(database_url)
    strict = replace(PAGES, require_second_factor=True)
    with pages(replace(local(settings), pages=strict)) as app:
        assert is_wrong(Browser(app).signs_in(**BY_JANE), NO_SECOND_FACTOR)
        assert is_wrong(Browser(app).signs_in(email=EMAIL, password="wrong"), WRONG_PASSWORD)
        assert Browser(app).signs_in().status_code == 303
    assert [who for who, _, _ in recorded(connection)] == ["admin key (Kim)"]


def test_a_required_second_factor_ends_other_sessions(
    site: Flask, auth: AuthServer, settings: Settings, connection: Connection
) -> None:
    """If the setting is switched on, sessions of accounts that began without a second factor end."""
    with_code, holder = waiting(site), Browser(site)
    assert with_code.sends_code(totp()).status_code == 303
    holder.signs_in()
    auth.factors = []
    without = Browser(site)
    assert without.signs_in(**BY_JANE).status_code == 303
    assert without.is_in()
    strict = replace(PAGES, require_second_factor=True)
    with pages(replace(settings, auth=SupabaseConnection(auth.url, auth.key), pages=strict)) as app:
        for browser, is_in in ((with_code, True), (without, False), (holder, True)):
            again = Browser(app)
            again.cookie = browser.cookie
            assert again.is_in() is is_in


def test_nothing_secret_is_logged(site: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """The log has the address and the reason of a refused code, but no code, token or e-mail."""
    caplog.set_level(logging.DEBUG)
    browser, code = waiting(site, "198.51.100.7"), totp()
    with browser.client.session_transaction(path="/admin") as session:
        key = session["second_factor"]["key"]
    wrong = wrong_totp()
    browser.sends_code(wrong)
    browser.sends_code(code)
    refused = [vars(each) for each in caplog.records if each.getMessage() == "sign-in refused"]
    assert [(each["address"], each["reason"]) for each in refused] == [("198.51.100.7", "wrong_code")]
    lines = "\n".join(map(JsonFormatter().format, caplog.records))
    assert not [word for word in (f'"{wrong}', f'"{code}', TOKEN, key, PASSWORD) if word in lines]
    own = "\n".join(JsonFormatter().format(each) for each in caplog.records if each.name.startswith("webhook_service"))
    assert EMAIL.split("@")[0] not in own
