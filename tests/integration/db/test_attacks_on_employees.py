"""Attacks on logins by roles that may write the employees table."""

from typing import Any

import psycopg
import pytest
from flask import Flask

from tests.employees import Connection, employee, hire
from tests.integration.breaking import locked
from tests.integration.doctoring import examined
from tests.integration.outbound.test_mass_deactivation import company, entered, waiting
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


FORGED = {
    "the_old_value": "select set_config('auth_sync.{0}', '{1}', {2})",
    "another_value": "select set_config('auth_sync.{0}', 'settings', {2})",
    "the_transaction": "select set_config('auth_sync.{0}',"
    " encode(sha256(convert_to(':{0}:' || pg_current_xact_id()::text, 'UTF8')), 'hex'), {2})",
    "a_flag_of_an_earlier_transaction": "select set_config('auth_sync.{0}', current_setting('tests.earlier'), {2})",
}  # fmt: skip
"""{forgery: statement that forges the flag {0} with the former value {1}}."""


def forge(session: psycopg.Connection[Any], forgery: str, flag: str, value: str, *, is_local: bool) -> None:
    """Set a flag as a session would that may run any SQL. The earlier flag was real when it was made."""
    name = flag if value == "on" else f"{flag}={value}"
    session.execute(
        "select set_config('tests.earlier', auth_sync_token_v1(secret, %s), false) from auth_sync_settings", [name]
    )
    session.commit()
    session.execute(FORGED[forgery].format(flag, value, is_local).encode())


@pytest.mark.parametrize("forgery", FORGED)
@pytest.mark.parametrize("is_local", [True, False])
def test_a_session_that_forges_blocked_does_not_hide_its_changes(
    database_url: str, connection: Connection, forgery: str, is_local: bool
) -> None:
    """A change of auth.users is captured and its relays are woken, although the session sets auth_sync.blocked."""
    connection.execute("listen auth_sync")
    with psycopg.connect(database_url) as session:
        forge(session, forgery, "blocked", "on", is_local=is_local)
        session.execute("insert into auth.users (id, email) values (gen_random_uuid(), 'jane@example.com')")
        session.execute("update auth.users set email_confirmed_at = now()")
    assert connection.execute("select operation from integration_sync_log").fetchall() == [{"operation": "INSERT"}]
    assert [notice.channel for notice in connection.notifies(timeout=5, stop_after=1)] == ["auth_sync"]


def test_a_session_that_forges_blocked_while_the_settings_are_locked_waits_once(
    database_url: str, connection: Connection
) -> None:
    """If the settings are locked, a transaction of many rows waits for them once, and its changes are reported lost."""
    with locked(database_url, "public.auth_sync_settings"), psycopg.connect(database_url) as session:
        warnings: list[str | None] = []
        session.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
        session.execute("set local statement_timeout = '5s'")
        session.execute("insert into auth.users (id) select gen_random_uuid() from generate_series(1, 100)")
        assert len(warnings) == 100


@pytest.mark.parametrize("forgery", FORGED)
@pytest.mark.parametrize("value", ["admin", "reconcile"])
def test_a_session_that_forges_confirmed_does_not_ban_the_company(
    database_url: str, connection: Connection, forgery: str, value: str
) -> None:
    """A mass deactivation is held, although the session sets auth_sync.confirmed."""
    company(connection, 40)
    with psycopg.connect(database_url) as session:
        forge(session, forgery, "confirmed", value, is_local=True)
        session.execute("update employees set is_active = false")
    assert (entered(connection), waiting(connection)) == (0, 40)


@pytest.mark.parametrize("forgery", FORGED)
def test_a_session_that_forges_holds_does_not_delay_a_ban(
    database_url: str, connection: Connection, forgery: str
) -> None:
    """A single ban is entered, although the session sets auth_sync.holds."""
    company(connection, 1)
    with psycopg.connect(database_url) as session:
        forge(session, forgery, "holds", "on", is_local=True)
        session.execute("update employees set is_active = false")
    assert (entered(connection), waiting(connection)) == (1, 0)


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_a_role_that_reads_the_secret_of_the_flags_is_refused(connection: Connection, role: str) -> None:
    """No role of the Data API reads the secret or makes a flag. service_role reads the other settings."""
    connection.execute("select auth_sync_secure_v1()")
    connection.execute(f"set role {role}".encode())
    for query in ("select secret from auth_sync_settings", "select * from auth_sync_settings",
                  "select auth_sync_set_flag_v1('blocked')"):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(query.encode())
    if role == "service_role":
        assert connection.execute("select columns from auth_sync_settings").fetchone() is not None


SELF_SERVICE = """
alter table employees add phone text;
grant all on employees to anon, authenticated;
alter table employees enable row level security;
create policy own_row on employees for update to authenticated using (first_name = 'Jane');
create policy reads on employees for select to authenticated using (true);
create policy applies on employees for insert to authenticated with check (true);
"""
TAKE_OVERS = (
    "update employees set email = 'mallory@example.com'",
    "update employees set is_active = false",
    "update employees set auth_user_id = gen_random_uuid()",
    "update employees set employee_number = '1'",
    "update employees set phone = '1', email = 'mallory@example.com'",
    "insert into employees (first_name, email) values ('Mallory', 'jane@example.com')",
    "insert into employees (auth_user_id, is_active) values (gen_random_uuid(), false)",
    "delete from employees where true",
    "truncate employees",
    "create trigger t before update on employees for each row execute function suppress_redundant_updates_trigger()",
)


def protect(connection: Connection, *, dry_run: bool = False) -> list[str]:
    rows = connection.execute("select auth_sync_protect_employees(%s) as statement", [dry_run])
    return [row["statement"] for row in rows]


def test_a_protected_table_allows_self_service_and_no_take_over(connection: Connection) -> None:
    """After the protection, users write the other columns under the owner's policies, and nothing about logins."""
    connection.execute(SELF_SERVICE)
    jane, joe = hire(connection, "jane@example.com", first_name="Jane"), hire(connection, "joe@example.com")
    shown = protect(connection, dry_run=True)
    assert problems(connection) != []
    assert protect(connection) == shown != []
    assert (protect(connection), problems(connection)) == ([], [])
    connection.execute("set role authenticated")
    assert connection.execute("update employees set phone = '1' where true").rowcount == 1
    connection.execute("insert into employees (first_name, phone) values ('Ann', '2')")
    assert len(connection.execute("select * from employees").fetchall()) == 3
    for attack in TAKE_OVERS:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(attack.encode())
    connection.execute("reset role")
    assert (employee(connection, jane)["phone"], employee(connection, joe)["phone"]) == ("1", None)


@pytest.mark.parametrize("attack", [name for name in OPEN if "view" not in name and "function" not in name])
def test_the_protection_closes_a_table_that_is_open_to_an_attack(connection: Connection, attack: str) -> None:
    """The protection closes each opening of the table itself, and a second call has nothing to do."""
    connection.execute(CLOSED)
    connection.execute(OPEN[attack][0].encode())
    protect(connection)
    assert (problems(connection), protect(connection)) == ([], [])


def test_the_protection_keeps_grants_on_single_columns_and_grant_options(connection: Connection) -> None:
    """A role keeps its privileges on other columns, no column is added, and a grant option stays."""
    connection.execute(
        CLOSED + "grant update (first_name, email), insert (email) on employees to anon with grant option"
    )
    assert protect(connection) == [
        "revoke insert on public.employees from anon cascade",
        "revoke update on public.employees from anon cascade",
        "grant update (first_name) on public.employees to anon with grant option",
    ]


def test_the_protection_by_a_role_that_is_not_the_owner_is_refused(connection: Connection) -> None:
    """Nobody gains privileges by the function: it runs with those of its caller, and no other role may call it."""
    connection.execute(SELF_SERVICE)
    for role in ("anon", "authenticated", "service_role"):
        connection.execute(f"set role {role}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            protect(connection)
        connection.execute("reset role")


def test_migrate_protects_employees(connection: Connection, database_url: str) -> None:
    """`migrate` protects the table if it is asked to, reports each statement, and then has no warning."""
    connection.execute(SELF_SERVICE)
    ran: list[str] = []
    warnings: list[str] = []
    migrate.migrate(database_url, dry_run=True, protect_employees=True, protected=ran.append, warned=warnings.append)
    assert (len(ran) > 4, len(warnings)) == (True, 1)
    again: list[str] = []
    migrate.migrate(database_url, protect_employees=True, protected=again.append, warned=warnings.append)
    assert (again, len(warnings)) == (ran, 1)
