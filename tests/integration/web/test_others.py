"""The page of a failure names the other person, and advises nothing that damages a good login."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from tests.auth_traffic import CONFIRMED, insert
from tests.employees import Connection, hire
from tests.integration.captured import relay_all
from tests.integration.capturing import auth_on
from tests.integration.signing_in import Browser
from tests.webhook_events import work_of
from webhook_service.auth.local import LocalAuthAdmin
from webhook_service.inbound.processing import process_batch
from webhook_service.outbound.accounts import Accounts
from webhook_service.policy import EmailOwner, Policy
from webhook_service.ports import Database

pytestmark = pytest.mark.every_employees_table


def test_the_person_with_another_login_is_named(browser: Browser, connection: Connection, database: Database) -> None:
    """The page of an event whose employee has another login names this employee, with a link."""
    jane = hire(connection, "jane@example.com", first_name="Jane", last_name="Doe")
    for number, event in ((1, "evt-1"), (2, "evt-2")):
        signed_up = insert(UUID(int=number), at=number, email="jane@example.com", email_confirmed_at=CONFIRMED)
        process_batch(database, [work_of(signed_up, event)], Policy())
    text = browser.get("/admin/events/evt-2").text
    assert "Employee has another login" in browser.get("/admin/events").text
    assert f'Also concerned: <a href="/admin/employees/{jane}">Jane Doe</a>' in text
    assert "with a login" in text
    assert "delete the other one" not in text


def test_the_owner_of_a_taken_email_is_named(
    browser: Browser, connection: Connection, database: Database, database_url: str
) -> None:
    """If a colleague's login has the new e-mail of an employee, the page names the colleague, with a link."""
    mei = hire(connection, "mei@example.com", first_name="Mei", last_name="Tanaka")
    vera = hire(connection, "vera@example.com", first_name="Vera", last_name="Holm")
    with auth_on(database_url) as auth:
        auth.admin_create("mei@example.com")
        auth.admin_create("vera@example.com")
    relay_all(database)
    connection.execute("update employees set email = 'mei@example.com ' where employee_id = %s", [vera])
    accounts = Accounts(database, LocalAuthAdmin(database_url), EmailOwner.AUTH, 5, lambda: datetime.now(UTC))
    assert accounts.run_once("relay").outcomes == {"email_taken": 1}
    [row] = connection.execute("select event_id from integration_sync_log where outcome = 'email_taken'").fetchall()
    text = browser.get(f"/admin/events/{row['event_id']}").text
    assert f'Also concerned: <a href="/admin/employees/{mei}">Mei Tanaka</a>, mei@example.com, active' in text
    assert "Change or delete the other" not in text


def test_a_login_of_nobody_is_named(
    browser: Browser, connection: Connection, database: Database, database_url: str
) -> None:
    """If no employee has the login with the taken e-mail, the page says so."""
    vera = hire(connection, "vera@example.com", first_name="Vera")
    with auth_on(database_url) as auth:
        auth.admin_create("vera@example.com")
        auth.admin_create("old@example.com")
    relay_all(database)
    connection.execute("update employees set email = 'old@example.com' where employee_id = %s", [vera])
    Accounts(database, LocalAuthAdmin(database_url), EmailOwner.AUTH, 5, lambda: datetime.now(UTC)).run_once("relay")
    [row] = connection.execute("select event_id from integration_sync_log where outcome = 'email_taken'").fetchall()
    text = browser.get(f"/admin/events/{row['event_id']}").text
    assert "The e-mail old@example.com belongs to a login without an employee" in text


def test_other_events_name_nobody(browser: Browser, connection: Connection, database: Database) -> None:
    """The page of any other event names no other person."""
    hire(connection, "jane@example.com")
    signed_up = insert(UUID(int=1), at=1, email="jane@example.com", email_confirmed_at=CONFIRMED)
    process_batch(database, [work_of(signed_up, "evt-1")], Policy())
    assert "It is about" not in browser.get("/admin/events/evt-1").text
