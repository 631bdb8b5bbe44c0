"""The employees that a directory has written and that then were deleted or got other ids by SQL."""

from typing import Any

import pytest

from tests.employees import Connection, employee, hire
from tests.integration.scim.directories import JANE, Directory, directory
from tests.integration.scim.test_store_managers import managers
from webhook_service.ports import Database

pytestmark = pytest.mark.every_employees_table

NEW = {"email": "new@example.com"}


@pytest.fixture
def okta(database: Database) -> Directory:
    return directory(database)


def links(connection: Connection) -> list[dict[str, Any]]:
    return connection.execute("select * from public.auth_sync_scim_people").fetchall()


def test_a_deleted_employee_is_forgotten(okta: Directory, connection: Connection) -> None:
    """After a deletion by SQL, no value of the directory stays, and the same externalId and userName come again."""
    made = okta.create(**JANE, user_name="jane")
    connection.execute("delete from public.employees")
    assert links(connection) == []
    again = okta.create(**JANE, user_name="jane")
    assert (again.id != made.id, again.external_id, again.user_name) == (True, "x1", "jane")


@pytest.mark.parametrize("deletion", ["delete from public.employees", "truncate public.employees"])
@pytest.mark.parametrize("was_hidden", [False, True], ids=["managed", "deleted-before"])
def test_a_used_id_is_that_of_a_new_person(
    database: Database, connection: Connection, okta: Directory, deletion: str, was_hidden: bool
) -> None:
    """An id that is used again belongs to a new person: every directory sees the person, and none manages it."""
    made = okta.create(**JANE)
    if was_hidden:
        okta.delete(made)
    connection.execute(deletion.encode())
    hire(connection, employee_id=int(made.id), **NEW)
    assert managers(connection) == []
    seen = okta.get(made)
    assert (seen.email, seen.external_id, seen.user_name) == ("new@example.com", None, None)
    entra = directory(database, "entra")
    assert entra.change(made, active=False).active is False
    assert okta.create(**JANE).external_id == "x1"


def test_a_new_id_is_a_new_user(database: Database, connection: Connection, okta: Directory) -> None:
    """If ids change, no directory manages the old and the new ids: two people may have swapped theirs."""
    made, other = okta.create(**JANE), hire(connection, "other@example.com")
    connection.execute(
        "update public.employees set employee_id = case employee_id when %(a)s then %(b)s + 100 else %(a)s end",
        {"a": int(made.id), "b": other},
    )
    assert employee(connection, int(made.id))["email"] == "other@example.com"
    assert managers(connection) == []
    assert okta.get(made).external_id is None
    assert okta.create(**JANE).id == str(other + 100)
