"""One person in several companies: several rows of `employees` with one e-mail (docs/how-to/existing-table.md)."""

from pathlib import Path
from uuid import UUID

import pytest

from tests.auth_traffic import CONFIRMED, JANE, insert
from tests.employees import Connection, employee, hire
from tests.integration.requested_actions import DISABLE, requested_operations
from tests.webhook_events import work_of
from webhook_service.events import Json
from webhook_service.inbound.processing import process_batch
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.wording import outcomes

EMAIL = "jane@example.com"
PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "existing-table.md").read_text("utf-8")


@pytest.fixture
def rows_of_jane(connection: Connection) -> list[int]:
    """Two rows of Jane, one for each company."""
    return [hire(connection, EMAIL, employee_number=number) for number in ("A-1", "B-7")]


def signs_up(database: Database, **columns: Json) -> str:
    webhook = insert(JANE, email=EMAIL, email_confirmed_at=CONFIRMED, **columns)
    [result] = process_batch(database, [work_of(webhook, "evt-1")], Policy())
    return str(result.outcome)


def logins(connection: Connection, rows: list[int]) -> list[UUID | None]:
    return [employee(connection, row)["auth_user_id"] for row in rows]


def test_no_row_is_linked(database: Database, connection: Connection, rows_of_jane: list[int]) -> None:
    """The service links none of the rows. The outcome's text names the section of the documentation."""
    assert signs_up(database) == "ambiguous"
    assert logins(connection, rows_of_jane) == [None, None]
    assert "One person in several companies in docs/how-to/existing-table.md" in outcomes.advice("ambiguous")
    assert "\n## One person in several companies\n" in PAGE


def test_the_employee_number_chooses_a_row(database: Database, connection: Connection, rows_of_jane: list[int]) -> None:
    """A login with the number of one row is linked to that row."""
    assert signs_up(database, raw_app_meta_data={"employee_number": "B-7"}) == "linked"
    assert logins(connection, rows_of_jane) == [None, JANE]


def test_only_the_linked_row_decides_on_the_ban(
    database: Database, connection: Connection, rows_of_jane: list[int]
) -> None:
    """A dismissal in another row requests nothing, and a dismissal in the linked row requests the ban."""
    signs_up(database, raw_app_meta_data={"employee_number": "B-7"})
    for row, requested in zip(rows_of_jane, ([], [DISABLE]), strict=True):
        connection.execute("update employees set is_active = false where employee_id = %s", [row])
        assert requested_operations(connection) == requested


def test_a_later_row_stays_without_a_login(database: Database, connection: Connection) -> None:
    """A row that is added after another row was linked gets no login, and the link stays."""
    first = hire(connection, EMAIL)
    assert signs_up(database) == "linked"
    later = hire(connection, EMAIL)
    assert logins(connection, [first, later]) == [JANE, None]
    status = "select sync_status from auth_sync_monitor where employee_id = %s"
    [shown] = connection.execute(status, [later]).fetchall()
    assert shown["sync_status"] == "MISSING_AUTH_UID"


def test_the_login_moves_to_another_row(database: Database, connection: Connection, rows_of_jane: list[int]) -> None:
    """After HR has moved the link to the row of another company, a dismissal in the first row requests nothing."""
    first, other = rows_of_jane
    signs_up(database, raw_app_meta_data={"employee_number": "A-1"})
    with connection.transaction():
        connection.execute("update employees set auth_user_id = null where employee_id = %s", [first])
        connection.execute("update employees set auth_user_id = %s where employee_id = %s", [JANE, other])
    connection.execute("update employees set is_active = false where employee_id = %s", [first])
    assert (logins(connection, rows_of_jane), requested_operations(connection)) == ([None, JANE], [])
