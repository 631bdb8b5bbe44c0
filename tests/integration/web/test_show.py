"""Each link of the overview and of a notice leads to the rows that it counts, never to all rows."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from flask import Flask

from tests.employees import Connection, hire
from tests.integration.bulk_replaying import fail_many
from tests.integration.captured import nothing_linked
from tests.integration.signing_in import Browser
from webhook_service.ledger.reconcile import reconcile
from webhook_service.notifications.decide import Kind
from webhook_service.notifications.links import FailingLink, failing_link
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.web import Wiring

CHIP = re.compile(r'class="chip" .*?</span>([^<]*)<')
ROWS = re.compile(r'<a href="/admin/events/([\w:.-]+)">')


def shown(browser: Browser, path: str) -> set[str]:
    """Return the ids of the events that a page lists."""
    return set(ROWS.findall(browser.get(path).text))


def links(browser: Browser, title: str) -> list[str]:
    """Return the links of a card on the overview."""
    text = browser.get("/admin/auth-sync").text
    card = text[text.index(f'<h2 class="h6">{title} ') :]
    return [path.replace("&amp;", "&") for path in re.findall(r'href="([^"]+)"', card[: card.index("</p>")])]


def follow(browser: Browser, site: Flask, kind: Kind) -> str:
    """Follow the link of a notice, and return the path of the page that it leads to."""
    wiring: Wiring = site.extensions["wiring"]
    key = wiring.settings.pages.signing_key(wiring.settings.admin_api_key)
    link = failing_link("", key, FailingLink(kind, 1), now=wiring.now())
    return browser.get(link).headers["Location"]


@pytest.fixture
def rows(connection: Connection, database: Database) -> None:
    """Add one event that needs attention (evt-1), one that is retried (evt-2), one that waits, and one that is done."""
    fail_many(connection, database, 2)
    connection.execute("update integration_sync_log set next_attempt_at = null where event_id = 'evt-1'")
    for event, minutes in (("waits", 60), ("fresh", 0)):
        connection.execute(
            "insert into integration_sync_log (event_id, direction, operation, auth_user_id, version, via, created_at)"
            " values (%s, 'inbound', 'UPDATE', gen_random_uuid(), 1, 'capture', now() - make_interval(mins => %s))",
            [event, minutes],
        )
    connection.execute(
        "insert into integration_sync_log (event_id, direction, operation, status, outcome, version, via, completed_at)"
        " values ('done', 'inbound', 'UPDATE', 'SUCCESS', 'unchanged', 1, 'capture', now())"
    )


@pytest.mark.usefixtures("rows")
def test_the_cards_lead_to_the_rows_that_they_count(browser: Browser, connection: Connection) -> None:
    """Failures lead to the events that need attention, or are retried, and waiting events to those that wait."""
    assert [shown(browser, path) for path in links(browser, "Failures")] == [{"evt-1"}]
    assert [shown(browser, path) for path in links(browser, "Waiting")] == [{"evt-2", "waits", "fresh"}]
    connection.execute("delete from integration_sync_log where event_id = 'evt-1'")
    assert [shown(browser, path) for path in links(browser, "Failures")] == [{"evt-2"}]


def test_the_card_of_people_leads_to_these_people(browser: Browser, connection: Connection) -> None:
    """The card of people has one link for each kind of problem, with its number."""
    hire(connection, "ann@example.com", first_name="Ann", orphaned_at=datetime.now(UTC))
    hire(connection, "bob@example.com", first_name="Bob")
    [path] = links(browser, "People")
    text = browser.get(path).text
    assert ("Ann" in text, "Bob" in text) == (True, False)
    with nothing_linked(connection):
        hire(connection, "joe@example.com", first_name="Joe", is_active=False, auth_user_id=UUID(int=3))
    [path] = links(browser, "People")
    text = browser.get(path).text
    assert ("Joe" in text, "Ann" in text) == (True, False)


@pytest.mark.usefixtures("rows")
def test_a_notice_leads_to_the_rows_that_it_counts(browser: Browser, site: Flask) -> None:
    """The links of notices lead to the inbox, and to the events that have waited too long."""
    assert "/admin/events/evt-1" in browser.get(follow(browser, site, Kind.NEEDS_ATTENTION)).text
    assert shown(browser, follow(browser, site, Kind.BACKLOG)) == {"waits"}


def test_a_notice_of_drift_leads_to_the_differences(
    browser: Browser, site: Flask, connection: Connection, database: Database
) -> None:
    """The link of a notice of drift leads to the differences that the newest run found, with their people."""
    with nothing_linked(connection):
        hire(connection, "joe@example.com", first_name="Joe", auth_user_id=UUID(int=3))
        hire(connection, "bob@example.com", first_name="Bob")
    reconcile(database, Policy(), requested_by="ops", dry_run=False)
    text = browser.get(follow(browser, site, Kind.DRIFT)).text
    assert "Employee whose login was deleted: 1" in text
    assert ("Joe" in text, "Bob" in text) == (True, False)


@pytest.mark.parametrize("kind", [Kind.SILENCE, Kind.FAILING_LOOP, Kind.HELD_ACTIONS])
def test_other_notices_lead_to_a_part_of_the_overview(browser: Browser, site: Flask, kind: Kind) -> None:
    """The links of the other notices lead to the part of the overview that shows their subject."""
    page, _, part = follow(browser, site, kind).partition("#")
    assert f'id="{part}"' in browser.get(page).text


@pytest.mark.usefixtures("rows")
def test_a_search_keeps_the_rows_that_a_link_chose(browser: Browser) -> None:
    """Each filter is a chip that removes it, and the form keeps a filter that it has no field for."""
    text = browser.get("/admin/events?open=true&direction=inbound").text
    assert {chip.strip() for chip in CHIP.findall(text)} == {"Waiting or retried", "Direction: from Auth"}
    assert '<input type="hidden" name="open" value="true">' in text
    assert '<input type="hidden" name="direction" value="inbound">' in text
