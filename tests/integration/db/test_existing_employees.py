"""Migrations of a database that has an employees table keep its rows, link them, and refuse unsuitable tables."""

import subprocess
from collections.abc import Callable

import pytest

from tests.auth_traffic import CONFIRMED, JANE, insert
from tests.integration.migrating import EXISTING, execute, psql, rows, schema_of
from tests.webhook_events import work_of
from webhook_service.db import migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.errors import MigrationError
from webhook_service.inbound.processing import process_batch
from webhook_service.policy import Policy

Run = Callable[[str], object]


both_ways = pytest.mark.parametrize("run", [pytest.param(migrate.migrate, id="migrate"), pytest.param(psql, id="psql")])
SECURED = """
alter table public.employees enable row level security;
alter table public.employees force row level security;
create policy own on public.employees for select to authenticated using (true);
revoke all on public.employees from anon;
"""
LINKED = f"""
alter table public.employees disable trigger all;
alter table public.employees add auth_user_id uuid unique, add employee_number int;
update public.employees set auth_user_id = '{JANE}', employee_number = 7 where "Full Name" = 'Jane';
alter table public.employees enable trigger all;
"""  # noqa: S608
AS_IT_WAS = """
select pg_relation_filenode(c.oid), c.relrowsecurity, c.relforcerowsecurity, c.relacl::text, obj_description(c.oid),
       (select jsonb_agg(to_jsonb(p) order by p.policyname) from pg_policies p where p.tablename = 'employees'),
       (select jsonb_agg(pg_get_triggerdef(t.oid) || t.tgenabled::text order by t.oid)
          from pg_trigger t where t.tgrelid = c.oid and t.tgname not like 'auth_sync_%'),
       (select jsonb_agg(pg_get_constraintdef(k.oid) order by k.oid)
          from pg_constraint k where k.conrelid = c.oid and k.contype <> 'n')
  from pg_class c where c.oid = 'public.employees'::regclass
"""
COLUMNS = """
select attname, format_type(atttypid, atttypmod), attnotnull, attgenerated::text, attidentity::text,
       pg_get_expr(adbin, adrelid)
  from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
 where attrelid = 'public.employees'::regclass and attnum > 0 order by attnum
"""


@both_ways
@pytest.mark.parametrize(
    "more", [pytest.param("", id="plain"), pytest.param(SECURED, id="secured"), pytest.param(LINKED, id="linked")]
)
def test_existing_employees_stay_unchanged(empty_database_url: str, run: Run, more: str) -> None:
    """A migration changes no row, column, policy, trigger or privilege, rewrites no row, and fires no trigger."""
    url = empty_database_url
    execute(url, EXISTING + more)
    data = "select to_jsonb(e) from public.employees e order by employee_id"
    was, columns, values = rows(url, AS_IT_WAS), rows(url, COLUMNS), rows(url, data)
    run(url)
    assert rows(url, AS_IT_WAS) == was
    assert rows(url, COLUMNS)[: len(columns)] == columns
    assert [
        {name: after[name] for name in before} for (before,), (after,) in zip(values, rows(url, data), strict=True)
    ] == [before for (before,) in values]


def test_existing_employees_are_linked(empty_database_url: str) -> None:
    """Employees with an int key, varchar e-mails and no is_active are linked.

    Of two employees with one e-mail, the active one is linked.
    """
    execute(empty_database_url, EXISTING + "drop trigger refuse_all on public.employees;")
    migrate.migrate(empty_database_url)
    database = DirectDatabase(empty_database_url)
    results = process_batch(
        database,
        [
            work_of(insert(email="jane.doe@example.com", email_confirmed_at=CONFIRMED), "duplicate"),
            work_of(insert(JANE.__class__(int=1), email="JIM@example.com", email_confirmed_at=CONFIRMED), "jim"),
        ],
        Policy(),
    )
    database.close()
    assert sorted((result.event_id, str(result.outcome)) for result in results) == [
        ("duplicate", "linked"),
        ("jim", "linked"),
    ]
    linked = 'select "Full Name" from employees where auth_user_id is not null order by 1'
    assert rows(empty_database_url, linked) == [("Jane",), ("Jim",)]


TWICE = f"insert into public.employees values (1, '{JANE}'), (2, '{JANE}')"  # noqa: S608


@both_ways
@pytest.mark.parametrize(
    ("table", "reports"),
    [
        pytest.param(
            "create table employees (employee_id int, auth_user_id text)",
            "auth_user_id must be uuid, is text",
            id="text-link",
        ),
        pytest.param(
            "create table employees (id int, email text)",
            "employee_id must be bigint or integer or smallint, is missing",
            id="no-key",
        ),
        pytest.param(
            "create table employees (employee_id uuid)",
            "employee_id must be bigint or integer or smallint, is uuid",
            id="uuid-key",
        ),
        pytest.param(
            "create table employees (employee_id int, email bytea)",
            "email must be text or varchar or citext, is bytea",
            id="bytea-email",
        ),
        pytest.param(
            "create table employees (employee_id int, email varchar[])",
            "email must be text or varchar or citext, is character varying[]",
            id="email-array",
        ),
        pytest.param(
            "create table employees (employee_id int, is_active text)",
            "is_active must be boolean, is text",
            id="text-active",
        ),
        pytest.param(
            f"create table employees (employee_id int primary key, auth_user_id uuid); {TWICE}",
            "same auth_user_id",
            id="duplicate-link",
        ),
        pytest.param("create view employees as select 1 as employee_id", "", id="a-view"),
        pytest.param(
            "create table employees (company_id int, employee_id int, primary key (company_id, employee_id))",
            "employee_id must be unique",
            id="composite-key",
        ),
        pytest.param(
            "create table employees (employee_id int primary key); create table managers () inherits (employees)",
            "without children",
            id="inherited",
        ),
        pytest.param(
            "create table employees (employee_id int primary key, first_name text generated always as ('x') stored)",
            "first_name must be text or varchar or citext, is generated",
            id="generated-name",
        ),
    ],
)
def test_unsuitable_employees_are_refused(empty_database_url: str, run: Run, table: str, reports: str) -> None:
    """The migration of an unsuitable table fails with one clear sentence and changes nothing."""
    execute(empty_database_url, table)
    before = schema_of(empty_database_url)
    if run is psql:
        with pytest.raises(subprocess.CalledProcessError) as failed:
            run(empty_database_url)
        assert reports in failed.value.stderr
        return
    with pytest.raises(MigrationError) as caught:
        run(empty_database_url)
    assert reports in caught.value.detail
    assert caught.value.reason == "migration_failed"
    assert schema_of(empty_database_url) == before
