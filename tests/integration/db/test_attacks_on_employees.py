"""Attacks on logins by roles that may write the employees table."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from tests.data_api import ROLES
from tests.employees import Connection, employee, hire
from tests.integration.breaking import locked
from tests.integration.captured import auth_of, relay_all
from tests.integration.db.test_callers_objects import TATTLE
from tests.integration.doctoring import examined
from tests.integration.migrating import printed_sql
from tests.integration.outbound.test_mass_deactivation import company, entered, waiting
from tests.integration.requested_actions import (
    accounts_of,
    actions,
    banned,
    linked,
    outcomes,
    perform_all,
    run_until_idle,
)
from tests.integration.signing_in import Browser
from webhook_service.db import migrate
from webhook_service.doctor.findings import Level
from webhook_service.errors import NotPossible
from webhook_service.ledger.reconcile import reconcile
from webhook_service.outbound.accounts import Accounts
from webhook_service.outbound.candidates import without_login
from webhook_service.policy import EmailOwner, Policy
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
JWT_ROLES = f"""{ROLES}
do $$ begin
  create role jwt_hr; create role jwt_lead; create role "Jwt X"; create role jwt_robot;
  create role jwt_admin bypassrls; create role feed;
exception when duplicate_object then null; end $$;
grant jwt_hr to jwt_lead;
grant service_role to jwt_robot;
grant jwt_lead, "Jwt X", jwt_admin, jwt_robot to authenticator;
"""
"""Roles that custom JWTs may name (jwt_...), and one of a program that logs in itself."""
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
    "a_role_of_a_custom_jwt": (
        f"{JWT_ROLES} grant update (email) on employees to jwt_lead;"
        "create policy p on employees for update to jwt_lead using (true)",
        {WRITE},
    ),
    "a_role_that_a_custom_jwt_inherits": (f"{JWT_ROLES} grant delete on employees to jwt_hr; {ANYTHING}", {DELETE}),
    "a_role_of_a_custom_jwt_and_row_security_off": (
        f'{JWT_ROLES} grant select on employees to "Jwt X"; {NO_RLS}',
        {OFF},
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
    "a_role_that_no_jwt_may_name": f"{JWT_ROLES} grant update, delete on employees to feed; {ANYTHING}",
    "privileged_roles_of_a_custom_jwt": f"{JWT_ROLES} grant update on employees to jwt_admin, jwt_robot; {ANYTHING}",
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


def test_the_sql_for_other_migrators_warns_of_an_open_table(connection: Connection, database_url: str) -> None:
    """A run of the printed SQL raises migrate's warning with the statement that closes the table, and then none."""
    reported: list[str] = []
    connection.add_notice_handler(
        lambda notice: (
            reported.append(f"{notice.severity}: {notice.message_primary}")
            if notice.severity in ("WARNING", "ERROR")
            else None
        )
    )
    connection.execute(f"{CLOSED} {MAY_UPDATE} grant delete on employees to anon".encode())
    connection.execute("create policy p on employees for delete using (true)")
    connection.execute(printed_sql().encode())
    sentences: list[str] = []
    migrate.migrate(database_url, warned=sentences.append)
    [sentence] = sentences
    close = "select public.auth_sync_protect_employees();"
    assert reported == [
        f"WARNING: webhook-service: {sentence.removesuffix(f'. See `{migrate.PROTECT}`')}. To close it: {close}"
    ]
    reported.clear()
    connection.execute(close.encode())
    connection.execute(printed_sql().encode())
    assert reported == []


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


OPENED = f"""{JWT_ROLES}
grant select, insert, update, delete on employees to anon, authenticated, jwt_hr;
alter table employees disable row level security;
"""
AS_CLIENT = {
    "set_role": ("set role authenticated", "reset role"),
    "set_local_role": ("begin; set local role anon", "commit"),
    "connection": ("set session authorization authenticated", "reset session authorization"),
    "jwt_role": ("set session authorization authenticator; set role jwt_lead", "reset session authorization"),
}
"""{way: (statement that makes the session a client's, statement that ends it)}."""

LINKS = {
    "inserts_an_inactive_employee": ["insert into employees (auth_user_id, is_active) values ('{ceo}', false)"],
    "inserts_and_deactivates": [
        "insert into employees (auth_user_id) values ('{ceo}')",
        "update employees set is_active = false where auth_user_id = '{ceo}'",
    ],
    "inserts_and_deletes": [
        "insert into employees (auth_user_id) values ('{ceo}')",
        "delete from employees where auth_user_id = '{ceo}'",
    ],
    "changes_the_link_of_an_inactive_employee": [
        "update employees set auth_user_id = '{ceo}' where first_name = 'Left'"
    ],
    "changes_the_link_and_deactivates": [
        "update employees set auth_user_id = '{ceo}', is_active = false where first_name = 'Mallory'"
    ],
    "changes_the_key_of_a_row_with_a_link": [
        "insert into employees (auth_user_id) values ('{ceo}')",
        "update employees set employee_id = 4711, is_active = false where auth_user_id = '{ceo}'",
        "update employees set is_active = true where auth_user_id = '{ceo}'",
        "update employees set is_active = false where auth_user_id = '{ceo}'",
    ],
}  # fmt: skip


SESSIONS = {
    "select": None,
    "set role service_role": None,
    "set role supabase_auth_admin": None,
    "set role feed": None,
    "set session authorization feed": None,
    "set session authorization authenticator; set role service_role": None,
    "set session authorization authenticator; set role jwt_admin": None,
    "set session authorization authenticator; set role jwt_robot": None,
    "set session authorization authenticator; set role anon": "anon",
    "set session authorization authenticator; set role jwt_hr": "jwt_hr",
    'set session authorization authenticator; set role "Jwt X"': "Jwt X",
    "set session authorization authenticator": "authenticator",
    "set role jwt_lead": "jwt_lead",
}
"""{statements that begin a session: its role if it is a client's}."""


@pytest.mark.parametrize("session", SESSIONS)
def test_every_role_that_a_jwt_may_name_is_a_client(connection: Connection, session: str) -> None:
    """A session is a client's if a JWT may name its role, unless the role is privileged. Definer functions see it."""
    connection.execute(JWT_ROLES.encode())
    connection.execute(
        "create function probe() returns text language sql security definer as 'select auth_sync_client_v1()'"
    )
    connection.execute(session.encode())
    found = connection.execute("select probe()").fetchone()
    connection.execute("reset session authorization; reset role")
    assert found == {"probe": SESSIONS[session]}


@contextmanager
def as_client(connection: Connection, way: str = "set_role") -> Iterator[None]:
    begin, end = AS_CLIENT[way]
    connection.execute(begin.encode())
    yield
    connection.execute(end.encode())


@pytest.mark.parametrize("way", AS_CLIENT)
@pytest.mark.parametrize("attack", LINKS)
def test_a_client_that_writes_a_link_bans_nobody(
    database_url: str, connection: Connection, database: Database, attack: str, way: str
) -> None:
    """A link that a client wrote bans nobody: not at once, not with the next event, and not by reconciliation."""
    connection.execute(OPENED)
    hire(connection, first_name="Left", is_active=False)
    hire(connection, first_name="Mallory")
    with auth_of(database_url) as auth:
        ceo = auth.admin_create("ceo@example.com")
        relay_all(database)
        with as_client(connection, way):
            for statement in LINKS[attack]:
                connection.execute(statement.format(ceo=ceo).encode())
        accounts = accounts_of(database_url, database)
        perform_all(accounts)
        assert banned(connection) == set()
        rename(connection, ceo)
        run_until_idle(accounts, database)
        reconcile(database, Policy(), requested_by="test", dry_run=False)
        run_until_idle(accounts, database)
    assert banned(connection) == set()
    assert {outcome for _, _, outcome in outcomes(connection, ceo)} <= {"changed_by_client", "stale"}


def test_a_link_of_another_role_or_of_the_service_still_bans(
    database_url: str, connection: Connection, database: Database
) -> None:
    """A link of a privileged role bans an inactive employee, and so does one of the service in a client's insert."""
    connection.execute(OPENED)
    with auth_of(database_url) as auth:
        joe, jane = auth.admin_create("joe@example.com"), auth.admin_create("jane@example.com")
        relay_all(database)
    hire(connection, auth_user_id=joe, is_active=False)
    with as_client(connection):
        hire(connection, "jane@example.com")
    connection.execute("update employees set is_active = false where auth_user_id = %s", [jane])
    perform_all(accounts_of(database_url, database))
    assert banned(connection) == {joe, jane}


def test_a_client_that_links_a_banned_login_does_not_lift_the_ban(
    database_url: str, connection: Connection, database: Database
) -> None:
    """A dismissed person who moves the login to an active employee stays banned."""
    connection.execute(OPENED)
    accounts = accounts_of(database_url, database)
    with auth_of(database_url) as auth:
        jane_id, jane = linked(connection, database, auth, "jane@example.com")
    connection.execute("update employees set is_active = false")
    run_until_idle(accounts, database)
    with as_client(connection):
        connection.execute("update employees set auth_user_id = null where employee_id = %s", [jane_id])
        hire(connection, auth_user_id=jane)
    run_until_idle(accounts, database)
    assert banned(connection) == {jane}


@pytest.mark.parametrize("owner", EmailOwner)
@pytest.mark.parametrize("way", AS_CLIENT)
def test_a_client_that_changes_its_email_is_not_confirmed(
    database_url: str, connection: Connection, database: Database, owner: EmailOwner, way: str
) -> None:
    """An e-mail that a client wrote is never sent to Auth by itself: not at once, and not with a later event."""
    jane_id, jane, accounts = self_service(database_url, connection, database, owner)
    with as_client(connection, way):
        connection.execute("update employees set email = 'mallory@example.com' where employee_id = %s", [jane_id])
        connection.execute("update employees set email = 'ceo@example.com' where employee_id = %s", [jane_id])
    rename(connection, jane)
    run_until_idle(accounts, database)
    assert email_of(connection, jane) == "jane@example.com"
    waiting_now = [each for each in actions(connection, jane) if each["outcome"] == "changed_by_client"]
    assert [(each["request_data"]["email"], each["next_attempt_at"]) for each in waiting_now] == [
        ("ceo@example.com", None)
    ]


def test_a_client_that_overtakes_an_admins_change_is_not_confirmed(
    database_url: str, connection: Connection, database: Database
) -> None:
    """A pending change of an admin does not carry the e-mail that a client writes before the change is performed."""
    jane_id, jane, accounts = self_service(database_url, connection, database, EmailOwner.EMPLOYEES)
    connection.execute("update employees set email = 'new@example.com' where employee_id = %s", [jane_id])
    with as_client(connection):
        connection.execute("update employees set email = 'ceo@example.com' where employee_id = %s", [jane_id])
    run_until_idle(accounts, database)
    assert email_of(connection, jane) == "jane@example.com"
    connection.execute("update employees set email = 'new@example.com' where employee_id = %s", [jane_id])
    run_until_idle(accounts, database)
    assert email_of(connection, jane) == "new@example.com"


def test_an_admin_approves_what_was_shown_and_nothing_that_a_client_wrote_since(
    database_url: str, connection: Connection, database: Database
) -> None:
    """A replay approves the e-mail of the action. An e-mail that the client wrote later waits for another approval."""
    jane_id, jane, accounts = self_service(database_url, connection, database, EmailOwner.EMPLOYEES)
    with as_client(connection):
        connection.execute("update employees set email = 'mallory@example.com' where employee_id = %s", [jane_id])
    [shown] = actions(connection, jane)
    with as_client(connection):
        connection.execute("update employees set email = 'ceo@example.com' where employee_id = %s", [jane_id])
    with pytest.raises(NotPossible):
        accounts.perform_again(shown, "ann")
    assert email_of(connection, jane) == "jane@example.com"
    accounts.perform_again(actions(connection, jane)[-1], "ann")
    assert email_of(connection, jane) == "ceo@example.com"


def test_an_admin_drops_what_a_client_wrote(database_url: str, connection: Connection, database: Database) -> None:
    """A dropped e-mail is replaced by that of the login, a dropped link is removed, and nothing waits any more."""
    jane_id, jane, accounts = self_service(database_url, connection, database, EmailOwner.EMPLOYEES)
    with auth_of(database_url) as auth:
        ceo = auth.admin_create("ceo@example.com")
    relay_all(database)
    with as_client(connection):
        connection.execute("update employees set email = 'ceo@example.com' where employee_id = %s", [jane_id])
        fake = hire(connection, auth_user_id=ceo, is_active=False)
    for action in actions(connection):
        assert database.call("auth_sync_drop_client_change_v1", p_event_id=action["event_id"], p_requested_by="ann")
        assert not database.call("auth_sync_drop_client_change_v1", p_event_id=action["event_id"], p_requested_by="ann")
    run_until_idle(accounts, database)
    assert employee(connection, jane_id)["email"] == email_of(connection, jane) == "jane@example.com"
    assert (employee(connection, fake)["auth_user_id"], banned(connection)) == (None, set())
    assert {status for _, status, _ in outcomes(connection)} == {"SUCCESS"}


def test_a_bulk_replay_does_not_approve_what_a_client_wrote(
    database_url: str, connection: Connection, database: Database
) -> None:
    """A bulk replay of all failures leaves the changes of clients out, unless the filter has their outcome."""
    jane_id, *_ = self_service(database_url, connection, database, EmailOwner.EMPLOYEES)
    with as_client(connection):
        connection.execute("update employees set email = 'ceo@example.com' where employee_id = %s", [jane_id])
    for filter, matched in (({"status": "FAILED"}, 0), ({"outcome": "changed_by_client"}, 1)):
        assert database.call("auth_sync_bulk_preview_v1", p_filter=filter, p_limit=1)["matched"] == matched


def test_a_client_that_writes_an_email_gets_no_login_with_it(connection: Connection, database: Database) -> None:
    """`provision` offers no login for an e-mail that a client wrote, until another role has written it."""
    connection.execute(OPENED)
    jane_id = hire(connection, "jane@example.com")
    with as_client(connection):
        connection.execute("update employees set email = 'mallory@example.com'")
        hire(connection, "mallory2@example.com")
    assert without_login(database.call, orphans=True) == []
    connection.execute("update employees set email = 'new@example.com' where employee_id = %s", [jane_id])
    assert [each.email for each in without_login(database.call, orphans=True)] == ["new@example.com"]


def self_service(url: str, connection: Connection, database: Database, owner: EmailOwner) -> tuple[int, UUID, Accounts]:
    """Jane's employee and login, on a table that clients may write."""
    connection.execute(OPENED)
    migrate.migrate(url, policy=Policy(email_owner=owner))
    with auth_of(url) as auth:
        jane_id, jane = linked(connection, database, auth, "jane@example.com")
    return jane_id, jane, accounts_of(url, database, owner=owner)


def rename(connection: Connection, user: UUID) -> None:
    """Change the name in Auth, which makes an event."""
    connection.execute('update auth.users set raw_user_meta_data = \'{"first_name": "Eve"}\' where id = %s', [user])


def email_of(connection: Connection, user: UUID) -> str:
    found = connection.execute("select email from auth.users where id = %s", [user]).fetchone()
    assert found is not None
    return str(found["email"])


BEFORE_PG_CATALOG = (
    TATTLE
    + "".join(
        f"""
create function hrs.equal_{name}({kind}, {kind}) returns boolean language plpgsql as
  $$ begin perform hrs.tattle(); return $1 operator(pg_catalog.=) $2; end $$;
create operator hrs.= (leftarg = {kind}, rightarg = {kind}, function = hrs.equal_{name});
"""
        for name, kind in (
            ("int8", "bigint"),
            ("uuid", "uuid"),
            ("tid", "tid"),
            ("boolean", "boolean"),
            ("text", "text"),
        )
    )
    + "".join(
        f"create domain hrs.{name} as pg_catalog.{name} check (hrs.tattle());"
        for name in ("uuid", "text", "jsonb", "int8", "timestamptz")
    )
)
WRITES = {
    "writes": """select auth_sync_write_employees_v1(jsonb_build_array(jsonb_build_object('employee_id', {id}, 'wanted',
      jsonb_build_object('email', 'x@example.com', 'auth_user_id', gen_random_uuid(), 'orphaned_at', now()))))""",
    "deactivates": "select auth_sync_set_active_v1({id}, false, 'admin')",
    "inserts": """select auth_sync_insert_employee_v1('{{"email": "y@example.com", "first_name": "Y"}}')""",
    "moves_a_login": """select auth_sync_move_login_v1({id}, '{user}', 'ann')""",
}


@pytest.mark.parametrize("write", WRITES)
def test_an_object_in_the_owners_search_path_is_not_run_by_the_service(
    connection: Connection, database: Database, database_url: str, write: str
) -> None:
    """A write under the search_path of the owner runs no operator and no type of another role in it."""
    with auth_of(database_url) as auth:
        _, user = linked(connection, database, auth, "jane@example.com")
    connection.execute("update employees set is_active = false")
    jane_id = hire(connection, "jane@example.com")
    connection.execute(f"{OTHER_ROLE} drop schema if exists hrs cascade; create schema hrs authorization hr".encode())
    connection.execute(BEFORE_PG_CATALOG.encode())
    name = connection.info.dbname
    connection.execute(f"alter role postgres in database {name} set search_path = hrs, pg_catalog, public".encode())
    reported: list[str | None] = []
    connection.add_notice_handler(lambda notice: reported.append(notice.message_primary))
    connection.execute(WRITES[write].format(id=jane_id, user=user).encode())
    assert [line for line in reported if line is not None and "run as" in line] == []
