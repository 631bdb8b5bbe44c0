"""The pages answer every query, and show the current state."""

import json
import re
from dataclasses import replace
from urllib.parse import quote

import pytest
from flask import Flask

from tests.auth_traffic import CONFIRMED, insert
from tests.employees import Connection, hire
from tests.integration.bulk_replaying import fail_many
from tests.integration.signing_in import PAGES, Browser, pages
from tests.webhook_events import work_of
from webhook_service.inbound.processing import process_batch
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.settings import Settings

pytestmark = pytest.mark.every_employees_table

HOSTILE = "\"><script>alert(1)</script>'&{{7*7}}"
ODD = (HOSTILE, "\0", "%", "\\", "é" * 3000, "-1", "9" * 18, "9" * 30, "0001-01-01T00:00:00+14:00", "infinity", "٣")


def signed_in(site: Flask) -> Browser:
    browser = Browser(site)
    browser.signs_in()
    return browser


def test_the_footer_leads_to_the_documentation(settings: Settings) -> None:
    """The footer links to DOCS_URL, if it is set, for admins who are signed in."""
    link = '<a href="https://git.example/docs">Documentation</a>'
    for url in ("https://git.example/docs", None):
        with pages(replace(settings, pages=replace(PAGES, docs_url=url))) as site:
            assert link not in Browser(site).get("/admin/login").text
            assert (link in signed_in(site).get("/admin/audit").text) == (url is not None)


def test_no_query_causes_an_error(site: Flask, connection: Connection, database: Database) -> None:
    """No query causes a 5xx, and neither a query nor the database's content becomes markup."""
    fail_many(connection, database, 2)
    person = hire(connection, "sam@example.com", first_name=HOSTILE)
    connection.execute(
        "update integration_sync_log set error_message = %s, request_data = %s where event_id = 'evt-1'",
        [HOSTILE, json.dumps({"x": f"</pre>{HOSTILE}"})],
    )
    browser = signed_in(site)
    queries = [
        f"/admin/{page}?{name}={quote(text)}"
        for page, names in {
            "events": ("person", "since", "below", "needs_attention"),
            "replays/new": ("person", "until"),
            "employees": ("person", "after", "sync_status"),
        }.items()
        for name in names
        for text in ODD
    ]
    for path in (*queries, "/admin/auth-sync", "/admin/events/evt-1", f"/admin/employees/{person}", "/admin/audit"):
        response = browser.get(path)
        assert response.status_code == 200, path
        assert "<script>alert" not in response.text, path
    for number in ("--1", "²", "9" * 30, "x"):
        answer = browser.sends("/admin/employees/new", email="new@example.com", user_type_id=number)
        assert answer.status_code in (303, 422) or answer.status_code == 409, number


def test_links_keep_the_filter(site: Flask, connection: Connection, database: Database) -> None:
    """The links to the next page and to a bulk replay keep the list's filter."""
    fail_many(connection, database, 60)
    connection.execute("update integration_sync_log set next_attempt_at = null where id > 2 and status = 'FAILED'")
    browser, path, seen = signed_in(site), "/admin/events?needs_attention=true&since=2020-01-01T00:00", set[str]()
    while path:
        text = browser.get(path).text.replace("&amp;", "&")
        seen |= set(re.findall(r'href="/admin/events/(evt-\d+)"', text))
        older = re.search(r'rel="next" href="([^"]+)"', text)
        [replay] = re.findall(r'href="(/admin/replays/new[^"]+)"', text)
        path = older[1] if older else ""
    assert len(seen) == 58
    preview = browser.get(replay).text
    assert "Replay 58 events" in preview
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', preview))
    del hidden["csrf_token"]
    assert browser.sends("/admin/replays", **hidden).status_code == 303


def test_an_interrupted_run_needs_no_attention(site: Flask, connection: Connection) -> None:
    """An interrupted run is listed as failed, but not among the events that need attention."""
    connection.execute(
        "insert into integration_sync_log (event_id, direction, operation, status, outcome, error_message, via)"
        " values ('run:1', 'maintenance', 'reconcile', 'FAILED', 'interrupted', 'it ended', 'reconcile')"
    )
    browser = signed_in(site)
    assert "run:1" in browser.get("/admin/events?status=FAILED").text
    assert "run:1" not in browser.get("/admin/events?needs_attention=true").text
    assert "run:1" not in browser.get("/admin/auth-sync").text


def test_an_expired_ban_is_not_shown(site: Flask, connection: Connection, database: Database) -> None:
    """Neither the pages nor the view show an expired ban."""
    jane = hire(connection, "jane@example.com")
    webhook = insert(email="jane@example.com", email_confirmed_at=CONFIRMED, banned_until="2020-01-01T00:00:00Z")
    process_batch(database, [work_of(webhook, "evt-1")], Policy())
    browser = signed_in(site)
    assert ", banned" not in browser.get(f"/admin/employees/{jane}").text
    assert ", banned" not in browser.get("/admin/events/evt-1").text
    connection.execute("update auth_user_state set banned_until = now() + interval '1 hour'")
    assert ", banned" in browser.get(f"/admin/employees/{jane}").text


HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/", "/nothing", "/admin/nothing", "/admin/employees/nothing"])
def test_an_unknown_address_is_a_page_for_browsers(site: Flask, path: str) -> None:
    """A browser gets a page with the way to the overview for an unknown address, and a program a problem document."""
    browser = Browser(site)
    answer = browser.get(path, headers=HTML)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "There is no such page." in answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert "/admin/auth-sync" in answer.text
    answer = browser.get(path, headers={"Accept": "*/*"})
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


@pytest.mark.parametrize("path", ["/admin/api/nothing", "/webhook/nothing"])
def test_an_unknown_address_of_programs_is_a_problem(site: Flask, path: str) -> None:
    """An unknown address of the API is a problem document, whatever the request accepts."""
    answer = Browser(site).get(path, headers=HTML)
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


def test_a_page_says_which_object_does_not_exist(site: Flask) -> None:
    """The page of an object that does not exist says which kind of object it is."""
    browser = signed_in(site)
    assert "There is no such bulk replay." in browser.get("/admin/replays/99").text
    assert "The ledger has no such event." in browser.get("/admin/events/nothing").text


def test_a_shared_employee_number_is_warned_of(site: Flask, connection: Connection) -> None:
    """The pages of employees with one number warn of it, with the other's name. Other pages do not."""
    ann = hire(connection, "ann@example.com", first_name="Ann", last_name="Lee", employee_number="17")
    bob = hire(connection, "bob@example.com", first_name="Bob", last_name="Fox", employee_number="17")
    other = hire(connection, "eve@example.com", employee_number="18")
    browser = signed_in(site)
    warning = "has the same employee number"
    assert f'<a href="/admin/employees/{bob}">Bob Fox</a> {warning}' in browser.get(f"/admin/employees/{ann}").text
    assert f'<a href="/admin/employees/{ann}">Ann Lee</a> {warning}' in browser.get(f"/admin/employees/{bob}").text
    assert warning not in browser.get(f"/admin/employees/{other}").text
