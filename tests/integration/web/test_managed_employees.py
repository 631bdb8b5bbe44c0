"""An employee that a directory manages is read-only for admins, except for a deactivation and a release."""

from typing import Any

import pytest
from flask import Flask

from tests.employees import Connection, employee
from tests.integration.hiring import AUTHORIZED
from tests.integration.ledger.test_employee_import import applied, counts, planned, refusals
from tests.integration.scim.directories import JANE, Directory, directory
from tests.integration.signing_in import Browser
from webhook_service.errors import NotPossible
from webhook_service.outbound.employee_changes import edit, set_active
from webhook_service.ports import Database
from webhook_service.scim.clients import revoke
from webhook_service.scim.refusals import NoSuchPerson

FORM = {"email": "roe@example.com", "first_name": "Jane", "last_name": "Roe", "employee_number": "7"}
READ_ONLY = "The directory okta manages this employee."


@pytest.fixture
def okta(database: Database) -> Directory:
    return directory(database)


@pytest.fixture
def jane(okta: Directory) -> int:
    return int(okta.create(**JANE).id)


def values_of(connection: Connection, employee_id: int) -> tuple[Any, ...]:
    now = employee(connection, employee_id)
    return tuple(now[name] for name in ("email", "first_name", "last_name", "is_active"))


def test_the_page_names_the_directory(browser: Browser, jane: int) -> None:
    """The page names the directory, has no link to the form, and says that a deactivation must not wait."""
    text = browser.get(f"/admin/employees/{jane}").text
    assert "okta manages this employee" in text
    assert "deactivate Jane Doe here" in text
    assert f"/admin/employees/{jane}/edit" not in text
    assert "Deactivate Jane Doe? The login is then banned too. Deactivate Jane Doe in okta too." in text


def test_an_edit_is_refused(browser: Browser, connection: Connection, jane: int) -> None:
    """The form shows the values without a button, and a form that was open before is refused with the reason."""
    path = f"/admin/employees/{jane}/edit"
    shown = browser.get(path).text
    assert READ_ONLY in shown
    assert ">Save<" not in shown
    answer = browser.sends(path, **FORM)
    assert (answer.status_code, READ_ONLY in answer.text) == (409, True)
    assert values_of(connection, jane) == ("jane@example.com", "Jane", "Doe", True)
    [entry] = connection.execute("select * from auth_sync_audit where action = 'edit an employee'").fetchall()
    assert (entry["result"], entry["reason"].startswith(READ_ONLY)) == ("refused", True)


def test_an_emergency_deactivation_is_possible(browser: Browser, connection: Connection, jane: int) -> None:
    """An admin deactivates the employee without the directory. Only the directory activates the employee."""
    assert browser.sends(f"/admin/employees/{jane}/active", is_active="false").status_code == 303
    assert employee(connection, jane)["is_active"] is False
    assert ">Activate<" not in browser.get(f"/admin/employees/{jane}").text
    answer = browser.sends(f"/admin/employees/{jane}/active", is_active="true")
    assert (answer.status_code, READ_ONLY in answer.text) == (409, True)
    assert employee(connection, jane)["is_active"] is False


def test_a_released_employee_is_editable(browser: Browser, connection: Connection, okta: Directory, jane: int) -> None:
    """After a release, admins change the employee, the directory does not see it, and may add the person again."""
    assert browser.sends(f"/admin/employees/{jane}/release").status_code == 303
    assert "Released from okta." in browser.get(f"/admin/employees/{jane}").text
    assert browser.sends(f"/admin/employees/{jane}/edit", **FORM).status_code == 303
    assert values_of(connection, jane) == ("roe@example.com", "Jane", "Roe", True)
    with pytest.raises(NoSuchPerson):
        okta.change(jane, active=False)
    [entry] = connection.execute("select * from auth_sync_audit where action like 'release%'").fetchall()
    assert (entry["who"], entry["target"], entry["result"], entry["reason"]) == (
        "admin key (Kim)",
        f"employee:{jane}",
        "done",
        "okta",
    )
    browser.sends(f"/admin/employees/{jane}/release")
    assert "Not released: No directory manages this employee" in browser.get(f"/admin/employees/{jane}").text
    assert int(okta.create(**JANE | {"email": "roe@example.com"}).id) == jane
    assert "okta manages this employee" in browser.get(f"/admin/employees/{jane}").text


def test_a_revoked_directory_manages_nobody(database: Database, connection: Connection, jane: int) -> None:
    """When the last token of the directory is revoked, admins change its people again."""
    with pytest.raises(NotPossible):
        edit(database, jane, {"last_name": "Roe"})
    revoke(database, name="okta", requested_by="Kim")
    assert edit(database, jane, {"last_name": "Roe"}) == ["last_name"]
    assert employee(connection, jane)["last_name"] == "Roe"


def test_an_unchanged_value_is_not_refused(database: Database, jane: int) -> None:
    """A request that changes nothing succeeds."""
    assert edit(database, jane, {"last_name": "Doe"}) == []
    assert set_active(database, None, jane, True, via="admin").is_active is True


def test_the_admin_api_refuses_the_same(app: Flask, connection: Connection, jane: int) -> None:
    """The admin API shows the directory, refuses an edit and an activation with a reason, and deactivates."""
    api, path = app.test_client(), f"/admin/api/employees/{jane}"
    assert api.get(path, headers=AUTHORIZED).get_json()["managed_by"] == "okta"
    for body in ({"last_name": "Roe"}, {"last_name": "Roe", "is_active": False}):
        answer = api.patch(path, json=body, headers=AUTHORIZED)
        assert (answer.status_code, answer.get_json()["reason"]) == (409, "managed_by_directory")
        assert answer.get_json()["detail"].startswith(READ_ONLY)
    assert values_of(connection, jane) == ("jane@example.com", "Jane", "Doe", True)
    assert api.patch(path, json={"is_active": False}, headers=AUTHORIZED).status_code == 200
    answer = api.patch(path, json={"is_active": True}, headers=AUTHORIZED)
    assert answer.get_json()["reason"] == "managed_by_directory"


def test_an_import_refuses_the_line(database: Database, connection: Connection, jane: int) -> None:
    """A line that changes a managed value is refused with its number. An equal line, and a deactivation, are not."""
    for line in ("7,Janet,", "7,Jane,roe@example.com"):
        plan = planned(database, f"employee_number,first_name,email\n{line}\n")
        assert refusals(plan) == ["line 2: The directory okta manages this employee. Change the employee there."]
    assert counts(planned(database, "employee_number,first_name\n7,Jane\n")) == {"unchanged": 1}
    assert counts(applied(database, "employee_number,is_active\n7,no\n")) == {"changed": 1}
    assert employee(connection, jane)["is_active"] is False
    assert refusals(planned(database, "employee_number,is_active\n7,yes\n")) != []


def test_an_import_leaves_missing_people_of_a_directory(database: Database, connection: Connection, jane: int) -> None:
    """An import that deactivates missing employees leaves those of a directory alone, until it is revoked."""
    file = "email\nnew@example.com\n"
    assert counts(planned(database, file, missing=True)) == {"new": 1}
    revoke(database, name="okta", requested_by="Kim")
    assert counts(planned(database, file, missing=True)) == {"new": 1, "leaves": 1}
