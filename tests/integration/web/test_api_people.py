"""The admin API lists employees and problems, and shows one employee."""

from uuid import UUID

import pytest

from tests.auth_stand_in import Auth
from tests.auth_traffic import CONFIRMED, JANE, insert
from tests.employees import Connection, hire
from tests.integration.admin_api import Api, fits, reason_of
from tests.integration.captured import nothing_linked, relay_all
from tests.webhook_events import work_of
from webhook_service.inbound.processing import process_batch
from webhook_service.ledger.employees import SyncStatus
from webhook_service.ledger.reconcile import reconcile
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.web.api import people_schemas


@pytest.fixture
def company(connection: Connection, database: Database) -> list[int]:
    """Five employees without a login, the last of them inactive."""
    return [hire(connection, f"e{n}@example.com", first_name=f"Eva{n}", is_active=n < 4) for n in range(5)]


@pytest.mark.every_employees_table
def test_pages_have_every_employee_once(api: Api, company: list[int]) -> None:
    """The pages together have every employee once, by employee_id, and the last page has no cursor."""
    found, cursor = [], ""
    while cursor is not None:
        page = fits(api.get(f"/employees?limit=2{cursor and f'&cursor={cursor}'}"), people_schemas.Employees)
        found += [each["employee_id"] for each in page["employees"]]
        cursor = page["next_cursor"]
    assert found == company


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("is_active=false", [4]),
        ("is_active=true&limit=2", [0, 1]),
        ("person=eva3", [3]),
        ("sync_status=MISSING_AUTH_UID", [0, 1, 2, 3]),
        ("sync_status=OK", [4]),
        ("sync_status=ORPHANED", []),
    ],
)
def test_filters_are_combined(api: Api, company: list[int], query: str, expected: list[int]) -> None:
    """Employees match the activity, the sync status, and the beginning of a name."""
    page = fits(api.get(f"/employees?{query}"), people_schemas.Employees)
    assert [each["employee_id"] for each in page["employees"]] == [company[n] for n in expected]


@pytest.mark.parametrize("query", ["sync_status=NOPE", "is_active=yes", "limit=0", "cursor=x", "colour=red"])
def test_a_wrong_query_is_refused(api: Api, query: str) -> None:
    """A value that is not documented is refused, and not ignored."""
    assert reason_of(api.get(f"/employees?{query}")) == (422, "invalid_query")


def test_one_employee(api: Api, connection: Connection, database: Database) -> None:
    """One employee has the standing, the candidates for the login, and the events."""
    ann, _ = hire(connection, "desk@example.com"), hire(connection, "desk@example.com")
    signed_up = insert(UUID(int=7), at=1, email="desk@example.com", email_confirmed_at=CONFIRMED)
    process_batch(database, [work_of(signed_up, "evt-1")], Policy())
    found = fits(api.get(f"/employees/{ann}"), people_schemas.Employee)
    assert found["employee"]["sync_status"] == "AMBIGUOUS"
    assert found["standing"]["title"] == "Several matches"
    assert [each["auth_user_id"] for each in found["candidates"]] == [str(UUID(int=7))]


def test_one_employee_with_an_open_ban(api: Api, connection: Connection, database: Database, auth: Auth) -> None:
    """The open ban of a dismissed employee is shown, with a standing that says that the login still works."""
    ann = hire(connection, "ann@example.com")
    auth.admin_create("ann@example.com", id=JANE)
    relay_all(database)
    connection.execute("update employees set is_active = false")
    found = fits(api.get(f"/employees/{ann}"), people_schemas.Employee)
    assert found["action"]["operation"] == "disable_auth_user"
    assert "the login still works" in found["standing"]["says"]
    assert found["events"] != []


@pytest.mark.parametrize("employee_id", ["999", str(2**70)])
def test_an_unknown_employee(api: Api, employee_id: str) -> None:
    """An employee_id that does not exist, and one that cannot exist, are not found."""
    assert reason_of(api.get(f"/employees/{employee_id}")) == (404, "employee_not_found")


def test_problems(api: Api, connection: Connection, database: Database, company: list[int]) -> None:
    """Each problem has its count, its words and its first employees."""
    with nothing_linked(connection):
        connection.execute("update employees set orphaned_at = now() where employee_id = %s", [company[0]])
    reconcile(database, Policy(), requested_by="ops", dry_run=False)
    found = fits(api.get("/problems?limit=2"), people_schemas.Problems)
    rows = {each["sync_status"]: each for each in found["problems"]}
    assert rows.keys() == set(SyncStatus) - {SyncStatus.OK}
    assert {name: row["count"] for name, row in rows.items() if row["count"]} == {"ORPHANED": 1, "MISSING_AUTH_UID": 3}
    assert [each["employee_id"] for each in rows["MISSING_AUTH_UID"]["employees"]] == company[1:3]
    assert rows["ORPHANED"]["title"] == "Login deleted"
    assert not found["is_capped"]
