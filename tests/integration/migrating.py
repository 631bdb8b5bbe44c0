"""Both ways to migrate a database, and the resulting schema."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from webhook_service.db import schema

RECORDED = "select number, name, checksum from auth_sync_migrations order by number"
OURS = [(migration.number, migration.name, migration.checksum) for migration in schema.migrations()]
DIGESTS = "select digest from auth_sync_functions order by applied_at desc"
SCRIPTS = len(OURS) + 1
"""The number of scripts that a new database gets: the migrations, and one with the functions."""


def tool(url: str, name: str) -> str:
    """Return the path of a PostgreSQL command of the server's version, from the server's own folder."""
    [(folder,)] = rows(url, "select setting from pg_config where name = 'BINDIR'")
    return str(Path(folder) / name)


def schema_of(url: str) -> str:
    """Return pg_dump's text of all objects with their privileges and comments."""
    command = [tool(url, "pg_dump"), "--schema-only", url]
    dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return re.sub(r"(?m)^\\(un)?restrict .*\n", "", dump)  # these lines contain a random word


@cache
def printed_sql() -> str:
    """The output of `webhook-service sql`, which is always the same."""
    command = [str(Path(sys.executable).with_name("webhook-service")), "sql"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def psql(url: str) -> None:
    """Run the output of `webhook-service sql`, each statement in its own transaction."""
    command = [tool(url, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", url]
    subprocess.run(command, input=printed_sql(), capture_output=True, text=True, check=True)


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def execute(url: str, statements: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statements)


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
