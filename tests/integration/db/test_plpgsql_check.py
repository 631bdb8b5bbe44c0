"""plpgsql_check reads every function and trigger of ours: names, types, unread variables, and executed texts."""

import os
from typing import NamedTuple

import psycopg
import pytest

from tests.integration.capturing import prepared

PROBLEMS = """
select p.proname::text, f.message, f.detail, f.sqlstate, f.lineno
  from pg_proc p
  join pg_language l on l.oid = p.prolang and l.lanname = 'plpgsql'
  left join lateral (select max(t.tgrelid::oid) as relation,
                            max(t.tgoldtable) as old_rows, max(t.tgnewtable) as new_rows
                       from pg_trigger t where t.tgfoid = p.oid and not t.tgisinternal) as t on true
 cross join lateral plpgsql_check_function_tb(
   p.oid, coalesce(t.relation, 0), fatal_errors := false, security_warnings := true, compatibility_warnings := true,
   oldtable := t.old_rows, newtable := t.new_rows) as f
 where p.pronamespace = 'public'::regnamespace
 order by 1, f.lineno
"""
"""A function of several triggers is checked once, with the transition tables of all of them: a branch for UPDATE reads
rows that an INSERT does not have.
"""


class Problem(NamedTuple):
    function: str
    message: str
    detail: str | None
    sqlstate: str
    line: int | None


FALSE_POSITIVES = {
    (None, 'cast "text" value to "jsonb" type'): "a constant such as '[]', which PL/pgSQL converts by its text",
    ("auth_sync_people_query_v1", 'cast "text" value to "text[]" type'): "the same, of constant lists",
    ("auth_sync_audit_search_v1", 'cast "text" value to "timestamp with time zone" type'): "the same, of times",
    (
        "auth_sync_inbox_group_v1",
        'cast "record[]" value to "public.integration_sync_log[]" type',
    ): "each record is a row of this table",
    ("auth_sync_import_suspects_v1", 'cast "text" value to "integer[]" type'): "the same, of an empty list",
    ("auth_sync_import_suspects_v1", "text type variable is not sanitized"): "PostgreSQL's own text of constraints",
    ("auth_sync_sorted_people_v1", "text type variable is not sanitized"): "constants of auth_sync_sort_key_v1",
    ("auth_sync_next_part_v1", 'composite OUT variable "job" is not single argument'): "callers select its columns",
    ("auth_sync_insert_employee_v1", "text type variable is not sanitized"): "the names are quoted by quote_ident",
    ("auth_sync_install_v1", "text type variable is not sanitized"): "constants of auth_sync_triggers_v1",
    ("auth_sync_replayable_v1", "text type variable is not sanitized"): "auth_sync_bulk_condition_v1 quotes each value",
    ("auth_sync_secure_v1", "text type variable is not sanitized"): "names from regclass and regprocedure are quoted",
}
"""(function, or None for all; message or detail) of a problem that is none, and the reason."""


@pytest.fixture
def problems(supabase_database_url: str) -> list[Problem]:
    """The problems of our functions, in a database with pgcrypto, Vault and pg_net."""
    with psycopg.connect(prepared(supabase_database_url), autocommit=True) as connection:
        try:
            connection.execute("create extension plpgsql_check")
        except psycopg.errors.FeatureNotSupported:
            stop = pytest.fail if os.environ.get("CI") else pytest.skip
            stop(
                "plpgsql_check is not installed: apt-get install postgresql-NN-plpgsql-check (NN: the server's version)"
            )
        return [Problem(*row) for row in connection.execute(PROBLEMS)]


def keys(problem: Problem) -> set[tuple[str | None, str]]:
    """The entries of FALSE_POSITIVES that would name this problem."""
    texts = [problem.message, *([problem.detail] if problem.detail is not None else [])]
    return {(function, text) for function in (problem.function, None) for text in texts}


def test_plpgsql_check_finds_nothing(problems: list[Problem]) -> None:
    """plpgsql_check finds no problem in our functions, except the false positives, each of which it still finds."""
    assert [problem for problem in problems if not keys(problem) & FALSE_POSITIVES.keys()] == []
    assert {key for problem in problems for key in keys(problem)} >= FALSE_POSITIVES.keys()
