"""The page /admin/setup shows doctor's findings with what to do, and never fails because of one of them."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from threading import Event

import pytest
from flask import Flask

from tests.auth_faults import SILENT, AuthServer, Fault
from tests.auth_traffic import SECRET
from tests.conftest import ADMIN_KEY
from tests.employees import Connection
from tests.integration.doctoring import examined
from tests.integration.signing_in import Browser, pages, pages_with_auth
from webhook_service.doctor import auth_checks
from webhook_service.doctor.findings import Level
from webhook_service.ledger import comparison
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.scim.clients import client_of, create_token
from webhook_service.settings import NoticeSettings, PageSettings, Settings
from webhook_service.web.pages import setup

PAGE = "/admin/setup"
OVERVIEW = "/admin/auth-sync"
ROW = re.compile(r'(?s)<h3 class="h6 mb-1">(.+?) <span class="tag tag-\w+">(.+?)</span></h3>(.*?)</li>')
PATIENCE = 60.0


def signed_in(site: Flask) -> Browser:
    browser = Browser(site)
    browser.signs_in()
    return browser


@pytest.fixture
def with_auth(settings: Settings) -> Iterator[tuple[Browser, AuthServer]]:
    """A browser on a service with Supabase Auth."""
    with pages_with_auth(settings) as (site, server):
        yield signed_in(site), server


def rows(browser: Browser) -> dict[str, tuple[str, str]]:
    """Return {title: (state, the rest of the row)} of the page."""
    response = browser.get(PAGE)
    assert response.status_code == 200
    return {title: (state, unescape(text)) for title, state, text in ROW.findall(response.text)}


def test_a_new_installation_shows_what_is_missing(browser: Browser) -> None:
    """Each step of the setup has a state. A new installation has tables, and lacks a relay and a comparison."""
    states = {title: state for title, (state, _) in rows(browser).items()}
    assert states == {
        **dict.fromkeys(("Connection", "Tables and functions", "Objects of this service", "Employees table"), "ok"),
        **dict.fromkeys(("Triggers", "Settings of the triggers", "Clock"), "ok"),
        **dict.fromkeys(("Rights on this service", "Rights on employees", "Loops of the relay"), "ok"),
        "Directories": "ok",
        **dict.fromkeys(("Auth Admin API", "Webhook", "Comparison"), "warning"),
        **dict.fromkeys(("Admins", "Public address", "Notices"), "warning"),
        "Proof of e-mails": "not checked",
        "Relay": "wrong",
    }


def test_a_directory_is_named_with_its_last_request(browser: Browser, database: Database) -> None:
    """The page names each directory that has a token and says when it sent its last request, or that it sent none."""
    okta, entra = (create_token(database, name, requested_by="Kim") for name in ("okta", "entra"))
    client_of(database, okta.token)
    state, text = rows(browser)["Directories"]
    assert state == "warning"
    assert "entra: no request yet; okta: the last request was " in text
    assert 'href="/admin/directories"' in text
    assert found_by_doctor(database) == [Level.NOTE]
    client_of(database, entra.token)
    assert found_by_doctor(database) == [Level.OK]


def found_by_doctor(database: Database) -> list[Level]:
    return [each.level for each in examined(database, compare=False) if each.check == "directories"]


def test_a_finding_has_the_command_to_copy(browser: Browser) -> None:
    """A problem has a sentence, the advice, and the command with a button that copies it."""
    _, text = rows(browser)["Relay"]
    assert "No relay has ever run." in text
    found = re.search(r'<pre class="[^"]+" id="([\w-]+)">webhook-service relay</pre>', text)
    assert found is not None
    assert f'data-copy="{found[1]}"' in text


def test_the_first_comparison_can_be_made_here(browser: Browser) -> None:
    """The page has the button that compares, until employees and logins were compared."""
    assert 'action="/admin/comparison"' in rows(browser)["Comparison"][1]


def test_a_right_key_of_auth_is_ok(with_auth: tuple[Browser, AuthServer]) -> None:
    """With Supabase Auth, the page checks the key, the Auth Admin API and the proof of e-mails."""
    found = rows(with_auth[0])
    assert [found[title][0] for title in ("Key", "Auth Admin API")] == ["ok", "ok"]
    assert "not checked" not in [state for state, _ in found.values()]


def test_a_refused_key_is_wrong(with_auth: tuple[Browser, AuthServer]) -> None:
    """A key that Auth refuses is wrong, with the setting to correct."""
    browser, server = with_auth
    server.fail(Fault(401, "no_authorization"))
    state, text = rows(browser)["Auth Admin API"]
    assert (state, "SUPABASE_SERVICE_ROLE_KEY" in text) == ("wrong", True)


def test_a_silent_auth_is_a_finding(with_auth: tuple[Browser, AuthServer], monkeypatch: pytest.MonkeyPatch) -> None:
    """If Auth does not answer in time, the page says so, and all other checks are made."""
    monkeypatch.setattr(auth_checks, "AUTH_SECONDS", 0.1)
    browser, server = with_auth
    server.fail(SILENT)
    found = rows(browser)
    assert ("did not answer within" in found["Auth Admin API"][1], found["Notices"][0]) == (True, "warning")


def test_a_reload_does_not_call_auth_again(with_auth: tuple[Browser, AuthServer]) -> None:
    """A reload within a few seconds shows the same findings, so that it cannot be used to call Auth often."""
    browser, server = with_auth
    browser.get(PAGE)
    calls = server.count()
    browser.get(PAGE)
    assert (calls > 0, server.count()) == (True, calls)


def test_a_slow_check_does_not_hold_the_page(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the deadline, the page is shown without findings, and says to check again."""
    may_end = Event()
    monkeypatch.setattr(setup, "DEADLINE_SECONDS", 0.0)
    monkeypatch.setattr(setup, "examination", lambda wiring: may_end.wait(PATIENCE))
    with pages(settings) as site:
        response = signed_in(site).get(PAGE)
    may_end.set()
    assert (response.status_code, "The checks take longer than usual." in response.text) == (200, True)


def test_no_secret_is_on_the_page(settings: Settings) -> None:
    """The page has no key, secret or password of the settings."""
    hidden = replace(
        settings,
        pages=PageSettings(
            secret_key="canary-of-cookies" * 3, public_url="https://user:canary-of-url@sync.example.com"
        ),
        notices=NoticeSettings(("mailto://user:canary-of-notices@example.com",)),
    )
    with pages(hidden) as site:
        text = signed_in(site).get(PAGE).text
    assert [each for each in ("canary", ADMIN_KEY, SECRET) if each in text] == []


def test_no_key_of_auth_is_on_the_page(with_auth: tuple[Browser, AuthServer]) -> None:
    """The page does not have the key of Supabase Auth."""
    browser, server = with_auth
    assert server.key not in browser.get(PAGE).text


def test_the_overview_leads_to_the_setup_until_it_is_complete(
    browser: Browser, connection: Connection, database: Database
) -> None:
    """The overview shows the link while nothing was compared or no relay has run, and not afterwards."""

    def is_shown() -> bool:
        return "The setup is not complete." in browser.get(OVERVIEW).text

    assert is_shown()
    connection.execute("insert into auth_sync_relays (relay) values ('r')")
    assert is_shown()
    comparison.compare(database, Policy(), requested_by="Kim")
    assert not is_shown()
