"""PATCH /admin/api/employees/{id} corrects an employee's e-mail, names and number, as the dashboard does."""

from typing import Any

import pytest

from tests.auth_traffic import JANE
from tests.employees import Connection, employee, hire
from tests.integration.hiring import EMAIL, Office, access, reason_of, sign_in_jane
from webhook_service.events import Json


@pytest.fixture
def ann(hr: Office) -> int:
    return hire(hr.connection, "ann@example.com", first_name="Ann", last_name="Lee", employee_number="17")


def audited(connection: Connection) -> list[tuple[str, str, str | None]]:
    rows = connection.execute("select action, result, reason from auth_sync_audit order by id").fetchall()
    return [(row["action"], row["result"], row["reason"]) for row in rows]


def values_of(connection: Connection, employee_id: int) -> dict[str, Any]:
    columns = ("email", "first_name", "last_name", "employee_number", "is_active")
    found = employee(connection, employee_id)
    return {name: found[name] for name in columns} | {"employee_number": str(found["employee_number"])}


@pytest.mark.every_employees_table
def test_only_the_given_values_change(hr: Office, ann: int) -> None:
    """The fields of the request are saved, null removes a value, and the others stay. The audit has the columns."""
    answer = hr.patch(ann, {"email": "Anna@Example.com", "first_name": None, "last_name": "Lee"})
    assert (answer.status_code, answer.get_json()) == (
        200,
        {"employee_id": ann, "changed": ["email", "first_name"], "is_active": True},
    )
    assert values_of(hr.connection, ann) == {
        "email": "anna@example.com",
        "first_name": None,
        "last_name": "Lee",
        "employee_number": "17",
        "is_active": True,
    }
    assert audited(hr.connection) == [("edit an employee", "done", "email, first name")]


def test_a_new_email_follows_to_the_login(hr: Office, database_url: str) -> None:
    """The login of an employee gets the new e-mail too, as after a change by HR."""
    jane = sign_in_jane(hr, database_url)
    hr.patch(jane, {"email": "jane.roe@example.com"})
    hr.rest()
    found = hr.connection.execute("select email from auth.users where id = %s", [JANE]).fetchall()
    assert [row["email"] for row in found] == ["jane.roe@example.com"]


def test_an_edit_and_a_dismissal_are_one_request(hr: Office, database_url: str) -> None:
    """A request can change values and deactivate the employee, and the login is banned before the response."""
    jane = sign_in_jane(hr, database_url)
    answer = hr.patch(jane, {"last_name": "Roe", "is_active": False}).get_json()
    assert (answer["changed"], answer["is_active"], answer["login"]["status"]) == (["last_name"], False, "done")
    assert (values_of(hr.connection, jane)["last_name"], *access(hr, jane)) == ("Roe", False, False)
    assert audited(hr.connection)[-1] == ("edit an employee and deactivate", "done", "last name")


@pytest.mark.parametrize(
    ("constraint", "body", "column"),
    [
        ("check (length(last_name) < 10)", {"first_name": "Anna", "last_name": "Featherstonehaugh"}, "last_name"),
        ("unique (employee_number)", {"first_name": "Anna", "employee_number": "18"}, "employee_number"),
        ("check (is_active)", {"first_name": "Anna", "is_active": False}, None),
    ],
    ids=["check", "unique", "activation"],
)
def test_a_refused_value_is_named_and_nothing_changes(
    hr: Office, ann: int, constraint: str, body: Json, column: str | None
) -> None:
    """If employees refuse a part of the request, the error names the column, and no part is saved."""
    hire(hr.connection, "bob@example.com", employee_number="18")
    hr.connection.execute(f"alter table employees add constraint of_the_company {constraint}")
    before = values_of(hr.connection, ann)
    answer = hr.patch(ann, body)
    assert reason_of(answer) == (422, "employee_rejected")
    assert (answer.get_json()["constraint"], answer.get_json()["column"]) == ("of_the_company", column)
    assert values_of(hr.connection, ann) == before


def test_an_email_of_another_employee_is_refused(hr: Office, ann: int) -> None:
    """If employees refuse an e-mail that another employee has, the error names that employee."""
    bob = hire(hr.connection, EMAIL)
    hr.connection.execute("create unique index on employees (lower(email))")
    answer = hr.patch(ann, {"email": EMAIL, "first_name": "Anna"})
    assert reason_of(answer) == (409, "email_taken")
    assert (answer.get_json()["side"], answer.get_json()["employee_id"]) == ("employees", bob)
    assert values_of(hr.connection, ann)["first_name"] == "Ann"


def test_a_shared_email_does_not_hide_the_reason(hr: Office, ann: int) -> None:
    """If employees may share an e-mail, but not a number, the error names the number."""
    hire(hr.connection, EMAIL, employee_number="18")
    hr.connection.execute("create unique index on employees (employee_number)")
    answer = hr.patch(ann, {"email": EMAIL, "employee_number": "18"})
    assert (reason_of(answer), answer.get_json()["column"]) == ((422, "employee_rejected"), "employee_number")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "nonsense"}, "email"),
        ({"first_name": ""}, "first_name"),
        ({"last_name": "x" * 201}, "last_name"),
        ({"employee_number": 17}, "employee_number"),
        ({"is_active": None}, "is_active"),
        ({"auth_user_id": str(JANE)}, "auth_user_id"),
        ({}, "_schema"),
    ],
)
def test_an_invalid_value_is_refused_by_name(hr: Office, ann: int, body: Json, field: str) -> None:
    """An invalid or unknown field gets a 422 that names it, and a request without a field is refused."""
    answer = hr.patch(ann, body)
    assert (answer.status_code, list(answer.get_json()["fields"])) == (422, [field])


def test_an_unknown_employee_is_not_found(hr: Office) -> None:
    """A request for an employee that does not exist gets 404."""
    assert reason_of(hr.patch(99, {"first_name": "Ann"})) == (404, "employee_not_found")
