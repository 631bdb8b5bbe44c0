"""Employees tables of companies. EMPLOYEES_TABLE chooses the table of the tests' databases.

Tests with the marker `every_employees_table` pass on each table. `.ci/run` runs them once on each table.
"""

import os
import re
from typing import Any

import psycopg
from pglast import parse_plpgsql
from psycopg import sql

from webhook_service.db import embedded, schema

OURS = "ours"
INTEGER_KEYS = "integer_keys"
ALL_NAMES = "all_names"
TABLES = (OURS, INTEGER_KEYS, ALL_NAMES)

FUNCTION = re.compile(r"(?s)\ncreate or replace function public\.(\w+)\(.*?\bas \$\$(.*?)\$\$")
ALIASES = (
    r"\bas (?:materialized )?(\w+)",
    r"(\w+) as (?:materialized )?\(",
    r"\b(?:from|join|update) (?:only )?[\w.]+(?:\([^()]*\))? (\w+)",
    r"\bas \w+ \(([\w, \"]+)",
    r"(?s)returns table \((.*?)\)\n",
)
SYSTEM_COLUMNS = {"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"}
EMPLOYEES_COLUMNS = {
    *(
        "employee_id",
        "email",
        "first_name",
        "last_name",
        "employee_number",
        "user_type_id",
        "auth_user_id",
        "is_active",
    ),
    *("orphaned_at", "orphaned_auth_user_id"),
}

SERIAL_AND_VARCHAR = """
create table public.employees (
  employee_id serial primary key, email {text}, first_name varchar(100), last_name varchar(100), employee_number {text},
  user_type_id smallint, is_active boolean not null default true
);
alter table public.employees enable row level security;
revoke all on public.employees, public.employees_employee_id_seq from anon, authenticated;
"""


def chosen() -> str:
    """The table of this run, from EMPLOYEES_TABLE."""
    table = os.environ.get("EMPLOYEES_TABLE", OURS)
    assert table in TABLES, f"EMPLOYEES_TABLE must be one of {TABLES}"
    return table


def create(connection: psycopg.Connection[tuple[object, ...]], table: str) -> None:
    """Create `public.employees` in an empty database. `migrate` creates OURS."""
    if table == INTEGER_KEYS:
        connection.execute(
            SERIAL_AND_VARCHAR.format(text="citext" if has_citext(connection) else "varchar(320)").encode()
        )
    elif table == ALL_NAMES:
        connection.execute(SERIAL_AND_VARCHAR.replace("serial", "bigserial").format(text="text").encode())
        # No operator of ours takes this type, so a wrong column is an error and not a wrong value.
        added = (sql.SQL("add column {} pg_snapshot").format(sql.Identifier(name)) for name in all_names())
        connection.execute(sql.SQL("alter table public.employees {}").format(sql.SQL(", ").join(added)))


def has_citext(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    """Whether the database has citext. Creates the extension if the server has contrib."""
    is_there = connection.execute("select 1 from pg_available_extensions where name = 'citext'").fetchone() is not None
    if is_there:
        connection.execute("create extension if not exists citext")
    return is_there


def all_names() -> list[str]:
    """The names of all parameters, variables, aliases and output columns of our functions and views."""
    text = schema.functions().sql
    names = {name for pattern in ALIASES for found in re.findall(pattern, text) for name in re.findall(r"\w+", found)}
    for match in FUNCTION.finditer("\n" + text):
        names.update(re.findall(r"\b(p_\w+)", match.group(0).partition("$$")[0]))
        if "language plpgsql" in match.group(0):
            names.update(variables(match.group(0) + ";"))
    return sorted(name for name in names - EMPLOYEES_COLUMNS - SYSTEM_COLUMNS if name.isidentifier())


def variables(statement: str) -> set[str]:
    """The names of the variables and parameters of a PL/pgSQL function."""
    datums = parsed(statement)[0]["PLpgSQL_function"]["datums"]
    return {datum[kind]["refname"] for datum in datums for kind in datum if "refname" in datum[kind]}


def parsed(statement: str) -> Any:
    """The tree of a PL/pgSQL function, as pglast gives it."""
    return parse_plpgsql(statement.replace("public.integration_sync_log[]", "text[]"))  # pglast knows no tables


def prepare(url: str) -> None:
    """Give a plain PostgreSQL with contrib the roles and the schema `auth` of the embedded PostgreSQL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(embedded.supabase_roles())
        embedded.create_auth_schema(connection)
