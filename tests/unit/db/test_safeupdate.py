"""No function of ours has an UPDATE or DELETE without WHERE, which Supabase refuses over the Data API (safeupdate)."""

import pytest

from tests.unsafe_statements import unsafe_statements
from webhook_service.db import schema

FUNCTION = "create function public.f() returns setof integer language {} as $$ {} $$;"
IN_PLPGSQL = {
    "statement": "update t set a = 1;",
    "into-a-variable": "update t set a = 1 returning a into b;",
    "loop": "for b in delete from t returning a loop null; end loop;",
    "returned-query": "return query update t set a = 1 returning a;",
    "with": "perform 1; with x as (delete from t returning a) select a into b from x;",
    "join-without-where": "update t set a = u.a from u join v on u.a = v.a;",
    "branch": "if true then null; else begin delete from t; exception when others then null; end; end if;",
    "text": "execute 'delete from t';",
    "format": "execute format('update %I set %I = %L', 't', 'a', 'where');",
    "text-in-a-loop": "for b in execute 'delete from t returning a' loop null; end loop;",
    "subquery-with-where": "update t set a = (select 1 where true);",
}


def test_no_update_or_delete_is_without_where() -> None:
    """Each UPDATE and DELETE of our functions has a WHERE, also if it changes the only row of a table."""
    texts = [schema.functions().sql, *(migration.sql for migration in schema.migrations())]
    functions = {name: unsafe for text in texts for name, unsafe in unsafe_statements(text).items()}
    assert {name: unsafe for name, unsafe in functions.items() if unsafe} == {}
    assert len(functions) > 150


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in IN_PLPGSQL.items()])
def test_an_unsafe_statement_is_found(body: str) -> None:
    """A statement without WHERE is found wherever PL/pgSQL may have it."""
    script = FUNCTION.format("plpgsql", f"declare b record; begin {body} end")
    assert len(unsafe_statements(script)["f"]) == 1


@pytest.mark.parametrize(
    "body", ["update t set a = 1", "select 1; delete from t", "with x as (update t set a = 1) select 1"]
)
def test_an_unsafe_statement_of_an_sql_function_is_found(body: str) -> None:
    """A statement without WHERE is found in a function in SQL."""
    assert [statement.split()[-1] for statement in unsafe_statements(FUNCTION.format("sql", body))["f"]] == ["t"]


@pytest.mark.parametrize(
    "body",
    [
        "update t set a = 1 where true;",
        "insert into t (a) values (1) on conflict (a) do update set a = 2;",
        "execute 'delete from t where a = $1' using 1;",
        "perform 'deleted: update t';",
        "truncate t;",
    ],
)
def test_a_safe_statement_is_not_reported(body: str) -> None:
    """A statement with a WHERE is safe, and so is an upsert, which safeupdate lets through."""
    assert unsafe_statements(FUNCTION.format("plpgsql", f"begin {body} end")) == {"f": []}
