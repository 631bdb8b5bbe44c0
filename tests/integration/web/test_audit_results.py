"""The audit has one row for each attempt of an admin, with its result."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from tests.conftest import ADMIN_KEY
from tests.employees import Connection, hire
from tests.integration.bulk_replaying import fail_many
from tests.integration.signing_in import Browser, local, pages
from webhook_service.errors import Unavailable
from webhook_service.ledger import audit
from webhook_service.ports import Database
from webhook_service.settings import Settings

KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}
LOGIN = "00000000-0000-0000-0000-000000000002"


@pytest.fixture
def dashboard(settings: Settings) -> Iterator[Flask]:
    with pages(local(settings)) as made:
        yield made


@pytest.fixture
def browser(dashboard: Flask) -> Browser:
    browser = Browser(dashboard)
    browser.signs_in()
    return browser


def attempts(connection: Connection) -> list[tuple[str, str, str | None]]:
    """Return (action, result, reason) of each attempt, oldest first, without sign-ins."""
    rows = connection.execute(
        "select action, result, reason from auth_sync_audit where action <> 'signed in' order by id"
    ).fetchall()
    return [(row["action"], row["result"], row["reason"]) for row in rows]


def test_a_refused_act_is_recorded_as_refused(browser: Browser, connection: Connection, database: Database) -> None:
    """An act that was refused is recorded once, as refused with the reason, and an act that was done once, as done."""
    fail_many(connection, database, 3)
    [second, other] = [
        int(row["employee_id"])
        for row in connection.execute("select employee_id from employees order by employee_id limit 2 offset 1")
    ]
    browser.sends(f"/admin/employees/{second}/login", auth_user_id=LOGIN)
    browser.sends(f"/admin/employees/{other}/login", auth_user_id=LOGIN)
    browser.sends(f"/admin/employees/{other}/moved-login", auth_user_id=LOGIN)
    browser.sends("/admin/employees/new", email="user1@example.com", login="password")
    assert attempts(connection) == [
        ("link a login", "done", None),
        ("link a login", "refused", "The login belongs to another employee. Take it away from that employee first."),
        ("move a login", "refused", "The login belongs to another employee. Take it away from that employee first."),
        ("create an employee", "refused", "Another employee has this e-mail. Correct one of the two e-mails."),
    ]


def test_the_page_says_what_became_of_each_attempt(browser: Browser, connection: Connection) -> None:
    """The audit page shows the result of each attempt, and no act in the past tense before it was done."""
    employee = hire(connection, "sam@example.com")
    browser.sends(f"/admin/employees/{employee}/login", auth_user_id=LOGIN)
    assert "Login not given" in browser.get("/admin/audit").text  # the message of the form
    text = browser.get("/admin/audit").text
    assert "Link a login" in text
    assert "Refused: Supabase has no login with this e-mail or id." in text
    assert "linked" not in text
    assert re.search("Login not given by .*: Supabase has no login", browser.get(f"/admin/employees/{employee}").text)


def test_a_replay_is_recorded_with_its_outcome(browser: Browser, connection: Connection, database: Database) -> None:
    """A replay is recorded with the outcome that the ledger has."""
    fail_many(connection, database, 1)
    browser.sends("/admin/events/evt-1/replay")
    [(action, result, reason)] = attempts(connection)
    [replayed] = connection.execute("select outcome from integration_sync_replays").fetchall()
    assert (action, result, reason) == ("replay", "done", replayed["outcome"])


def test_the_admin_api_records_results(site: Flask, connection: Connection) -> None:
    """An act over the admin API is recorded with its result too."""
    client = site.test_client()
    body: dict[str, Any] = {"email": "sam@example.com", "requested_by": "hr"}
    assert client.post("/admin/api/employees", json=body, headers=KEY).status_code == 409
    assert client.patch("/admin/api/employees/999", json={"is_active": False}, headers=KEY).status_code == 404
    employee = hire(connection, "sam@example.com")
    assert client.patch(f"/admin/api/employees/{employee}", json={"is_active": False}, headers=KEY).status_code == 200
    assert [(action, result) for action, result, _ in attempts(connection)] == [
        ("create an employee", "refused"),
        ("deactivate", "refused"),
        ("deactivate", "done"),
    ]


def test_an_attempt_whose_process_ended_has_no_known_result(
    browser: Browser, connection: Connection, database: Database
) -> None:
    """An attempt without a result is shown as not known, because its process may have ended in between."""
    database.call("auth_sync_audit_v1", p_who="Kim", p_action="replay", p_target="event:evt-1", p_details={})
    assert "In progress" in browser.get("/admin/audit").text
    connection.execute("update auth_sync_audit set at = now() - interval '10 minutes'")
    assert "Not known" in browser.get("/admin/audit").text


def test_an_unreachable_database_leaves_the_result_unknown(database: Database) -> None:
    """If the database does not answer, the result is not known, because the database may have made the change."""
    with pytest.raises(Unavailable), audit.attempt(database, "Kim", "replay", "event:evt-1"):
        raise Unavailable("database_slow", "The database did not answer in time.")
    [row] = audit.search(database, {"target": "event:evt-1"}, below=None, limit=5)["entries"]
    assert (row["result"], row["reason"]) == ("unknown", "The database did not answer in time.")
