"""Employees and ledger rows in tests."""

from typing import Any

import psycopg
from psycopg import sql

Connection = psycopg.Connection[dict[str, Any]]


def hire(connection: Connection, email: str | None = None, **columns: Any) -> int:
    """Insert an employee, and return its id."""
    columns |= {"email": email}
    statement = sql.SQL("insert into public.employees ({}) values ({}) returning employee_id").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.SQL(", ").join(map(sql.Placeholder, columns))
    )
    inserted = connection.execute(statement, columns).fetchone()
    assert inserted is not None
    return int(inserted["employee_id"])


def employee(connection: Connection, employee_id: int) -> dict[str, Any]:
    found = connection.execute("select * from public.employees where employee_id = %s", [employee_id]).fetchone()
    assert found is not None
    return found


def entry(connection: Connection, event_id: str) -> dict[str, Any]:
    """A row of the ledger."""
    found = connection.execute("select * from public.integration_sync_log where event_id = %s", [event_id]).fetchone()
    assert found is not None
    return found
