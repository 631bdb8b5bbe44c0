"""Every synced column reaches the employee by every path of an event. The SQL functions list columns by hand."""

from typing import Any
from uuid import UUID

import pytest

from tests.employees import Connection, employee, hire
from webhook_service.events import AuthEvent, AuthUser, Operation
from webhook_service.inbound.handlers import decide
from webhook_service.inbound.processing import process_batch
from webhook_service.outbound.logins import choose, unlink
from webhook_service.policy import NAME_COLUMNS, Policy
from webhook_service.ports import Database

pytestmark = pytest.mark.every_employees_table

JANE = UUID(int=1)
EMAIL = "jane@example.com"


def apply(database: Database, version: int, **known: Any) -> str:
    user = AuthUser(JANE, email_confirmed=True, **{"email": EMAIL} | known)
    event = AuthEvent(f"evt-{version}", Operation.UPDATE, version, user)
    [result] = process_batch(database, [decide(event, Policy())], Policy())
    return result.outcome


def remembered(connection: Connection, column: str) -> bool:
    found = connection.execute("select fields ? %s as has from auth_user_state", [column]).fetchone()
    return bool((found or {})["has"])


@pytest.mark.parametrize("column", NAME_COLUMNS)
def test_a_webhook_copies_each_column(database: Database, connection: Connection, column: str) -> None:
    """A webhook copies each column both when it links and when it syncs, and the ledger records the change."""
    hired = hire(connection, EMAIL)
    assert apply(database, 1, names={column: "One"}) == "linked"
    assert employee(connection, hired)[column] == "One"
    assert apply(database, 2, names={column: "Two"}) == "synced"
    assert employee(connection, hired)[column] == "Two"
    row = connection.execute("select changes from integration_sync_log where event_id = 'evt-2'").fetchone()
    assert (row or {})["changes"][column]["to"] == "Two"
    assert remembered(connection, column)


@pytest.mark.parametrize("column", NAME_COLUMNS)
def test_an_event_that_is_applied_alone_copies_each_column(
    database: Database, connection: Connection, column: str
) -> None:
    """An event with a new e-mail, which is applied alone, copies each column."""
    hired = hire(connection, EMAIL)
    assert apply(database, 1) == "linked"
    assert apply(database, 2, email="jane.doe@example.com", names={column: "Two"}) == "synced"
    assert (employee(connection, hired)[column], employee(connection, hired)["email"]) == (
        "Two",
        "jane.doe@example.com",
    )
    row = connection.execute("select changes from integration_sync_log where event_id = 'evt-2'").fetchone()
    assert set((row or {})["changes"]) >= {column, "email"}


@pytest.mark.parametrize("column", NAME_COLUMNS)
def test_an_employee_hired_later_gets_each_column(database: Database, connection: Connection, column: str) -> None:
    """If the auth user existed first, each column is copied when the employee is inserted."""
    assert apply(database, 1, names={column: "One"}) == "unmatched"
    hired = hire(connection, EMAIL)
    assert (employee(connection, hired)["auth_user_id"], employee(connection, hired)[column]) == (JANE, "One")


@pytest.mark.parametrize("column", NAME_COLUMNS)
def test_a_refused_value_is_left_out(database: Database, connection: Connection, column: str) -> None:
    """If `employees` refuses the value of one column, the other columns are copied without it."""
    connection.execute(f"alter table employees add check ({column} <> 'Refused') not valid".encode())  # noqa: S608
    hired = hire(connection, EMAIL, **{column: "Before"})
    values = {name: "Refused" if name == column else "One" for name in NAME_COLUMNS}
    assert apply(database, 1, names=values) == "linked"
    found = employee(connection, hired)
    assert {name: found[name] for name in NAME_COLUMNS} == values | {column: "Before"}


@pytest.mark.parametrize("column", NAME_COLUMNS)
def test_an_unlink_restores_each_column(database: Database, connection: Connection, column: str) -> None:
    """An admin who takes a login away gives the employee the value from before the link."""
    hired = hire(connection, "desk@example.com", **{column: "Before"})
    hire(connection, "desk@example.com")
    assert apply(database, 1, email="desk@example.com") == "ambiguous"
    choose(database, hired, JANE, requested_by="admin")
    assert apply(database, 2, email="desk@example.com", names={column: "One"}) == "synced"
    assert employee(connection, hired)[column] == "One"
    unlink(database, hired, JANE)
    assert employee(connection, hired)[column] == "Before"
