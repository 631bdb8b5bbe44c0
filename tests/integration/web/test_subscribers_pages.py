"""Admins manage subscribers on the pages /admin/subscribers."""

import re

from tests.employees import Connection
from tests.integration.admin_api import audited
from tests.integration.signing_in import Browser
from tests.integration.subscribers.feeding import SECRET, deliveries, feed, subscribe, write_entry
from webhook_service.ports import Database

CRM = {"name": "crm", "url": "https://crm.example.com/hook?token=abc", "types": "employee.linked"}


def acts(connection: Connection) -> list[tuple[str, str]]:
    return [(action, result) for _, action, target, result in audited(connection) if target == "subscriber:crm"]


def test_a_secret_is_shown_once(browser: Browser, connection: Connection) -> None:
    """The answer to the form has the secret. No other page has it, nor the URL, which may hold a token."""
    created = browser.sends("/admin/subscribers", **CRM)
    secret = connection.execute("select secret, types from auth_sync_subscribers").fetchone()
    assert secret is not None
    assert (secret["secret"] in created.text, secret["types"]) == (True, ["employee.linked"])
    assert created.headers["cache-control"] == "no-store"
    for path in ("", "/crm"):
        page = browser.get(f"/admin/subscribers{path}").text
        assert "crm.example.com" in page
        assert not re.search("whsec_|token=abc", page)
    assert "/admin/subscribers/crm" in browser.get("/admin/audit").text


def test_a_refused_form_says_why(browser: Browser) -> None:
    """A form that is refused is shown again with its values and the reason."""
    answer = browser.sends("/admin/subscribers", **CRM | {"url": "http://crm.example.com"})
    assert (answer.status_code, "must have one of these schemes: https" in answer.text) == (422, True)
    assert 'value="crm"' in answer.text
    assert "employee.linked" in answer.text
    browser.sends("/admin/subscribers", **CRM)
    assert "There is a subscriber crm already." in browser.sends("/admin/subscribers", **CRM).text
    assert browser.get("/admin/subscribers/nobody").status_code == 404


def test_a_subscriber_is_disabled_and_enabled(browser: Browser, database: Database) -> None:
    """The buttons disable and enable a subscriber."""
    subscribe(database)
    browser.sends("/admin/subscribers/crm/enabled", is_enabled="false")
    assert "It is disabled since" in browser.get("/admin/subscribers/crm").text
    browser.sends("/admin/subscribers/crm/enabled", is_enabled="true")
    assert "It is disabled since" not in browser.get("/admin/subscribers/crm").text


def test_a_secret_is_replaced(browser: Browser, database: Database, connection: Connection) -> None:
    """The page asks first. The answer to the form has the new secret once, and the former one stays valid for a day."""
    subscribe(database)
    assert "Replace the secret of crm?" in browser.get("/admin/subscribers/crm").text
    answer = browser.sends("/admin/subscribers/crm/rotate")
    [row] = connection.execute("select secret, former_secret from auth_sync_subscribers")
    assert (row["secret"] in answer.text, row["former_secret"]) == (True, SECRET)
    assert "whsec_" not in browser.get("/admin/subscribers/crm").text
    assert acts(connection) == [("replace the secret of a subscriber", "done")]


def test_a_subscriber_is_removed(browser: Browser, database: Database, connection: Connection) -> None:
    """The page asks first, and names the subscriber and the number of events that were not delivered."""
    subscribe(database)
    write_entry(connection, 1)
    feed(database)
    asked = "Remove crm? It gets no more events. 1 event that was not delivered is lost."
    assert asked in browser.get("/admin/subscribers/crm").text
    assert browser.sends("/admin/subscribers/crm/remove").headers["location"] == "/admin/subscribers"
    assert "No subscribers yet." in browser.get("/admin/subscribers").text
    assert deliveries(connection) == []
    assert acts(connection) == [("remove a subscriber", "done")]
    assert browser.sends("/admin/subscribers/crm/remove").status_code == 404


def test_a_test_event_is_sent(browser: Browser, database: Database) -> None:
    """The page says whether the subscriber accepted the event, and why not."""
    subscribe(database, p_url="https://localhost:1/")
    browser.sends("/admin/subscribers/crm/test")
    assert "crm did not accept the test event: private_address." in browser.get("/admin/subscribers/crm").text


def test_dead_deliveries_are_sent_again(browser: Browser, database: Database, connection: Connection) -> None:
    """The page lists dead deliveries. A button replays one of them, and another one all."""
    subscribe(database)
    for employee in (1, 2, 3):
        write_entry(connection, employee)
    feed(database)
    connection.execute("update auth_sync_deliveries set status = 'DEAD', next_attempt_at = null, completed_at = now()")
    found = re.findall('name="delivery" value="([0-9]+)"', browser.get("/admin/subscribers/crm").text)
    assert len(found) == 3
    browser.sends("/admin/subscribers/crm/replay", delivery=found[0])
    assert [each["status"] for each in deliveries(connection)].count("PENDING") == 1
    browser.sends("/admin/subscribers/crm/replay")
    assert {each["status"] for each in deliveries(connection)} == {"PENDING"}
