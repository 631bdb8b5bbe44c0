"""An admin corrects an employee's e-mail, names and number on the dashboard."""

from uuid import UUID

import pytest

from tests.auth_traffic import CONFIRMED, insert
from tests.employees import Connection, employee, hire
from tests.integration.signing_in import Browser
from tests.webhook_events import work_of
from webhook_service.inbound.processing import process_batch
from webhook_service.policy import Policy
from webhook_service.ports import Database

FORM = {"email": "ann@example.com", "first_name": "Ann", "last_name": "Lee", "employee_number": "17"}


@pytest.fixture
def ann(connection: Connection) -> int:
    return hire(connection, "ann@example.com", first_name="Ann", last_name="Lee", employee_number="17")


def audited(connection: Connection) -> list[tuple[str, str, str | None]]:
    rows = connection.execute("select action, result, reason from auth_sync_audit where target is not null order by id")
    return [(row["action"], row["result"], row["reason"]) for row in rows.fetchall()]


@pytest.mark.every_employees_table
def test_values_are_saved(browser: Browser, connection: Connection, ann: int) -> None:
    """The form shows the values, and saves what was changed. The audit has the columns."""
    text = browser.get(f"/admin/employees/{ann}/edit").text
    assert [f'value="{value}"' in text for value in FORM.values()] == [True] * 4
    changed = FORM | {"email": " Anna@Example.com", "last_name": "Lee-Kim", "employee_number": "18"}
    assert browser.sends(f"/admin/employees/{ann}/edit", **changed).status_code == 303
    now = employee(connection, ann)
    assert (now["email"], now["last_name"], str(now["employee_number"])) == ("anna@example.com", "Lee-Kim", "18")
    assert now["first_name"] == "Ann"
    assert audited(connection) == [("edit an employee", "done", "email, employee number, last name")]


def test_an_unchanged_form_writes_nothing(browser: Browser, connection: Connection, ann: int) -> None:
    """A form without a change writes nothing."""
    before = connection.execute("select xmin::text, * from employees").fetchall()
    browser.sends(f"/admin/employees/{ann}/edit", **FORM)
    assert connection.execute("select xmin::text, * from employees").fetchall() == before
    assert "Nothing was changed: the employee had these values already." in browser.get(f"/admin/employees/{ann}").text


def test_a_refused_value_is_shown_at_its_field(browser: Browser, connection: Connection, ann: int) -> None:
    """A value that employees refuse is shown at its field, with everything that was typed. Nothing is saved."""
    connection.execute("alter table employees add constraint short check (length(last_name) < 10)")
    connection.execute("create unique index on employees (email)")
    hire(connection, "bob@example.com")
    path = f"/admin/employees/{ann}/edit"
    refused = [
        ({"last_name": "Featherstonehaugh"}, "last_name", "The database rule &#34;short&#34; rejected this change."),
        ({"email": "bob@example.com"}, "email", "Another employee has this e-mail. Correct one of the two e-mails."),
        ({"email": "nonsense"}, "email", "Not a valid email address."),
    ]
    for values, field, says in refused:
        answer = browser.sends(path, **FORM | {"first_name": "Anna"} | values)
        assert answer.status_code == 422
        assert f'id="{field}-wrong">{says}' in answer.text
        assert f'value="{next(iter(values.values()))}"' in answer.text
    assert employee(connection, ann)["first_name"] == "Ann"
    assert {result for _, result, _ in audited(connection)} == {"refused"}


def test_a_new_email_follows_to_the_login(
    browser: Browser, connection: Connection, database: Database, ann: int
) -> None:
    """The login of an employee whose e-mail was corrected gets the new e-mail too, as after a change by HR."""
    signed_up = insert(UUID(int=7), at=1, email="ann@example.com", email_confirmed_at=CONFIRMED)
    process_batch(database, [work_of(signed_up, "evt-1")], Policy())
    browser.sends(f"/admin/employees/{ann}/edit", **FORM | {"email": "anna@example.com"})
    assert "Saved. The new e-mail of the login is requested too." in browser.get(f"/admin/employees/{ann}").text
    rows = connection.execute(
        "select operation, status from integration_sync_log where direction = 'outbound'"
    ).fetchall()
    assert [(row["operation"], row["status"]) for row in rows] == [("update_auth_email", "PENDING")]


def test_a_corrected_email_resolves_an_ambiguous_login(
    browser: Browser, connection: Connection, database: Database, ann: int
) -> None:
    """After the e-mail of one of two employees was corrected, the waiting login is linked to the other one."""
    other = hire(connection, "ann@example.com", first_name="Other")
    signed_up = insert(UUID(int=7), at=1, email="ann@example.com", email_confirmed_at=CONFIRMED)
    process_batch(database, [work_of(signed_up, "evt-1")], Policy())
    form = {"email": "other@example.com", "first_name": "Other", "last_name": "", "employee_number": ""}
    browser.sends(f"/admin/employees/{other}/edit", **form)
    browser.sends("/admin/events/evt-1/replay")
    assert employee(connection, ann)["auth_user_id"] == UUID(int=7)
