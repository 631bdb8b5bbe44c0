"""Migrating: from nothing, over what is already there, again, many at once, and by other hands than ours."""

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.auth_traffic import CONFIRMED, JANE, insert
from tests.integration.test_database_contract import work_of
from tests.ports import free_port
from webhook_service.db import migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.errors import MigrationError
from webhook_service.processing import process_batch

Run = Callable[[str], object]
RECORDED = "select number, name, checksum from auth_sync_migrations order by number"
OURS = [(migration.number, migration.name, migration.checksum) for migration in migrate.migrations()]


def tool(url: str, name: str) -> str:
    """One of PostgreSQL's own commands, of the same version as the server: it lies beside it."""
    [(folder,)] = rows(url, "select setting from pg_config where name = 'BINDIR'")
    return str(Path(folder) / name)


def schema_of(url: str) -> str:
    """All objects, with their rights and comments, as pg_dump tells them."""
    command = [tool(url, "pg_dump"), "--schema-only", url]
    dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return re.sub(r"(?m)^\\(un)?restrict .*\n", "", dump)  # has a random word in it


def psql(url: str) -> None:
    """Runs what `webhook-service sql` prints, statement by statement, each in a transaction of its own."""
    script = subprocess.run(
        [str(Path(sys.executable).with_name("webhook-service")), "sql"], capture_output=True, text=True, check=True
    )
    command = [tool(url, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", url]
    subprocess.run(command, input=script.stdout, capture_output=True, text=True, check=True)


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def execute(url: str, statements: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statements)


both_ways = pytest.mark.parametrize("run", [pytest.param(migrate.migrate, id="migrate"), pytest.param(psql, id="psql")])


def test_an_empty_database_gets_all_of_it(empty_database_url: str) -> None:
    """Each migration is applied once and recorded; the second time there is nothing to do."""
    told: list[int] = []
    count = migrate.migrate(empty_database_url, applied=lambda migration: told.append(migration.number))
    assert (count, told) == (len(OURS), [number for number, _, _ in OURS])
    assert rows(empty_database_url, RECORDED) == OURS
    before = schema_of(empty_database_url)
    assert migrate.migrate(empty_database_url) == 0
    assert schema_of(empty_database_url) == before


def test_a_dry_run_only_tells(empty_database_url: str) -> None:
    """It counts what is missing, and leaves the database as it is."""
    before = schema_of(empty_database_url)
    assert migrate.migrate(empty_database_url, dry_run=True) == len(OURS)
    assert schema_of(empty_database_url) == before


def test_the_printed_sql_is_the_same(new_database: Callable[..., str], database_url: str) -> None:
    """By hand, once or twice, it makes the same schema as `migrate`; which then has nothing to do."""
    url = new_database()
    psql(url)
    assert schema_of(url) == schema_of(database_url)
    psql(url)
    assert schema_of(url) == schema_of(database_url)
    assert rows(url, RECORDED) == OURS
    assert migrate.migrate(url) == 0


def test_the_printed_sql_does_no_harm_to_data(database_url: str) -> None:
    """Applied to a database that is in use, it leaves every row as it is."""
    execute(database_url, "insert into employees (email) values ('jane@example.com')")
    database = DirectDatabase(database_url)
    process_batch(database, [work_of(insert(email="jane@example.com", email_confirmed_at=CONFIRMED), "evt-1")])
    database.close()
    tables = ("employees", "integration_sync_log", "auth_user_state", "auth_sync_migrations")
    before = [rows(database_url, f"select to_jsonb(t) from {table} t order by 1") for table in tables]  # noqa: S608
    psql(database_url)
    assert [rows(database_url, f"select to_jsonb(t) from {table} t order by 1") for table in tables] == before  # noqa: S608


EXISTING = """
create table public.departments (id int primary key);
insert into public.departments values (1);
create table public.employees (
  employee_id integer generated always as identity (start with 100) primary key,
  "Full Name" varchar(80) not null default 'x' check ("Full Name" <> ''),
  email varchar(120),
  is_active boolean,
  department_id int references public.departments,
  salary numeric(10, 2),
  shouted text generated always as (upper(email)) stored,
  changed_at timestamptz default now()
);
insert into public.employees ("Full Name", email, is_active, department_id, salary) values
  ('Jane', 'Jane.Doe@Example.COM', true, 1, 10.50), ('Joe', 'jane.doe@example.com', false, null, null),
  ('Jim', ' jim@example.com ', null, 1, 0), ('Jo', null, null, 1, 1), ('Jill', '', true, 1, 1),
  ('Ann', 'ann@example.com', null, 1, 1);
create function public.refuse() returns trigger language plpgsql as $$ begin raise exception 'I was touched'; end $$;
create trigger refuse_all before insert or update or delete or truncate on public.employees
  execute function public.refuse();
create view public.active_employees as select * from public.employees where is_active;
create index by_salary on public.employees (salary);
comment on table public.employees is 'ours';
"""
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
          from pg_trigger t where t.tgrelid = c.oid),
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
def test_employees_that_exist_are_left_as_they_are(empty_database_url: str, run: Run, more: str) -> None:
    """Rows, columns, rules, triggers and rights: nothing changes, no row is rewritten, no trigger fires."""
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


def test_employees_that_exist_are_linked(empty_database_url: str) -> None:
    """With an int key, varchar e-mails and nobody knows who is active, it works; duplicates are ambiguous."""
    execute(empty_database_url, EXISTING + "drop trigger refuse_all on public.employees;")
    migrate.migrate(empty_database_url)
    database = DirectDatabase(empty_database_url)
    results = process_batch(
        database,
        [
            work_of(insert(email="jane.doe@example.com", email_confirmed_at=CONFIRMED), "duplicate"),
            work_of(insert(JANE.__class__(int=1), email="JIM@example.com", email_confirmed_at=CONFIRMED), "jim"),
        ],
    )
    database.close()
    assert sorted((result.event_id, str(result.outcome)) for result in results) == [
        ("duplicate", "ambiguous"),
        ("jim", "linked"),
    ]
    assert rows(empty_database_url, "select email from employees where auth_user_id is not null") == [
        (" jim@example.com ",)
    ]


TWICE = f"insert into public.employees values (1, '{JANE}'), (2, '{JANE}')"  # noqa: S608


@both_ways
@pytest.mark.parametrize(
    ("table", "tells"),
    [
        pytest.param(
            "create table employees (employee_id int, auth_user_id text)",
            "auth_user_id must be uuid, is text",
            id="text-link",
        ),
        pytest.param(
            "create table employees (id int, email text)", "employee_id must be bigint, is missing", id="no-key"
        ),
        pytest.param("create table employees (employee_id uuid)", "employee_id must be bigint, is uuid", id="uuid-key"),
        pytest.param(
            "create table employees (employee_id int, email bytea)", "email must be text, is bytea", id="bytea-email"
        ),
        pytest.param(
            "create table employees (employee_id int, is_active text)",
            "is_active must be boolean, is text",
            id="text-active",
        ),
        pytest.param(
            f"create table employees (employee_id int, auth_user_id uuid); {TWICE}",
            "same auth_user_id",
            id="duplicate-link",
        ),
        pytest.param("create view employees as select 1 as employee_id", "", id="a-view"),
    ],
)
def test_employees_that_do_not_fit_are_refused(empty_database_url: str, run: Run, table: str, tells: str) -> None:
    """One clear sentence says what is wrong, and nothing has been done."""
    execute(empty_database_url, table)
    before = schema_of(empty_database_url)
    if run is psql:
        with pytest.raises(subprocess.CalledProcessError) as failed:
            run(empty_database_url)
        assert tells in failed.value.stderr
        return
    with pytest.raises(MigrationError) as caught:
        run(empty_database_url)
    assert tells in caught.value.detail
    assert caught.value.reason == "migration_failed"
    assert schema_of(empty_database_url) == before


MIGRATE_WHEN_TOLD = """
import sys
from webhook_service.db.migrate import migrate
print("ready", flush=True)
sys.stdin.read()
print(migrate(sys.argv[1]))
"""


@pytest.mark.parametrize("existing", ["", EXISTING], ids=["empty", "existing"])
def test_twenty_at_once_all_succeed(empty_database_url: str, existing: str) -> None:
    """One of them migrates, the others find it done; none fails."""
    execute(empty_database_url, existing)
    with ExitStack() as stack:
        command = [sys.executable, "-c", MIGRATE_WHEN_TOLD, empty_database_url]
        processes = [
            stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            for _ in range(20)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
        counts = [int(process.stdout.read()) for process in processes if process.stdout is not None]
    assert {process.returncode for process in processes} == {0}
    assert sorted(counts) == [0] * 19 + [len(OURS)]
    assert rows(empty_database_url, RECORDED) == OURS


def test_a_migration_in_another_form_is_refused(database_url: str) -> None:
    """A recorded checksum that is not ours: nothing is applied on top of what we do not know."""
    execute(database_url, "update auth_sync_migrations set checksum = 'other' where number = 2")
    execute(database_url, "delete from auth_sync_migrations where number > 2")
    with pytest.raises(MigrationError, match="Migration 2") as caught:
        migrate.migrate(database_url)
    assert caught.value.reason == "migration_differs"
    assert [number for number, _, _ in rows(database_url, RECORDED)] == [1, 2]


def test_what_is_missing_is_applied(database_url: str) -> None:
    """Where the last one was not recorded, only that one runs; a newer version's migrations are no hindrance."""
    execute(database_url, f"delete from auth_sync_migrations where number = {migrate.newest()}")  # noqa: S608
    execute(database_url, "insert into auth_sync_migrations (number, name, checksum) values (999, 'of_tomorrow', 'x')")
    assert migrate.migrate(database_url) == 1


def test_a_failed_migration_leaves_the_ones_before(empty_database_url: str) -> None:
    """Each is a transaction of its own; once the cause is gone, it goes on where it stopped."""
    execute(
        empty_database_url, "create function public.get_auth_sync_summary() returns integer language sql as 'select 1'"
    )
    with pytest.raises(MigrationError, match="get_auth_sync_summary"):
        migrate.migrate(empty_database_url)
    done = rows(empty_database_url, RECORDED)
    assert done == OURS[: len(done)]
    assert 0 < len(done) < len(OURS)
    execute(empty_database_url, "drop function public.get_auth_sync_summary()")
    assert migrate.migrate(empty_database_url) == len(OURS) - len(done)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql://postgres:s3cr%2Ft@127.0.0.1:{port}/postgres", id="nobody-listens"),
        pytest.param("postgresql://postgres:s3cr/t#1@127.0.0.1:{port}/postgres", id="unescaped-password"),
        pytest.param("postgresql://postgres:s3cr@s3cr]t@127.0.0.1:{port}/postgres", id="at-in-the-password"),
        pytest.param("postgresql://postgres:s3cr%t@127.0.0.1:{port}/postgres", id="percent-in-the-password"),
        pytest.param("postgresql://postgres@127.0.0.1:{port}/postgres?no_such=s3cr", id="unknown-option"),
    ],
)
def test_a_database_that_cannot_be_reached_is_told(url: str) -> None:
    """A clear error, without any part of the password, however the URL is broken."""
    with pytest.raises(MigrationError) as caught:
        migrate.migrate(url.format(port=free_port()))
    assert "s3cr" not in caught.value.detail


def test_a_role_without_rights_is_told(database_url: str) -> None:
    """A clear error where the role may not even read what has been migrated."""
    with pytest.raises(MigrationError):
        migrate.migrate(f"{database_url}&options=-c%20role%3Danon")
