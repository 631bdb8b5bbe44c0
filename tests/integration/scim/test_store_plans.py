"""The calls of directories read a few rows of a large company, not whole tables."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.employees import Connection
from tests.integration.db.test_plans import EMPLOYEES, fill, rows_read
from tests.integration.scim.directories import where

DIRECTORIES = b"""
insert into public.auth_sync_scim_clients (name) values ('okta'), ('entra');
insert into public.auth_sync_scim_tokens (client_id, hash, created_by)
select n % 2 + 1, 'hash' || n, 'test' from generate_series(1, 100) as n;
"""
LINKS = b"""
insert into public.auth_sync_scim_people (client_id, employee_id, external_id, user_name, hidden_at)
select n % 2 + 1, n, 'x' || n, case when n % 3 = 1 then 'u' || n end, case when n % 100 = 99 then now() end
  from generate_series(1, 3000) as n;
insert into public.auth_sync_audit (who, action, details, is_request)
select 'directory okta', 'send too many requests', '{"status": 429, "requests": {}}', true
  from generate_series(1, 3000);
update public.auth_sync_scim_people set manages = false, external_id = null, user_name = null
 where hidden_at is not null;
"""
AT_MOST = 400
"""The number of rows that a call may read. Of the 3,000 employees, the directory 2 manages 701, and has deleted 799."""

FIND = "select public.auth_sync_scim_find_v1(2, %s, %s, false, 1, 20, '{}')"
CALLS: dict[str, tuple[str, list[Any]]] = {
    **{
        f"find {place} {operator} {value}": (FIND, [Jsonb(where(place, operator, value)), None])
        for place, operator, value in (
            ("email", "eq", "Person701@example.com"),
            ("email", "sw", "person7011"),
            ("user_name", "eq", "Person701@example.com"),
            ("user_name", "eq", "U703"),
            ("employee_number", "eq", "E701"),
            ("external_id", "eq", "x701"),
            ("id", "eq", "701"),
        )
    },
    "find by two places": (
        FIND,
        [Jsonb({"and": [where("active", "eq", True), where("external_id", "eq", "x701")]}), None],
    ),
    "find, sorted": (FIND, [Jsonb(where("email", "eq", "person701@example.com")), "last_name"]),
    "get": ("select public.auth_sync_scim_get_v1(2, 701, '{}')", []),
    "client": ("select public.auth_sync_scim_client_v1('hash1')", []),
    "admit": ("select public.auth_sync_scim_admit_v1('hash1', 60)", []),
    "spend": ("select public.auth_sync_scim_spend_v1(2, 1, 60)", []),
    "a read": ("select public.auth_sync_scim_request_v1('hash1', 'read an employee', 7, 200, '{}', null)", []),
    "one request too many": (
        "select public.auth_sync_scim_request_v1('hash2', 'read an employee', 7, 429, '{}', null)",
        [],
    ),
    "create": (
        "select public.auth_sync_scim_create_v1(2, %s, '{}')",
        [
            Jsonb(
                {
                    "email": "new@example.com",
                    "employee_number": "N1",
                    "external_id": "n1",
                    "user_name": "person703@example.com",
                }
            )
        ],
    ),
    "take up": ("select public.auth_sync_scim_create_v1(2, %s, '{}')", [Jsonb({"email": "person799@example.com"})]),
    "change": (
        "select public.auth_sync_scim_change_v1(2, 701, %s, null, '{}')",
        [
            Jsonb(
                {"email": "new@example.com", "external_id": "n1", "user_name": "person703@example.com", "active": False}
            )
        ],
    ),
    "delete": ("select public.auth_sync_scim_delete_v1(2, 701, null, false, '{}')", []),
    "added by SQL": ("insert into public.employees (email) values ('new1'), ('new2') returning email", []),
    "deleted by SQL": ("delete from public.employees where employee_id between 701 and 720 returning email", []),
    "remove": ("select public.auth_sync_scim_delete_v1(2, 701, null, true, '{}')", []),
}


@pytest.mark.parametrize("call", CALLS)
def test_rows_are_found_by_an_index(database_url: str, connection: Connection, call: str) -> None:
    """A call reads a few rows, although the plans of its functions were made for empty tables."""
    statement, values = CALLS[call]
    connection.prepare_threshold = None  # only the plans inside the functions are cached
    connection.execute(DIRECTORIES)
    connection.execute("analyze")
    for _ in range(7):  # PostgreSQL may cache a generic plan after five executions
        with connection.transaction(force_rollback=True):
            connection.execute(statement.encode(), values)
    fill(database_url, EMPLOYEES, LINKS)
    with connection.transaction(force_rollback=True):
        before = rows_read(connection)
        answer = connection.execute(statement.encode(), values).fetchone()
        assert rows_read(connection) - before <= AT_MOST
    assert "refused" not in str(answer)
