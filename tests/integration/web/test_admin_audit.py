"""The audit records the actions of admins on the pages and over the admin API."""

from typing import Any

from flask import Flask

from tests.conftest import ADMIN_KEY
from tests.employees import Connection, hire
from tests.integration.bulk_replaying import fail_many
from tests.integration.signing_in import Browser, local, pages, recorded
from webhook_service.ports import Database
from webhook_service.settings import Settings

KIM = "admin key (Kim)"
KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}


def employee_of(connection: Connection, email: str) -> int:
    [found] = connection.execute("select employee_id from employees where email = %s", [email]).fetchall()
    return int(found["employee_id"])


def test_actions_on_the_pages_are_recorded(settings: Settings, connection: Connection, database: Database) -> None:
    """Each action on the pages is recorded with its admin and its target, from the sign-in to the sign-out."""
    fail_many(connection, database, 3)
    first, second = (employee_of(connection, f"user{number}@example.com") for number in (1, 2))
    with pages(local(settings)) as app:
        browser = Browser(app)
        browser.signs_in()
        linked = {"auth_user_id": "00000000-0000-0000-0000-000000000002"}
        answers = [
            browser.sends("/admin/events/evt-1/replay"),
            browser.sends(f"/admin/employees/{second}/login", **linked),
            browser.sends("/admin/replays", status="FAILED"),
            browser.sends("/admin/replays/1/cancel"),
            browser.sends(f"/admin/employees/{first}/active", is_active="false"),
            browser.sends(f"/admin/employees/{first}/active", is_active="true"),
            browser.sends("/admin/employees/new", email="new@example.com", login="password"),
            browser.sends("/admin/logout"),
        ]
    assert [answer.status_code for answer in answers] == [303, 303, 303, 303, 303, 303, 200, 303]
    assert recorded(connection) == [
        (KIM, "signed in", None),
        (KIM, "replay", "event:evt-1"),
        (KIM, "link a login", f"employee:{second}"),
        (KIM, "begin a bulk replay", None),
        (KIM, "cancel a bulk replay", "replay:1"),
        (KIM, "deactivate", f"employee:{first}"),
        (KIM, "activate", f"employee:{first}"),
        (KIM, "create an employee", None),
        (KIM, "signed out", None),
    ]


def test_actions_of_the_admin_api_are_recorded(site: Flask, connection: Connection, database: Database) -> None:
    """The audit names the caller of an action over the admin API. A dry run and a refused call are not recorded."""
    fail_many(connection, database, 2)
    client, employee = site.test_client(), hire(connection, "sam@example.com")
    taken = {"email": "sam@example.com", "auth_user_id": "00000000-0000-0000-0000-000000000009", "requested_by": "hr"}
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/admin/api/events/evt-1/replay", {"requested_by": "ops"}),
        ("POST", "/admin/api/replays", {"dry_run": True}),
        ("POST", "/admin/api/replays", {"dry_run": False}),
        ("POST", "/admin/api/employees", taken),
        ("PATCH", f"/admin/api/employees/{employee}", {"is_active": False}),
    ]
    for method, path, body in requests:
        assert client.open(path, method=method, json=body).status_code == 401
    assert recorded(connection) == []
    for method, path, body in requests:
        client.open(path, method=method, json=body, headers=KEY)
    assert recorded(connection) == [
        ("api:ops", "replay", "event:evt-1"),
        ("api", "replay events", None),
        ("api:hr", "create an employee", None),
        ("api", "deactivate", f"employee:{employee}"),
    ]


def test_an_action_that_cannot_be_recorded_is_not_performed(site: Flask, connection: Connection) -> None:
    """An action fails if the audit cannot be written, because the audit is written first."""
    employee = hire(connection, "sam@example.com")
    browser = Browser(site)
    browser.signs_in()
    token = browser.token()
    connection.execute("alter table auth_sync_audit rename to hidden")
    answers = [
        browser.post(f"/admin/employees/{employee}/active", {"is_active": "false", "csrf_token": token}),
        site.test_client().patch(f"/admin/api/employees/{employee}", json={"is_active": False}, headers=KEY),
        Browser(site).signs_in(),
    ]
    assert [answer.status_code >= 500 for answer in answers] == [True] * 3
    assert connection.execute("select is_active from employees").fetchall() == [{"is_active": True}]
