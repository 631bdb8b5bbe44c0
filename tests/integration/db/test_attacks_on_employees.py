"""Attacks on logins by roles that may write the employees table."""

from typing import Any

import pytest
from flask import Flask

from tests.employees import Connection
from tests.integration.doctoring import examined
from tests.integration.signing_in import Browser
from webhook_service.db import migrate
from webhook_service.doctor.findings import Level
from webhook_service.ports import Database

CLOSED = """
revoke all on employees from public, anon, authenticated, service_role;
alter table employees enable row level security;
"""
OWN = "create policy own on employees for update to authenticated using (auth_user_id is not null);"
MAY_UPDATE = f"grant update on employees to authenticated; {OWN}"
VIEW = "create view staff as select employee_id, email as mail, first_name from employees;"
ANYTHING = "create policy p on employees using (true);"
NO_RLS = "alter table employees disable row level security;"
OTHER_ROLE = "do $$ begin create role hr login; exception when duplicate_object then null; end $$;"

WRITE, DELETE, OFF = "clients_may_write", "clients_may_delete", "row_security_is_off"
ADD, OWNED = "others_may_add_triggers", "others_own_triggers"
OPEN: dict[str, tuple[str, set[str]]] = {
    "self_service": (MAY_UPDATE, {WRITE}),
    "using_true": ("grant update on employees to anon; create policy p on employees for update using (true)", {WRITE}),
    "the_grants_of_a_table_made_in_sql": (
        f"grant all on employees to anon, authenticated; {NO_RLS}",
        {WRITE, DELETE, OFF, ADD},
    ),
    "row_security_off_and_a_read": (f"grant select on employees to anon; {NO_RLS}", {OFF}),
    "row_security_off_and_a_read_of_one_column": (
        f"grant select (first_name) on employees to anon; {NO_RLS}",
        {OFF},
    ),
    "one_column": (f"grant update (is_active) on employees to authenticated; {OWN}", {WRITE}),
    "a_column_revoke_under_a_table_grant": (
        f"{MAY_UPDATE} revoke update (email) on employees from authenticated",
        {WRITE},
    ),
    "everybody": (f"grant update (email) on employees to public; {ANYTHING}", {WRITE}),
    "an_insert": (f"grant insert on employees to anon; {ANYTHING}", {WRITE}),
    "a_policy_for_all_commands": (
        f"grant delete, insert (auth_user_id) on employees to anon; {ANYTHING}",
        {WRITE, DELETE},
    ),
    "a_delete": ("grant delete on employees to anon; create policy p on employees for delete using (true)", {DELETE}),
    "a_truncate": ("grant truncate on employees to authenticated", {DELETE}),
    "an_inherited_role": (
        f"{OTHER_ROLE} grant hr to authenticated; grant update on employees to hr;"
        "create policy p on employees for update to hr using (true)",
        {WRITE},
    ),
    "a_view_of_the_owner": (
        VIEW + "revoke all on staff from anon, authenticated; grant update (mail) on staff to authenticated",
        {WRITE},
    ),
    "a_view_of_a_view": (
        f"{VIEW} create view people as select * from staff; revoke all on staff, people from anon, authenticated;"  # noqa: S608
        "grant delete on people to anon",
        {DELETE},
    ),
    "a_trigger_of_a_client": ("grant trigger on employees to authenticated", {ADD}),
    "a_trigger_of_another_role": (f"{OTHER_ROLE} grant trigger on employees to hr", {ADD}),
    "a_trigger_of_everybody": ("grant trigger on employees to public", {ADD}),
    "a_trigger_whose_function_is_anothers": (
        OTHER_ROLE + "create schema hrs authorization hr;"
        "create function hrs.t() returns trigger language plpgsql as 'begin return new; end';"
        "alter function hrs.t owner to hr;"
        "create trigger t before update on employees for each row execute function hrs.t()",
        {OWNED},
    ),
}  # fmt: skip
"""{attack: (statements of the owner that open the table, the problems)}."""

NOT_OPEN = {
    "no_privileges": "",
    "a_read": "grant select on employees to anon; create policy p on employees for select using (true)",
    "no_policy": "grant insert, update, delete on employees to anon, authenticated",
    "a_policy_for_another_command": "grant update on employees to anon;"
    "create policy p on employees for select using (true)",
    "a_policy_for_another_role": f"{OTHER_ROLE} grant update on employees to anon;"
    "create policy p on employees to hr using (true)",
    "a_policy_that_allows_nothing": "grant update on employees to anon; create policy p on employees using (false)",
    "a_restrictive_policy_that_allows_nothing": f"grant update on employees to anon; {ANYTHING}"
    "create policy q on employees as restrictive for update using (false)",
    "another_column": f"grant update (first_name), insert (first_name) on employees to authenticated; {OWN}",
    "a_view_without_the_columns": "create view names as select employee_id, first_name from employees;"
    "revoke all on names from anon, authenticated; grant update on names to anon",
    "a_view_that_reads_as_its_caller": f"{VIEW} grant all on staff to anon;"
    "alter view staff set (security_invoker = on)",
    "a_view_that_cannot_be_written": "create view emails as select distinct email from employees;"
    "grant all on emails to anon",
    "the_service": "grant all on employees to service_role",
}  # fmt: skip


def problems(connection: Connection) -> list[dict[str, str]]:
    found = connection.execute("select auth_sync_open_employees_v1() as found").fetchone()
    assert found is not None
    return list(found["found"])


@pytest.mark.parametrize("attack", OPEN)
def test_a_table_that_is_open_to_an_attack_is_named(connection: Connection, attack: str) -> None:
    """Each privilege with which a role can take over logins is found, and nothing else is."""
    statements, wanted = OPEN[attack]
    connection.execute(CLOSED)
    connection.execute(statements.encode())
    assert {each["problem"] for each in problems(connection)} == wanted


@pytest.mark.parametrize("case", NOT_OPEN)
def test_a_table_that_is_closed_is_not_named(connection: Connection, case: str) -> None:
    """Privileges without a policy for the command, on other columns and of privileged roles are not named."""
    connection.execute(CLOSED)
    connection.execute(NOT_OPEN[case].encode())
    assert problems(connection) == []


def test_doctor_migrate_readyz_and_overview_name_an_open_table(
    connection: Connection, database: Database, database_url: str, site: Flask, app: Flask
) -> None:
    """Doctor, migrate, the probe and the overview name the problem. The probe names no role and stays ready."""
    connection.execute(CLOSED)
    assert [found for found in examined(database) if found.check == "employees_rights"][0].level is Level.OK
    connection.execute(MAY_UPDATE)
    [found] = [found for found in examined(database) if found.check == "employees_rights"]
    assert found.level is Level.WRONG
    assert (
        "authenticated may change auth_user_id, email, employee_number, is_active of public.employees (policy own)"
        in found.says
    )
    warnings: list[str] = []
    migrate.migrate(database_url, warned=warnings.append)
    assert [warning for warning in warnings if found.says in warning] == warnings != []
    ready: Any = app.test_client().get("/readyz")
    assert (ready.status_code, ready.json["open_employees"]) == (200, ["clients_may_write"])
    assert b"policy" not in ready.data
    browser = Browser(site)
    browser.signs_in()
    assert "Authenticated may change auth_user_id" in browser.get("/admin/auth-sync").text
