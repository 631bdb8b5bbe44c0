"""The monitor, with its views, the lists of problems, one employee in full, and the comparison in the background."""

from typing import Any
from uuid import UUID

import pytest

from tests.auth_traffic import CONFIRMED, insert
from tests.employees import Connection, hire
from tests.webhook_events import work_of
from webhook_service.errors import EmployeeNotFound
from webhook_service.events import Json
from webhook_service.inbound.processing import process_batch
from webhook_service.ledger import employees
from webhook_service.policy import Policy
from webhook_service.ports import Database

OFFICE = UUID(int=100)
STATUSES = {
    "fine": "OK",
    "left": "OK",
    "banned": "OK",
    "missing": "MISSING_AUTH_UID",
    "fired": "INACTIVE_WITH_AUTH",
    "gone": "ORPHANED",
    "renamed": "EMAIL_MISMATCH",
    "office1": "AMBIGUOUS",
    "office2": "AMBIGUOUS",
}


@pytest.fixture
def company(connection: Connection, database: Database) -> dict[str, int]:
    """One employee of each kind, as {first name: employee_id}. Only office1 and office2 share an e-mail."""
    ids = {}
    for number, name in enumerate(STATUSES, start=1):
        columns: dict[str, Any] = {"email": f" {name}@Example.com", "first_name": name, "employee_number": f"N{number}"}
        linked: dict[str, dict[str, Any]] = {
            "fine": {},
            "fired": {"is_active": False},
            "renamed": {},
            "banned": {"is_active": False},
        }
        if name in linked:
            columns |= {"auth_user_id": UUID(int=number)} | linked[name]
            state(connection, UUID(int=number), "other@example.com" if name == "renamed" else f"{name}@example.com")
        unlinked: dict[str, dict[str, Any]] = {"left": {"is_active": False}, "gone": {"orphaned_at": CONFIRMED}}
        columns |= unlinked.get(name, {})
        columns |= {"email": "office@example.com"} if name.startswith("office") else {}
        ids[name] = hire(connection, **columns)
    connection.execute("update auth_user_state set banned_until = 'infinity' where email = 'banned@example.com'")
    webhook = insert(OFFICE, email="office@example.com", email_confirmed_at=CONFIRMED)
    process_batch(database, [work_of(webhook, "evt-1")], Policy())
    return ids


def state(connection: Connection, user: UUID, email: str) -> None:
    connection.execute(
        "insert into auth_user_state (auth_user_id, email, email_confirmed) values (%s, %s, true)", [user, email]
    )


def names(database: Database, **filter: Any) -> list[str]:
    """Return the first names on all pages of a filter."""
    listed: list[str] = []
    after = None
    while True:
        page = employees.people(database, filter, after=after, limit=2)
        listed += [employee["first_name"] for employee in page["employees"]]
        if (after := page["next"]) is None:
            return listed


def test_the_monitor_shows_the_first_status_that_applies(connection: Connection, company: dict[str, int]) -> None:
    """auth_sync_monitor has one row for each employee, with the first status that applies."""
    rows = connection.execute("select first_name, sync_status from auth_sync_monitor").fetchall()
    assert {row["first_name"]: row["sync_status"] for row in rows} == STATUSES


def test_lists_show_the_employees_with_a_status(database: Database, company: dict[str, int]) -> None:
    """Each list shows the employees with its status in pages. Further filters narrow the list."""
    for status in set(STATUSES.values()):
        assert names(database, sync_status=status) == [name for name in STATUSES if STATUSES[name] == status]
    assert names(database) == list(STATUSES)
    assert names(database, is_active=False) == ["left", "banned", "fired"]
    assert names(database, is_active=True, sync_status="OK") == ["fine"]
    assert names(database, person="office@") == ["office1", "office2"]
    assert names(database, person="n5", sync_status="OK") == []


def test_problems_are_counted(database: Database, company: dict[str, int]) -> None:
    """The count of each problem is the length of its list."""
    counts = employees.problems(database)
    assert counts.pop("checked_at") is not None
    assert counts == {
        **{"MISSING_AUTH_UID": 1, "INACTIVE_WITH_AUTH": 1, "ORPHANED": 1, "EMAIL_MISMATCH": 1, "AMBIGUOUS": 2},
        "UNUSABLE_EMAIL": 0,
        "is_capped": False,
    }


def test_a_link_resolves_an_ambiguity(connection: Connection, database: Database, company: dict[str, int]) -> None:
    """After an ambiguous auth user is linked to one employee, the other employee is listed as MISSING_AUTH_UID."""
    connection.execute("update employees set auth_user_id = %s where employee_id = %s", [OFFICE, company["office1"]])
    assert names(database, sync_status="AMBIGUOUS") == []
    assert names(database, sync_status="MISSING_AUTH_UID") == ["missing", "office2"]


def test_a_person_has_events_and_candidates(database: Database, company: dict[str, int]) -> None:
    """The candidates of an employee without a login are the matching auth users. A linked employee has none."""
    shown = employees.person(database, company["office1"])
    assert (shown["employee"]["sync_status"], shown["events"]) == ("AMBIGUOUS", [])
    [candidate] = shown["candidates"]
    assert candidate == {
        **{"auth_user_id": str(OFFICE), "email": "office@example.com", "email_confirmed": True},
        **{"banned_until": None, "linked_to": None, "holder_is_inactive": False},
    }
    assert employees.person(database, company["renamed"])["candidates"] == []
    with pytest.raises(EmployeeNotFound):
        employees.person(database, 999)


def test_an_auth_user_has_candidates(database: Database, company: dict[str, int]) -> None:
    """The candidates of an auth user are the employees that match its e-mail or number. An unknown id returns None."""
    shown = employees.login_candidates(database, OFFICE)
    assert [e["employee_id"] for e in shown["employees"]] == [company["office1"], company["office2"]]
    assert (shown["auth_user"]["email"], shown["auth_user"]["linked_to"]) == ("office@example.com", None)
    assert employees.login_candidates(database, UUID(int=404)) is None


def test_the_recent_log_is_readable(connection: Connection, company: dict[str, int]) -> None:
    """recent_auth_sync_log shows operation, outcome and e-mail of an event."""
    [row] = connection.execute("select * from recent_auth_sync_log limit 1").fetchall()
    assert (row["operation"], row["outcome"], row["email"]) == ("INSERT", "ambiguous", "office@example.com")


def found(connection: Connection) -> list[Json]:
    rows = connection.execute("select sync_status, employee_id from auth_sync_mismatches order by 1, 2").fetchall()
    return [(row["sync_status"], row["employee_id"]) for row in rows]


def test_the_comparison_stores_differences(connection: Connection, database: Database, company: dict[str, int]) -> None:
    """The comparison reads in slices, stores differences, deletes resolved ones, and pauses after a full pass."""
    for _ in range(5):
        last = database.call("auth_sync_refresh_mismatches_v1", p_slice=2)
    assert last["next_in"] == 60
    assert found(connection) == [("EMAIL_MISMATCH", company["renamed"]), ("INACTIVE_WITH_AUTH", company["fired"])]
    assert 50 < (employees.refresh_differences(database).next_in or 0) <= 60

    connection.execute("update auth_user_state set email = 'renamed@example.com' where email = 'other@example.com'")
    connection.execute("update auth_sync_mismatch_pass set next_at = now()")
    assert employees.refresh_differences(database).next_in == 60
    assert found(connection) == [("INACTIVE_WITH_AUTH", company["fired"])]


def test_lists_of_a_large_company_use_the_stored_differences(connection: Connection, database: Database) -> None:
    """With more than ten thousand linked employees, a list shows the stored differences that still exist."""
    connection.execute(
        "insert into auth_user_state (auth_user_id, email, email_confirmed)"
        " select md5(n::text)::uuid, 'p' || n || '@example.com', true from generate_series(1, 10100) as n"
    )
    connection.execute(
        "insert into employees (employee_id, first_name, email, auth_user_id)"
        " select n, n::text, case when n % 5000 = 0 then 'x' else 'p' end || n || '@example.com', md5(n::text)::uuid"
        "   from generate_series(1, 10100) as n"
    )
    assert names(database, sync_status="EMAIL_MISMATCH") == []
    employees.refresh_differences(database)
    assert names(database, sync_status="EMAIL_MISMATCH") == ["5000", "10000"]
    connection.execute("update employees set email = 'p5000@example.com' where employee_id = 5000")
    assert names(database, sync_status="EMAIL_MISMATCH") == ["10000"]


def test_the_owner_of_employees_may_change_it(connection: Connection) -> None:
    """The service's views let the owner of employees change a column's type or remove a column."""
    connection.execute(
        "alter table employees alter email type varchar(300), alter first_name type varchar(300),"
        " alter last_name type varchar(300), alter employee_number type varchar(300)"
    )
    hire(connection, email="jane@example.com", first_name="Jane")
    connection.execute("alter table employees drop column last_name")
    [row] = connection.execute("select first_name, last_name, sync_status from auth_sync_monitor").fetchall()
    assert row == {"first_name": "Jane", "last_name": None, "sync_status": "MISSING_AUTH_UID"}
