"""Right and wrong codes of an authenticator app, and their limits."""

from flask import Flask

from tests.auth_factors import OTHER_SECRET, factor, totp, wrong_totp
from tests.auth_faults import AuthServer
from tests.employees import Connection
from tests.integration.signing_in import (
    EMAIL,
    Browser,
    next_of,
    recorded,
)
from tests.integration.web.second_factor.conftest import BY_JANE, is_wrong, sessions_in_auth, waiting
from webhook_service.web.attempts import ATTEMPTS

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
