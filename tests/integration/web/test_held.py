"""Admins decide about held bans on the overview and through the admin API."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from tests.conftest import ADMIN_KEY
from tests.employees import Connection, hire
from tests.integration.captured import nothing_linked
from tests.integration.signing_in import Browser, pages
from webhook_service.outbound.held import Reason
from webhook_service.settings import Settings

NEWEST = re.compile('name="newest_id" value="([0-9]+)"')
REASON = re.compile('name="reason" value="([a-z_]+)"')
MASS, SHARED = Reason
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


def left(connection: Connection) -> tuple[int, int]:
    """How many bans are held, and how many are in the ledger."""
    ledger = connection.execute("select from integration_sync_log where operation = 'disable_auth_user'").fetchall()
    return len(connection.execute("select from auth_sync_held_actions").fetchall()), len(ledger)


def decisions(connection: Connection) -> list[dict[str, Any]]:
    return connection.execute("select who, action, details from auth_sync_audit where action like '%held%'").fetchall()


def test_the_overview_shows_the_people(held: Connection, browser: Browser) -> None:
    """The overview says how many bans wait, and names people; without held bans it says nothing."""
    page = browser.get("/admin/auth-sync").text
    assert "25 bans wait for your decision" in page
    assert "Eva No0 (e0@example.com)" in page
    assert "And 5 more" in page
    held.execute("update employees set is_active = true")
    assert "for you" not in browser.get("/admin/auth-sync").text


@pytest.mark.parametrize(("decision", "after"), [("release", (0, 25)), ("discard", (0, 0))])
def test_an_admin_decides_on_the_overview(
    held: Connection, browser: Browser, decision: str, after: tuple[int, int]
) -> None:
    """A button releases or drops the held bans, and the audit has the admin's name."""
    assert browser.post(f"/admin/held/{decision}").status_code == 400  # without the form's token
    assert left(held) == (25, 0)
    browser.sends(f"/admin/held/{decision}", newest_id="no number", reason=MASS)
    assert browser.sends(f"/admin/held/{decision}", newest_id="25", reason="boredom").status_code == 400
    assert left(held) == (25, 0)
    newest = NEWEST.findall(browser.get("/admin/auth-sync").text)[0]
    assert browser.sends(f"/admin/held/{decision}", newest_id=newest, reason=MASS).status_code == 303
    assert left(held) == after
    details = {"count": 25, "reason": MASS}
    assert [(row["who"], row["details"]) for row in decisions(held)] == [("admin key (Kim)", details)]


@pytest.mark.parametrize(("decision", "after"), [("release", (0, 25)), ("discard", (0, 0))])
def test_a_program_decides_through_the_api(
    held: Connection, site: Flask, decision: str, after: tuple[int, int]
) -> None:
    """The API lists, releases and drops held bans, with the key only."""
    client = site.test_client()
    assert client.get("/admin/api/held").status_code == 401
    assert client.post(f"/admin/api/held/{decision}").status_code == 401
    listed = client.get("/admin/api/held", headers=KEY).get_json()
    assert listed["count"] == 25
    assert client.post(f"/admin/api/held/{decision}", headers=KEY, json={}).status_code == 422
    body = {"newest_id": listed["newest_id"], "requested_by": "Ann"}
    answer = client.post(f"/admin/api/held/{decision}", headers=KEY, json=body)
    assert answer.json == {"count": 25}
    assert left(held) == after
    assert [row["who"] for row in decisions(held)] == ["api:Ann"]


@pytest.fixture
def shared(held: Connection) -> UUID:
    """A held ban of a login that another active employee may own."""
    user = uuid4()
    held.execute(
        "select auth_sync_hold_unclear_v1(jsonb_agg(b)) from (select %s::uuid as auth_user_id, 1 as employee_id) as b",
        [user],
    )
    return user


def test_the_overview_asks_about_each_reason(held: Connection, shared: UUID, browser: Browser) -> None:
    """The overview shows the bans of each reason with their own buttons, which decide about these bans only."""
    page = browser.get("/admin/auth-sync").text
    assert "25 bans wait for your decision" in page
    assert "1 ban waits for your decision: the owner of the login is not certain" in page
    assert REASON.findall(page) == [MASS, MASS, SHARED, SHARED]
    browser.sends("/admin/held/release", newest_id=NEWEST.findall(page)[-1], reason=MASS)
    assert left(held) == (1, 25)
    page = browser.get("/admin/auth-sync").text
    assert REASON.findall(page) == [SHARED, SHARED]
    browser.sends("/admin/held/discard", newest_id=NEWEST.findall(page)[-1], reason=SHARED)
    assert left(held) == (0, 25)


def test_the_api_decides_about_a_mass_deactivation_unless_a_reason_is_given(
    held: Connection, shared: UUID, site: Flask
) -> None:
    """The API shows the reason of each ban, filters by it, and decides about bans of one reason."""
    client = site.test_client()
    found = client.get("/admin/api/held", headers=KEY).get_json()
    assert (found["count"], found["people"][-1]["reason"], found["people"][0]["reason"]) == (26, SHARED, MASS)
    alone = client.get("/admin/api/held", headers=KEY, query_string={"reason": SHARED}).get_json()
    assert [person["auth_user_id"] for person in alone["people"]] == [str(shared)]
    assert client.get("/admin/api/held?reason=boredom", headers=KEY).status_code == 422
    body = {"newest_id": found["newest_id"]}
    for reason, count, after in (({}, 25, (1, 25)), ({}, 0, (1, 25)), ({"reason": SHARED}, 1, (0, 26))):
        assert client.post("/admin/api/held/release", headers=KEY, json=body | reason).json == {"count": count}
        assert left(held) == after


def test_every_view_says_that_the_login_works(held: Connection, browser: Browser, site: Flask) -> None:
    """The list, the employee's page, /readyz and the metrics say that bans wait, and not that a login is banned."""
    assert browser.get("/admin/employees").text.count("Ban waits for you") == 25
    page = browser.get("/admin/employees/1").text
    assert "can still sign in" in page
    assert ", banned" not in page
    client = site.test_client()
    assert client.get("/readyz").get_json()["held_bans"] == 25
    assert b"webhook_service_held_bans 25.0" in client.get("/metrics").data


def test_an_admin_decides_about_one_person(held: Connection, browser: Browser) -> None:
    """The page of an employee whose ban is held has a button that bans this login."""
    browser.sends("/admin/employees/1/active", is_active="false")
    assert left(held) == (24, 1)
    assert "waits for you" not in browser.get("/admin/employees/1").text


def test_the_api_says_that_a_ban_is_held(held: Connection, site: Flask) -> None:
    """A deactivation through the API beyond the limit returns `held`."""
    held.execute("select auth_sync_limit_deactivations_v1('0')")
    held.execute("update employees set is_active = true where employee_id = 1")
    answer = site.test_client().patch("/admin/api/employees/1", headers=KEY, json={"is_active": False}).get_json()
    assert answer == {"employee_id": 1, "changed": [], "is_active": False, "login": {"status": "held"}}
