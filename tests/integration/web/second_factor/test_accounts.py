"""The accounts that are refused because of their second factor, and the setting that requires one."""

import logging
from dataclasses import replace
from uuid import uuid4

import pytest
from flask import Flask

from tests.auth_factors import factor, totp, wrong_totp
from tests.auth_faults import AuthServer
from tests.auth_traffic import JANE
from tests.employees import Connection, hire
from tests.integration.signing_in import (
    EMAIL,
    PAGES,
    PASSWORD,
    Browser,
    admin_in_auth,
    local,
    pages,
    recorded,
)
from tests.integration.web.second_factor.conftest import BY_JANE, TOKEN, is_wrong, sessions_in_auth, waiting
from webhook_service.log import JsonFormatter
from webhook_service.settings import Settings, SupabaseConnection
from webhook_service.web.pages.sign_in import (
    NO_SECOND_FACTOR,
    OTHER_SECOND_FACTOR,
    WRONG_PASSWORD,
)


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
    assert recorded(connection) == [("admin key (Kim)", "signed in", None)]


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
