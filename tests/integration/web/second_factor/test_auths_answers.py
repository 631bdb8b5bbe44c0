"""Auth's outages and refusals while it checks a code."""

import pytest
from flask import Flask

from tests.auth_factors import totp
from tests.auth_faults import CUT, PAGE_OK, UNEXPECTED, AuthServer, Fault, throttled
from tests.auth_server import JWT_KEY
from tests.employees import Connection
from tests.integration.web.second_factor.conftest import is_wrong, sessions_in_auth, waiting
from webhook_service.web.pages.sign_in import (
    OVER,
)


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
