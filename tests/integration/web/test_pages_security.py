"""The security of every page for admins. The routes are read from the application, so new pages are covered."""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from psycopg import sql
from werkzeug.routing import Rule

from tests.auth_server import SECRET_KEY
from tests.auth_traffic import JANE
from tests.conftest import ADMIN_KEY
from tests.employees import Connection, hire
from tests.integration.bulk_replaying import fail_many
from tests.integration.signing_in import (
    EMAIL,
    PAGES,
    PASSWORD,
    Browser,
    admin_in_auth,
    next_of,
    pages,
    pages_with_auth,
    redirects_to_sign_in,
)
from webhook_service.log import JsonFormatter
from webhook_service.ports import Database
from webhook_service.settings import Settings

OPEN = ("/admin/login", "/admin/login/code", "/admin/logout", "/admin/static/")
SAMPLES = {
    **{"event_id": "evt-1", "employee_id": "1", "id": "1", "token": "x", "token_id": "1", "act": "activate"},
    "name": "crm",
}
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store"}


def path_of(rule: Rule) -> str:
    """Return the path of a rule, with sample values in it."""
    return re.sub(
        r"<(?:(\w+):)?(\w+)>", lambda found: str(JANE) if found[1] == "uuid" else SAMPLES[found[2]], rule.rule
    )


def paths(app: Flask, method: str) -> list[str]:
    """Return the paths of all pages, with sample values in them."""
    found = [
        path_of(rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/admin")
        and method in (rule.methods or ())
        and not rule.rule.startswith(("/admin/api", "/admin/static"))
    ]
    assert len(found) > 6
    return found


@pytest.fixture
def world(site: Flask, connection: Connection, database: Database) -> Flask:
    """An application with data on every page."""
    fail_many(connection, database, 2)
    hire(connection, "sam@example.com")
    return site


def state(connection: Connection) -> dict[str, Any]:
    """Return a checksum of each table in the database."""
    query = "select table_schema as schema, table_name as name from information_schema.tables"
    tables = connection.execute(
        query.encode() + b" where table_schema in ('public', 'auth') and table_type = 'BASE TABLE'"
    ).fetchall()
    whole = sql.SQL("select md5(string_agg(t::text, ' ' order by t::text)) as sum from {} t")
    return {
        table["name"]: connection.execute(whole.format(sql.Identifier(*table.values()))).fetchall() for table in tables
    }


# The required sign-in


def test_every_page_needs_a_sign_in(world: Flask) -> None:
    """A page redirects a visitor to the sign-in, which leads back to the page and its query. A post is not repeated."""
    for path in paths(world, "GET"):
        if path in (*OPEN, "/admin/"):
            continue
        response = Browser(world).get(f"{path}?status=FAILED&person=J%C3%B6rg%26Co")
        assert redirects_to_sign_in(response), path
        assert next_of(response) == f"{path}?status=FAILED&person=J%C3%B6rg%26Co"
        assert Browser(world).get(path, headers={"X-Refresh": "1"}).status_code == 401
    for path in paths(world, "POST"):
        if path not in OPEN:
            response = Browser(world).post(path)
            assert redirects_to_sign_in(response), path
            assert next_of(response) in (None, path), path


PAGES_OF_THIS_SERVICE = (
    *("/admin/events?status=FAILED&person=J%C3%B6rg%26Co", "/admin/events/a:b-c_d.e"),
    *("/admin/employees/7", "/admin/audit"),
)
OTHER_TARGETS = (
    *("//evil.example", "///evil.example", "https://evil.example/admin/audit", "https:evil.example", "evil.example"),
    *("/\\evil.example", "\\\\evil.example", "/admin\\..\\..\\evil", "/admin/\\evil.example", "/\t/evil.example"),
    *("/admin/../\\/evil", "/admin/..//evil.example", "/admin//evil.example", "/admin/%2e%2e//evil.example"),
    *("/admin/audit\r\nSet-Cookie: a=b", "/admin/audit\n", "/admin/%0d%0aX: y", "javascript:alert(1)"),
    *("/admin/audit@evil.example", "/admin@evil.example", "/adminevil", "/webhook/auth", "/admin/api/summary"),
    *("/admin/login", "/admin/login?next=/admin/login", "/admin/logout", "", "/", "//", "[", "http://[", "\0"),
    *("/admin/audit#x", "/admin/é", "/admin/events?é", "/admin/audit/", " /admin/audit"),
)


def test_a_sign_in_leads_only_back_to_a_page(settings: Settings) -> None:
    """A sign-in leads back to the requested page, and never to another site or to a path that is not a page."""
    with pages(replace(settings, pages=PAGES)) as app:
        for number, requested in enumerate((*PAGES_OF_THIS_SERVICE, *OTHER_TARGETS)):
            response = Browser(app, f"198.51.100.{number}").signs_in(key=ADMIN_KEY, next=requested)
            leads = requested if requested in PAGES_OF_THIS_SERVICE else "/admin/auth-sync"
            assert (response.status_code, response.headers["Location"]) == (303, leads)


# Forgery


def test_every_form_needs_the_token_of_its_session(world: Flask, connection: Connection) -> None:
    """A form has no effect without a token, or with an invented token or the token of another session."""
    browser, stranger, victim = Browser(world), Browser(world), Browser(world)
    assert browser.signs_in().status_code == 303
    assert stranger.signs_in().status_code == 303
    tokens = [stranger.token(), Browser(world).token(), "x", browser.token() + "x", ""]
    victim.token()
    before = state(connection)
    for path in paths(world, "POST"):
        for sender in (browser, victim) if path in OPEN else (browser,):
            form = {"key": ADMIN_KEY, "is_active": "true", "status": "FAILED"}
            assert sender.post(path, form).status_code == 400, path
            assert {sender.post(path, form | {"csrf_token": token}).status_code for token in tokens} == {400}, path
    assert state(connection) == before
    assert browser.is_in()
    assert not victim.is_in()


def test_over_tls_a_form_needs_a_referer_of_the_same_site(site: Flask) -> None:
    """Over TLS, a form needs the token and a Referer of the same site."""
    browser = Browser(site)
    token = browser.token()
    for referrer, status in ((None, 400), ("https://evil.example/", 400), ("https://localhost/admin/login", 303)):
        headers = {"Referer": referrer} if referrer else {}
        form = {"key": ADMIN_KEY, "csrf_token": token}
        response = browser.post("/admin/login", form, headers=headers, base_url="https://localhost")
        assert response.status_code == status


def test_reading_a_page_changes_nothing(world: Flask, connection: Connection) -> None:
    """A GET of any page changes nothing in the database. Only an export is recorded in the audit."""
    browser = Browser(world)
    assert browser.signs_in().status_code == 303
    before = state(connection)
    pages = [path for path in paths(world, "GET") if not path.startswith("/admin/export/")]
    for path in [*pages, "/admin/replays/new?status=FAILED", "/admin/events?status=FAILED"]:
        assert browser.get(path).status_code in (200, 302, 303, 403, 404), path
    assert state(connection) == before


def test_the_api_accepts_only_the_key_and_the_webhook_only_signatures(world: Flask) -> None:
    """The admin API accepts only the key, and the webhook only signatures.

    Neither accepts a cookie or needs a token.
    """
    browser = Browser(world)
    assert browser.signs_in().status_code == 303
    key = {"Authorization": f"Bearer {ADMIN_KEY}"}
    assert browser.client.get("/admin/api/summary", headers=key).status_code == 200
    assert browser.client.post("/admin/api/replays", json={}, headers=key).status_code == 200
    assert browser.client.get("/admin/api/summary").status_code == 401
    browser.client.set_cookie("webhook_service", browser.cookie, path="/")
    with_token = {"X-CSRFToken": browser.token()}
    assert browser.client.get("/admin/api/summary", headers=with_token).status_code == 401
    assert browser.client.post("/admin/api/replays", json={}, headers=with_token).status_code == 401
    assert browser.client.post("/webhook/auth", json={}, headers=with_token).status_code == 401


# Headers and cookies


def test_every_response_of_the_pages_has_the_headers(world: Flask) -> None:
    """Pages, redirects, errors and unknown paths have the security headers."""
    browser = Browser(world)
    answers = [browser.get(path) for path in (*paths(world, "GET"), "/admin", "/admin/nothing")]
    answers += [browser.post(path) for path in (*paths(world, "POST"), "/admin/audit", "/admin/nothing")]
    browser.signs_in()
    answers += [browser.get(path) for path in (*paths(world, "GET"), "/admin/events/none", "/admin/replays/99")]
    assert {answer.status_code for answer in answers} >= {200, 302, 303, 400, 404, 405}
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, answer.request.path
        policy = answer.headers.getlist("Content-Security-Policy")
        assert len(policy) == 1
        assert "default-src 'self'" in policy[0]
        assert "frame-ancestors 'none'" in policy[0]
        assert "unsafe" not in policy[0]


@pytest.mark.parametrize(
    ("public_url", "secure"), [("https://sync.example.com", True), ("http://localhost:8000", False), (None, False)]
)
def test_the_cookie_is_restricted_to_the_pages(settings: Settings, public_url: str | None, secure: bool) -> None:
    """Scripts and other sites cannot use the cookie, and with an https PUBLIC_URL it is sent only over https."""
    with pages(replace(settings, pages=replace(PAGES, public_url=public_url))) as app:
        [cookie] = Browser(app).get("/admin/login").headers.getlist("Set-Cookie")
    flags = {flag.strip() for flag in cookie.split(";")[1:]}
    assert flags == {"HttpOnly", "Path=/admin", "SameSite=Lax"} | ({"Secure"} if secure else set())


# Secrets


@pytest.fixture
def everything(settings: Settings, database_url: str, connection: Connection) -> Iterator[Flask]:
    admin_in_auth(database_url)
    hire(connection, EMAIL, auth_user_id=JANE)
    with pages_with_auth(settings) as (app, _):
        yield app


def test_no_secret_is_shown(everything: Flask, connection: Connection, caplog: pytest.LogCaptureFixture) -> None:
    """No page, cookie or log shows a secret. A temporary password is only in the response that created it."""
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []
    for form in ({"email": EMAIL, "password": PASSWORD}, {"key": ADMIN_KEY}):
        browser = Browser(everything)
        assert browser.signs_in(**form).status_code == 303
        created = browser.sends("/admin/employees/new", email=f"new{len(texts)}@example.com", login="password")
        assert created.status_code == 200
        [*_, event] = connection.execute("select event_id from integration_sync_log order by id").fetchall()
        for path in (*paths(everything, "GET"), f"/admin/events/{event['event_id']}", "/admin/employees/2"):
            texts.append(browser.get(path).text)
        cookie = SecureCookieSessionInterface().get_signing_serializer(everything)
        assert cookie is not None
        texts.append(json.dumps(cookie.loads(browser.cookie), default=str))
    texts += map(JsonFormatter().format, caplog.records)
    hashes = [row["encrypted_password"] for row in connection.execute("select * from auth.users").fetchall()]
    secrets = [ADMIN_KEY, SECRET_KEY, PAGES.secret_key, PASSWORD, "t0kenOfTheDouble", *filter(None, hashes)]
    assert not [secret for secret in secrets if any(secret in text for text in texts)]
    assert "temporary_password" not in "".join(texts)
