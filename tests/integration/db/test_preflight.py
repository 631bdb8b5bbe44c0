"""The checks before the first step of a migration: privileges, owners, the employees table, and Auth's version."""

from collections.abc import Callable

import pytest

from tests.integration.capturing import auth_on
from tests.integration.doctoring import examined, found
from tests.integration.migrating import DIGESTS, execute, rows, schema_of
from webhook_service.db import migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.doctor.findings import Finding, Level
from webhook_service.errors import EmployeeRejected, MigrationError
from webhook_service.outbound import employee_changes


def warnings_of(url: str, *, create_employees: bool = False, dry_run: bool = False) -> list[str]:
    """Migrate, and return the warnings, except those of the tables' default privileges."""
    warnings: list[str] = []
    migrate.migrate(url, create_employees=create_employees, dry_run=dry_run, warned=warnings.append)
    return [warning for warning in warnings if not warning.startswith("other roles can take over logins")]


def refusal_of(url: str, role: str = "postgres") -> str:
    """Return the error of a migration by this role, which changes nothing."""
    before = schema_of(url)
    with pytest.raises(MigrationError) as caught:
        migrate.migrate(as_role(url, role))
    assert schema_of(url) == before
    return caught.value.detail


def employee_findings(url: str) -> list[Finding]:
    database = DirectDatabase(url)
    try:
        return [each for each in examined(database, compare=False) if each.check == "employees"]
    finally:
        database.close()


# Privileges and owners

ROLES = """
do $$ begin
  if to_regrole('orm') is null then create role orm login bypassrls; end if;
  if to_regrole('project') is null then create role project login createrole bypassrls; end if;
end $$;
grant orm to project; grant all on schema public to orm, project; grant usage on schema auth to project;
grant select, insert, update, delete, references, trigger on auth.users, auth.sessions to project;
"""


def as_role(url: str, role: str) -> str:
    return url.replace("postgres:@", f"{role}:@")


def test_a_role_that_may_not_create_triggers_changes_nothing(empty_database_url: str) -> None:
    """`migrate` refuses the application's role before the first step. The project's role then installs everything."""
    execute(empty_database_url, ROLES)
    assert "may not create triggers on auth.users" in refusal_of(empty_database_url, "orm")
    migrate.migrate(as_role(empty_database_url, "project"))
    with auth_on(empty_database_url) as auth:
        auth.admin_create("jane@example.com")
    assert rows(empty_database_url, "select count(*) from integration_sync_log") == [(1,)]


def test_objects_of_another_role_are_refused(empty_database_url: str) -> None:
    """`migrate` refuses a role that does not own the service's objects before the first step, and names the owner."""
    execute(
        empty_database_url,
        "do $$ begin if to_regrole('second') is null then create role second login bypassrls; end if; end $$;"
        "grant all on schema public to second; grant usage on schema auth to second;"
        "grant all on auth.users to second",
    )
    migrate.migrate(empty_database_url)
    assert "belong to another role, postgres" in refusal_of(empty_database_url, "second")


def test_an_installation_by_a_role_without_privileges_is_refused(empty_database_url: str) -> None:
    """If the owner of the ledger may not read auth.users, `migrate` says which role must uninstall first."""
    execute(
        empty_database_url,
        f"{ROLES} set role orm; create table integration_sync_log (id int); create table auth_user_state (id int)",
    )
    assert "installed by orm" in refusal_of(empty_database_url, "project")


# The employees table

ELSEWHERE = {
    "hr.employees": "create schema hr; create table hr.employees (employee_id int primary key, email text)",
    'public."Employees"': 'create table "Employees" (employee_id int primary key, email text)',
    'public."EMPLOYEES"': 'create table "EMPLOYEES" (employee_id int primary key, email text)',
    "public.employee": "create table employee (employee_id int primary key, email text)",
    "public.hr_employees": "create table hr_employees (employee_id int primary key, email text)",
    'public."HrEmployee"': 'create table "HrEmployee" (employee_id int primary key, email text)',
    "app.employee": "create schema app; create table app.employee_old (); create view app.employee as select 1 as one",
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_table_with_a_similar_name_is_reported(empty_database_url: str, name: str) -> None:
    """If the employees are in another table, a migration names it instead of creating an empty one beside it."""
    execute(empty_database_url, ELSEWHERE[name])
    refusal = refusal_of(empty_database_url)
    assert f"there is no table public.employees, but there is {name}" in refusal
    assert "--create-employees" in refusal
    [warning] = warnings_of(empty_database_url, create_employees=True)
    assert "no table public.employees: an empty one is created, beside" in warning
    assert rows(empty_database_url, "select from public.employees") == []


@pytest.mark.parametrize("other", ["create table staff (id int)", "create table employee_benefits (id int)"])
def test_a_created_table_is_reported(empty_database_url: str, other: str) -> None:
    """In a database without employees, `migrate` says that it creates the table. A dry run says so too."""
    execute(empty_database_url, other)
    assert warnings_of(empty_database_url, dry_run=True) == [
        "there is no table public.employees: an empty one is created"
    ]
    assert rows(empty_database_url, "select to_regclass('public.employees')") == [(None,)]
    assert warnings_of(empty_database_url) == ["there is no table public.employees: an empty one is created"]
    assert warnings_of(empty_database_url) == []


KINDS = {
    "a view": "create table staff (employee_id int primary key, email text); create view employees as table staff",
    "a materialized view": "create materialized view employees as select 1 as employee_id",
    "a partitioned table": "create table employees (employee_id int primary key) partition by range (employee_id)",
}


@pytest.mark.parametrize("kind", KINDS)
def test_another_kind_of_relation_is_named(empty_database_url: str, kind: str) -> None:
    """A view, a materialized view and a partitioned table are refused by their kind."""
    execute(empty_database_url, KINDS[kind])
    assert f"public.employees cannot be used: it is {kind}" in refusal_of(empty_database_url)


LINKS = {
    "uuid not null": "alter column auth_user_id drop not null",
    "uuid not null references auth.users on delete cascade": "drop constraint employees_auth_user_id_fkey",
    "uuid references auth.users on delete cascade": "drop constraint employees_auth_user_id_fkey",
}


@pytest.mark.parametrize("column", LINKS)
def test_a_link_that_cannot_be_cleared_is_refused(empty_database_url: str, column: str) -> None:
    """`migrate` refuses a link that it cannot clear or that deletes the employee, and prints the statement to run."""
    execute(
        empty_database_url,
        f"create table employees (employee_id bigint primary key, email text, auth_user_id {column})",
    )
    refusal = refusal_of(empty_database_url)
    assert LINKS[column] in refusal
    execute(empty_database_url, refusal.partition("To fix it: ")[2])
    migrate.migrate(empty_database_url)
    assert employee_findings(empty_database_url)[0].level is not Level.WRONG


@pytest.mark.parametrize(
    "action",
    ["references auth.users", "references auth.users on delete restrict", "references profiles on delete set null"],
)
def test_a_foreign_key_that_hinders_is_reported(empty_database_url: str, action: str) -> None:
    """`migrate` warns of a foreign key that prevents changes by Auth, and doctor prints the statement to run."""
    execute(
        empty_database_url,
        "create table profiles (id uuid primary key);"
        f"create table employees (employee_id bigint primary key, auth_user_id uuid {action}, is_active boolean)",
    )
    [warning] = warnings_of(empty_database_url)
    assert "foreign key employees_auth_user_id_fkey" in warning
    [finding] = employee_findings(empty_database_url)
    assert (finding.level, "foreign key" in finding.says) == (Level.WRONG, True)
    execute(empty_database_url, finding.command)
    assert [each.level for each in employee_findings(empty_database_url)] == [Level.OK]


def test_a_foreign_key_that_clears_the_link_is_right(empty_database_url: str) -> None:
    """`migrate` accepts a foreign key with `on delete set null` without a warning."""
    execute(
        empty_database_url,
        "create table employees (employee_id bigint primary key, is_active boolean,"
        " auth_user_id uuid references auth.users on delete set null)",
    )
    assert warnings_of(empty_database_url) == []
    assert [each.level for each in employee_findings(empty_database_url)] == [Level.OK]


@pytest.mark.parametrize("fault", ["auth_user_id set not null", "add foreign key (auth_user_id) references auth.users"])
def test_a_later_constraint_is_found(database_url: str, fault: str) -> None:
    """Doctor finds a constraint on the link that was added after the installation."""
    alter = "alter column auth_user_id set not null" if "not null" in fault else fault
    execute(database_url, f"alter table employees {alter}")
    assert [each.level for each in employee_findings(database_url)] == [Level.WRONG]


# is_active

OTHER_COLUMNS = """
create table employees (employee_id bigint primary key, email text, status text not null, deleted_at timestamptz);
insert into employees values (1, 'jane@example.com', 'active', null), (2, 'left@example.com', 'terminated', now());
"""


def test_an_added_is_active_is_reported(empty_database_url: str) -> None:
    """`migrate` and doctor say that every employee counts as active, and name columns that may show who has left."""
    execute(empty_database_url, OTHER_COLUMNS)
    [warning] = warnings_of(empty_database_url)
    assert "no column is_active" in warning
    assert "does status or deleted_at say so?" in warning
    [finding] = employee_findings(empty_database_url)
    assert (finding.level, "everybody counts as active" in finding.says) == (Level.NOTE, True)
    execute(empty_database_url, "update employees set is_active = status = 'active'")
    assert [each.level for each in employee_findings(empty_database_url)] == [Level.OK]
    assert warnings_of(empty_database_url) == []


GENERATED = """
create table employees (
  id uuid primary key default gen_random_uuid(), number int not null unique, email text, status text,
  employee_id bigint generated always as (number) stored unique,
  is_active boolean generated always as (status = 'active') stored
);
insert into employees (number, email, status) values (1, 'jane@example.com', 'active'), (2, 'jo@example.com', 'left');
"""


def test_generated_columns_are_read(empty_database_url: str) -> None:
    """`migrate` accepts a generated is_active or employee_id. The error of a change of is_active names the cause."""
    execute(empty_database_url, GENERATED)
    assert warnings_of(empty_database_url) == []
    [finding] = employee_findings(empty_database_url)
    assert (finding.level, "is_active is generated" in finding.says) == (Level.NOTE, True)
    database = DirectDatabase(empty_database_url)
    with pytest.raises(EmployeeRejected, match="is_active is generated") as caught:
        employee_changes.set_active(database, None, 1, False, via="admin")
    database.close()
    assert caught.value.facts["column"] == "is_active"
    assert rows(empty_database_url, "select email from find_employees_without_auth()") == [("jane@example.com",)]


def test_a_virtual_column_is_refused(new_database: Callable[..., str]) -> None:
    """`migrate` refuses a virtual generated column, which PostgreSQL cannot index, and names the word to add."""
    url = new_database()
    execute(
        url,
        "create table employees (employee_id int primary key, status text,"
        " is_active boolean generated always as (status = 'active'))",
    )
    assert "make it `stored`" in refusal_of(url)


def test_a_lost_column_is_reported(database_url: str) -> None:
    """If a column of an installed database is missing, the migration says that it adds an empty one."""
    execute(database_url, "alter table employees rename email to work_email")
    [warning] = warnings_of(database_url)
    assert "employees has lost email" in warning
    assert rows(database_url, "select email, work_email from employees") == []


# Auth

OLD_AUTH = "alter table auth.users drop column is_anonymous cascade"


def test_an_old_auth_is_named(empty_database_url: str) -> None:
    """If auth.users lacks a column that is read, the migration warns, and doctor says that nothing is captured."""
    execute(empty_database_url, OLD_AUTH)
    [warning, *_] = warnings_of(empty_database_url)
    assert "auth.users lacks: is_anonymous" in warning
    assert rows(empty_database_url, DIGESTS) != []
    database = DirectDatabase(empty_database_url)
    finding = found(examined(database, compare=False), "source")
    assert (finding.level, "auth.users lacks: is_anonymous" in finding.says) == (Level.WRONG, True)
    database.close()
