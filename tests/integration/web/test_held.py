"""Admins decide about held bans on the overview and through the admin API."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from tests.conftest import ADMIN_KEY
from tests.employees import Connection, hire
from tests.integration.captured import nothing_linked
from tests.integration.signing_in import Browser, pages
from webhook_service.settings import Settings

KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}


@pytest.fixture
def held(connection: Connection) -> Connection:
    """A company whose 25 employees were deactivated at once."""
    with nothing_linked(connection):
        for number in range(25):
            hire(connection, f"e{number}@example.com", first_name="Eva", last_name=f"No{number}", auth_user_id=uuid4())
    connection.execute("update employees set is_active = false")
    return connection


@pytest.fixture
def site(settings: Settings) -> Iterator[Flask]:
    with pages(settings) as site:
        yield site


@pytest.fixture
def browser(site: Flask) -> Browser:
    browser = Browser(site)
    browser.signs_in()
    return browser


def left(connection: Connection) -> tuple[int, int]:
    """How many bans are held, and how many are in the ledger."""
    ledger = connection.execute("select from integration_sync_log where operation = 'disable_auth_user'").fetchall()
    return len(connection.execute("select from auth_sync_held_actions").fetchall()), len(ledger)


def decisions(connection: Connection) -> list[dict[str, Any]]:
    return connection.execute("select who, action, details from auth_sync_audit where action like '%held%'").fetchall()


def test_the_overview_shows_the_people(held: Connection, browser: Browser) -> None:
    """The overview says how many bans wait, and names people; without held bans it says nothing."""
    page = browser.get("/admin/auth-sync").text
    assert "25 bans wait for you" in page
    assert "Eva No0 (e0@example.com)" in page
    assert "and 5 more" in page
    held.execute("update employees set is_active = true")
    assert "for you" not in browser.get("/admin/auth-sync").text


@pytest.mark.parametrize(("decision", "after"), [("release", (0, 25)), ("discard", (0, 0))])
def test_an_admin_decides_on_the_overview(
    held: Connection, browser: Browser, decision: str, after: tuple[int, int]
) -> None:
    """A button releases or drops the held bans, and the audit has the admin's name."""
    assert browser.post(f"/admin/held/{decision}").status_code == 400  # without the form's token
    assert left(held) == (25, 0)
    assert browser.sends(f"/admin/held/{decision}").status_code == 303
    assert left(held) == after
    assert [(row["who"], row["details"]) for row in decisions(held)] == [("admin key (Kim)", {"count": 25})]


@pytest.mark.parametrize(("decision", "after"), [("release", (0, 25)), ("discard", (0, 0))])
def test_a_program_decides_through_the_api(
    held: Connection, site: Flask, decision: str, after: tuple[int, int]
) -> None:
    """The API lists, releases and drops held bans, with the key only."""
    client = site.test_client()
    assert client.get("/admin/api/held").status_code == 401
    assert client.post(f"/admin/api/held/{decision}").status_code == 401
    assert client.get("/admin/api/held", headers=KEY).json["count"] == 25  # type: ignore[index]
    answer = client.post(f"/admin/api/held/{decision}", headers=KEY, json={"requested_by": "Ann"})
    assert answer.json == {"count": 25}
    assert left(held) == after
    assert [row["who"] for row in decisions(held)] == ["api:Ann"]
