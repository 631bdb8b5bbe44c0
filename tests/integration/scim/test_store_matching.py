"""A POST finds the employee that is meant, and no directory takes the e-mail or number of another person."""

from typing import Any

import pytest

from tests.employees import Connection, employee, hire
from tests.integration.scim.directories import JANE, directory, where
from webhook_service.ports import Database
from webhook_service.scim.refusals import Uniqueness

SPACED = " \u00a07 "
"""The number 7 with space around it, as an import by SQL may write it."""

pytestmark = pytest.mark.every_employees_table


def count(connection: Connection) -> int:
    return len(connection.execute("select from public.employees").fetchall())


@pytest.mark.parametrize(
    "columns",
    [
        {"email": "other@example.com", "employee_number": "7"},
        {"email": "other@example.com", "employee_number": SPACED},
        {"email": " JANE@example.com ", "employee_number": None},
        {"email": "jane@example.com", "employee_number": " 7 "},
        {"email": "jane@example.com", "employee_number": "7", "is_active": False},
    ],
    ids=["number", "spaces", "email", "both", "inactive"],
)
def test_an_existing_employee_is_linked(database: Database, connection: Connection, columns: dict[str, Any]) -> None:
    """An employee with the number, else with the e-mail, is taken over with the externalId, and is active."""
    jane = hire(connection, **columns)
    made = directory(database).create(**JANE)
    assert (made.id, made.external_id, made.active, made.first_name) == (str(jane), "x1", True, "Jane")
    assert count(connection) == 1


def test_an_equal_email_is_not_rewritten(database: Database, connection: Connection) -> None:
    """An e-mail that differs only by case or space is kept as it is."""
    jane = hire(connection, " JANE@example.com ")
    directory(database).create(**JANE)
    assert employee(connection, jane)["email"] == " JANE@example.com "


def test_an_equal_number_is_not_rewritten(database: Database, connection: Connection) -> None:
    """A number that differs only by surrounding space is kept as it is, is found, and cannot be taken by another."""
    jane, okta = hire(connection, "other@example.com", employee_number=SPACED), directory(database)
    okta.create(**JANE)
    assert employee(connection, jane)["employee_number"] == SPACED
    assert [person.id for person in okta.find(where("employee_number", "eq", "7"))] == [str(jane)]
    ann = okta.create(email="ann@example.com")
    with pytest.raises(Uniqueness, match="employeeNumber"):
        okta.change(ann, employee_number="7")


def test_missing_values_erase_nothing(database: Database, connection: Connection) -> None:
    """A POST without a value, or with null, keeps the value of the existing employee."""
    jane = hire(connection, "jane@example.com", first_name="Jane", last_name="Doe", employee_number="7")
    made = directory(database).create(email="jane@example.com", first_name=None)
    assert (made.id, made.first_name, made.last_name, made.employee_number) == (str(jane), "Jane", "Doe", "7")


def test_a_number_and_an_email_of_two_people(database: Database, connection: Connection) -> None:
    """A POST with the number of one employee and the e-mail of another is a conflict, and nothing is merged."""
    one = hire(connection, "one@example.com", employee_number="7")
    two = hire(connection, "jane@example.com", employee_number="8")
    before = employee(connection, one), employee(connection, two)
    okta = directory(database)
    with pytest.raises(Uniqueness, match="userName"):
        okta.create(**JANE)
    assert (employee(connection, one), employee(connection, two)) == before
    assert {person.external_id for person in okta.find()} == {None}


def test_an_email_with_another_number_is_another_person(database: Database, connection: Connection) -> None:
    """An employee with the e-mail and another number is not linked."""
    hire(connection, "jane@example.com", employee_number="8")
    with pytest.raises(Uniqueness, match="userName"):
        directory(database).create(**JANE)
    assert count(connection) == 1


@pytest.mark.parametrize("columns", [{"employee_number": "7"}, {"email": "jane@example.com"}], ids=["number", "email"])
def test_several_matches(database: Database, connection: Connection, columns: dict[str, Any]) -> None:
    """Of several employees who match, the only active one is linked. Several active ones are a conflict."""
    hire(connection, **columns, is_active=False)
    with_one = hire(connection, **columns)
    okta = directory(database)
    values = {"email": "new@example.com"} | columns
    assert okta.create(**values).id == str(with_one)
    hire(connection, **columns)
    entra = directory(database, "entra")
    with pytest.raises(Uniqueness):
        entra.create(**values)


def test_several_inactive_matches(database: Database, connection: Connection) -> None:
    """Several inactive employees who match are a conflict."""
    hire(connection, "jane@example.com", is_active=False)
    hire(connection, "jane@example.com", is_active=False)
    with pytest.raises(Uniqueness, match="userName"):
        directory(database).create(**JANE)


def test_a_second_post(database: Database) -> None:
    """A person that the directory has added already is a conflict."""
    okta = directory(database)
    okta.create(**JANE)
    with pytest.raises(Uniqueness, match="employeeNumber"):
        okta.create(**JANE)
    with pytest.raises(Uniqueness, match="userName"):
        okta.create(email="Jane@example.com")


def test_an_external_id_is_unique_in_its_directory(database: Database) -> None:
    """Two people of one directory cannot have one externalId. Two directories can use the same one."""
    okta, entra = directory(database), directory(database, "entra")
    okta.create(**JANE)
    with pytest.raises(Uniqueness, match="externalId"):
        okta.create(email="joe@example.com", external_id="x1")
    joe = entra.create(email="joe@example.com", external_id="x1")
    ann = okta.create(email="ann@example.com")
    with pytest.raises(Uniqueness, match="externalId"):
        okta.change(ann, external_id="x1")
    assert entra.get(joe).external_id == "x1"
    assert okta.get(joe).external_id is None


def test_an_empty_external_id_is_none(database: Database) -> None:
    """Several people can have an empty externalId, which is stored as none."""
    okta = directory(database)
    made = [okta.create(email=f"{name}@example.com", external_id="") for name in ("one", "two")]
    assert [person.external_id for person in (*made, okta.change(made[0], external_id=""))] == [None] * 3


@pytest.mark.parametrize("manager", [None, "okta", "entra"], ids=["nobody", "this-directory", "another-directory"])
@pytest.mark.parametrize(
    ("values", "attribute"),
    [({"email": "Joe@Example.com "}, "userName"), ({"employee_number": " 9 "}, "employeeNumber")],
    ids=["email", "number"],
)
def test_a_value_of_another_employee(
    database: Database, connection: Connection, manager: str | None, values: dict[str, Any], attribute: str
) -> None:
    """The e-mail or number of another employee cannot be taken by a PATCH or a POST of any directory."""
    okta = directory(database)
    joe = {"email": "joe@example.com", "employee_number": "9"}
    if manager is None:
        hire(connection, "joe@example.com", employee_number="9")
    else:
        (okta if manager == "okta" else directory(database, manager)).create(**joe)
    made = okta.create(**JANE)
    with pytest.raises(Uniqueness, match=attribute):
        okta.change(made, **values)
    if manager is not None:  # otherwise the POST means this employee
        with pytest.raises(Uniqueness):
            okta.create(**{"email": "new@example.com", "employee_number": "10", "external_id": "x9"} | values)
    assert okta.get(made) == made
    assert count(connection) == 2
