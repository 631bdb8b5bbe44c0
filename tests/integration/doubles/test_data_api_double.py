"""The double of the Data API refuses and answers as PostgREST and safeupdate do, with Supabase's roles."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.auth_faults import AuthServer
from tests.data_api_server import jwt, supabase_project
from tests.employees import Connection
from webhook_service.events import Json

SHOW = """
create function public.show_{0}() returns jsonb language sql {0} as $$
  select jsonb_object_agg(name, current_setting(name)) || jsonb_build_object('session_user', session_user)
    from unnest(array['role', 'statement_timeout', 'lock_timeout', 'transaction_read_only', 'search_path']) as name
$$
"""
STATUSES = {"P0001": 400, "40001": 500, "23505": 409, "55P03": 500, "53300": 503, "22023": 400}


@pytest.fixture
def project(database_url: str) -> Iterator[AuthServer]:
    with supabase_project(database_url) as project:
        yield project


def called(project: AuthServer, function: str, key: str | None = None, **arguments: Json) -> tuple[int, Any]:
    """Call a function with a key, by default service_role's, and return the status and the JSON body, or None."""
    headers = {"apikey": key or project.key, "Authorization": f"Bearer {key or project.key}"}
    answer = httpx.post(f"{project.url}/rest/v1/rpc/{function}", json=arguments, headers=headers)
    return answer.status_code, answer.json() if answer.content else None


def refused(project: AuthServer, function: str, key: str | None = None, **arguments: Json) -> tuple[int, str]:
    """Return the status and the code of an error response, whose body has PostgREST's four keys."""
    status, body = called(project, function, key, **arguments)
    assert sorted(body) == ["code", "details", "hint", "message"]
    return status, body["code"]


def plpgsql(connection: Connection, name: str, body: str, options: str = "", returns: str = "jsonb") -> None:
    head = f"create function public.{name} returns {returns} language plpgsql {options} as $$ "
    connection.execute(f"{head}begin {body} end $$".encode())


def test_a_call_is_made_as_supabase_makes_it(project: AuthServer, connection: Connection) -> None:
    """`authenticator` calls as service_role, with its own timeouts. A stable function has a read-only transaction."""
    settings = {
        "role": "service_role",
        "session_user": "authenticator",
        "statement_timeout": "8s",
        "lock_timeout": "8s",
        "search_path": "public, extensions",
    }
    for volatility, read_only in {"volatile": "off", "stable": "on"}.items():
        connection.execute(SHOW.format(volatility).encode())
        assert called(project, f"show_{volatility}") == (200, settings | {"transaction_read_only": read_only})
    assert called(project, "show_volatile", jwt("anon"))[1]["statement_timeout"] == "3s"


def test_a_function_s_timeout_applies_to_the_whole_call(project: AuthServer, connection: Connection) -> None:
    """PostgREST applies a function's statement_timeout to the transaction, so it interrupts the function."""
    plpgsql(connection, "slow()", "perform pg_sleep(60); return '{}';", "set statement_timeout = '50ms'")
    assert refused(project, "slow") == (500, "57014")


def test_errors_of_the_function(project: AuthServer, connection: Connection) -> None:
    """An error has its SQLSTATE and the HTTP status of its class, and the call leaves nothing."""
    for sqlstate, status in {
        "P0001": 400,
        "40001": 500,
        "23505": 409,
        "55P03": 500,
        "53300": 503,
        "22023": 400,
    }.items():
        name = f"fail_{sqlstate.lower()}"
        insert = "insert into public.employees (email) values ('jane@example.com');"
        plpgsql(connection, f"{name}()", f"{insert} raise exception 'no' using errcode = '{sqlstate}';")
        assert refused(project, name) == (status, sqlstate)
    assert connection.execute("select from public.employees").fetchall() == []


def test_a_function_without_a_result(project: AuthServer, connection: Connection) -> None:
    """A function that returns void has an empty response (204)."""
    plpgsql(connection, "nothing()", "null;", returns="void")
    assert called(project, "nothing") == (204, None)


def test_functions_are_found_by_their_arguments(project: AuthServer, connection: Connection) -> None:
    """A function is found by its name and its arguments. Arguments with a default may be left out."""
    plpgsql(connection, "sum(p_a integer, p_b integer default 2)", "return to_jsonb(p_a + p_b);")
    assert called(project, "sum", p_a=1) == (200, 3)
    assert called(project, "sum", p_b=5, p_a=1) == (200, 6)
    assert refused(project, "sum", p_b=5) == (404, "PGRST202")
    assert refused(project, "sum", p_a=1, p_c=2) == (404, "PGRST202")
    assert refused(project, "no_such_function") == (404, "PGRST202")
    plpgsql(connection, "sum(p_a bigint)", "return '1';")
    assert refused(project, "sum", p_a=1) == (300, "PGRST203")


def test_keys(project: AuthServer) -> None:
    """A key with a wrong signature or an expired one is refused, and anon may not execute our functions."""
    assert refused(project, "auth_sync_schema_v1", jwt("service_role", secret=b"another")) == (401, "PGRST301")
    expired = jwt("service_role", expires_at=time.time() - 1)
    assert refused(project, "auth_sync_schema_v1", expired) == (401, "PGRST301")
    assert refused(project, "auth_sync_schema_v1", jwt("anon")) == (403, "42501")
    assert httpx.post(f"{project.url}/rest/v1/rpc/auth_sync_schema_v1", json={}).status_code == 401


UNSAFE = {
    "itself": ("update public.employees set is_active = false; return '1';", ""),
    "a function that it calls": ("perform public.inner_v1(); return '1';", "delete from public.employees;"),
}


@pytest.mark.parametrize(("outer", "inner"), [pytest.param(*bodies, id=name) for name, bodies in UNSAFE.items()])
def test_safeupdate_refuses(project: AuthServer, connection: Connection, outer: str, inner: str) -> None:
    """An UPDATE or DELETE without WHERE is refused, also in SECURITY DEFINER functions."""
    plpgsql(connection, "inner_v1()", inner or "null;", "security definer", "void")
    plpgsql(connection, "outer_v1()", outer, "security definer")
    assert refused(project, "outer_v1") == (400, "21000")


def test_safeupdate_refuses_in_a_trigger(project: AuthServer, connection: Connection) -> None:
    """A trigger of a written table is refused as well, and a direct connection is not."""
    plpgsql(
        connection, "touch()", "update public.auth_sync_settings set relay_after = '1 s'; return null;", "", "trigger"
    )
    connection.execute("create trigger touch after insert on employees execute function touch()")
    plpgsql(connection, "add_v1()", "insert into public.employees (email) values ('x'); return '1';")
    assert refused(project, "add_v1") == (400, "21000")
    assert connection.execute("select public.add_v1()").fetchall() == [{"add_v1": 1}]


def test_a_database_that_is_gone(project: AuthServer, connection: Connection) -> None:
    """A lost connection is PGRST001 (503), and the next call connects again."""
    with httpx.Client(headers={"apikey": project.key, "Authorization": f"Bearer {project.key}"}) as client:
        url = f"{project.url}/rest/v1/rpc/auth_sync_schema_v1"
        assert client.post(url, json={}).status_code == 200
        gone = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator' and datname = %s"
        connection.execute(gone, [psycopg.conninfo.conninfo_to_dict(connection.info.dsn)["dbname"]])
        answer = client.post(url, json={})
        assert (answer.status_code, answer.json()["code"]) == (503, "PGRST001")
        assert client.post(url, json={}).status_code == 200
