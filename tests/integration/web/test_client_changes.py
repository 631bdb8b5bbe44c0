"""Admins decide about the e-mails and links that clients wrote, on the action's page and through the admin API."""

from flask import Flask

from tests.conftest import ADMIN_KEY
from tests.employees import Connection, employee
from tests.integration.db.test_attacks_on_employees import as_client, email_of, self_service
from tests.integration.requested_actions import actions
from tests.integration.signing_in import Browser
from webhook_service.policy import EmailOwner
from webhook_service.ports import Database

KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}


def test_an_admin_drops_a_change_on_the_page_of_its_action(
    database_url: str, connection: Connection, database: Database, browser: Browser
) -> None:
    """The page of an action that waits has the buttons to approve and to drop; a dropped change is undone once."""
    jane_id, jane, _ = self_service(database_url, connection, database, EmailOwner.EMPLOYEES)
    with as_client(connection):
        connection.execute("update employees set email = 'ceo@example.com' where employee_id = %s", [jane_id])
    (action,) = [each for each in actions(connection, jane) if each["outcome"] == "changed_by_client"]
    page = f"/admin/events/{action['event_id']}"
    shown = browser.get(page).text
    assert "Approve the change" in shown
    assert "Drop the change" in shown
    assert browser.post(f"{page}/drop").status_code == 400  # without the form's token
    browser.sends(f"{page}/drop")
    assert "Drop the change" not in browser.get(page).text
    assert employee(connection, jane_id)["email"] == email_of(connection, jane) == "jane@example.com"
    browser.sends(f"{page}/drop")
    assert "does not wait for an admin any more" in browser.get(page).text


def test_the_api_drops_a_change(database_url: str, connection: Connection, database: Database, site: Flask) -> None:
    """POST /admin/api/events/{event_id}/drop undoes the change once, with the caller in the audit."""
    jane_id, jane, _ = self_service(database_url, connection, database, EmailOwner.EMPLOYEES)
    with as_client(connection):
        connection.execute("update employees set email = 'ceo@example.com' where employee_id = %s", [jane_id])
    (action,) = [each for each in actions(connection, jane) if each["outcome"] == "changed_by_client"]
    path = f"/admin/api/events/{action['event_id']}/drop"
    client = site.test_client()
    assert client.post(path).status_code == 401
    answers = [client.post(path, headers=KEY, json={"requested_by": "Ann"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert answers[1].json is not None
    assert answers[1].json["reason"] == "not_open"
    assert client.post("/admin/api/events/nothing/drop", headers=KEY).status_code == 404
    assert employee(connection, jane_id)["email"] == "jane@example.com"
    audited = connection.execute("select who, action from auth_sync_audit where action like 'dropped%'").fetchall()
    assert audited == [{"who": "api:Ann", "action": "dropped the change of a client"}]
