"""The page on which an admin creates and revokes the tokens of directories."""

import re
from dataclasses import replace

from tests.employees import Connection
from tests.integration.signing_in import PAGES, Browser, pages
from webhook_service.ports import Database
from webhook_service.scim.clients import client_of, create_token, tokens
from webhook_service.settings import Settings
from webhook_service.web.pages.directories import WRONG_NAME

PAGE = "/admin/directories"
KIM = "admin key (Kim)"
TOKEN = re.compile("scim_[A-Za-z0-9_-]{43}")


def test_a_token_is_shown_once(browser: Browser, connection: Connection, database: Database) -> None:
    """A new token is in the response of its creation, and on no later page. The audit names the admin."""
    created = browser.sends(PAGE, name=" Okta ")
    assert created.status_code == 200
    assert created.headers["Cache-Control"] == "no-store"
    [token] = set(TOKEN.findall(created.text))
    client = client_of(database, token)
    assert client is not None
    assert client.name == "okta"
    listed = browser.get(PAGE).text
    assert "okta" in listed
    assert token not in listed + browser.get("/admin/audit").text
    [entry] = connection.execute("select * from auth_sync_audit where action = 'create a SCIM token'").fetchall()
    assert (entry["who"], entry["details"]["directory"], token in str(entry)) == (KIM, "okta", False)


def test_a_wrong_name_creates_nothing(browser: Browser, database: Database) -> None:
    """A name that a directory cannot have is shown again with the reason at its field."""
    for name in ("", "my directory", "é", "x" * 64, "<b>"):
        answer = browser.sends(PAGE, name=name)
        assert (answer.status_code, WRONG_NAME in answer.text, "<b>" in answer.text) == (422, True, False)
    assert tokens(database) == []


def test_a_token_is_revoked(browser: Browser, connection: Connection, database: Database) -> None:
    """A revoked token names no directory. A second revocation changes nothing, and says so."""
    first, second = (create_token(database, "okta", requested_by="Ada") for _ in range(2))
    path = f"{PAGE}/tokens/{first.token_id}/revocation"
    assert browser.sends(path).status_code == 303
    assert f"Token {first.token_id} is revoked." in browser.get(PAGE).text
    assert (client_of(database, first.token), client_of(database, second.token)) == (None, second.client)
    browser.sends(path)
    assert f"Token {first.token_id} was revoked before." in browser.get(PAGE).text
    rows = connection.execute("select who from auth_sync_audit where action = 'revoke a SCIM token'").fetchall()
    assert [row["who"] for row in rows] == [KIM]
    assert browser.sends(f"{PAGE}/tokens/{10**30}/revocation").status_code == 404


def test_the_question_says_what_a_revocation_ends(browser: Browser, database: Database) -> None:
    """The confirmation says whether the token is the only valid one of its directory. A revoked token has no button."""
    for name in ("okta", "okta", "entra"):
        create_token(database, name, requested_by="Ada")
    browser.sends(f"{PAGE}/tokens/1/revocation")
    text = browser.get(PAGE).text
    assert "Revoke token 1 of okta?" not in text
    for question in ("Revoke token 2 of okta? It is the only valid one", "Revoke token 3 of entra? It is the only"):
        assert question in text
    create_token(database, "entra", requested_by="Ada")
    assert "Revoke token 3 of entra? Its next request with this token is refused." in browser.get(PAGE).text


def test_the_address_is_the_public_one(settings: Settings) -> None:
    """The page shows the address of the service for directories, and asks for a host if PUBLIC_URL is not set."""
    for url, shown in ((None, "https://YOUR-HOST"), ("http://sync.example.com", "http://sync.example.com")):
        with pages(replace(settings, pages=replace(PAGES, public_url=url))) as site:
            browser = Browser(site)
            browser.signs_in()
            assert f"{shown}/scim/v2" in browser.get(PAGE).text
