"""A directory reads and writes employees: each value, and what the employees table refuses."""

from tests.employees import Connection, employee
from tests.integration.scim.directories import JANE, directory
from webhook_service.ports import Database


def test_a_person_is_created(database: Database, connection: Connection) -> None:
    """A new person becomes an employee with all values, and is read back the same."""
    okta = directory(database)
    made = okta.create(**JANE)
    row = employee(connection, int(made.id))
    assert (made.email, made.first_name, made.last_name, made.employee_number) == (
        "jane@example.com",
        "Jane",
        "Doe",
        "7",
    )
    assert (made.external_id, made.active, row["email"], row["is_active"]) == ("x1", True, "jane@example.com", True)
    assert okta.get(made) == made
    assert okta.find() == [made]
