"""The `rpc` of Supabase's Data API (PostgREST 12), over a connection of role `authenticator`.

Like PostgREST, it finds the function by its name and the names of the arguments, takes the role of the JWT, and calls
the function in one transaction, which is read-only unless the function is volatile. It applies the function's own
statement_timeout to the whole transaction. Errors have PostgREST's bodies and HTTP statuses.

Supabase loads safeupdate for `authenticator`. safeupdate is not packaged, so the double reads the bodies of all
functions that a call may reach, and refuses the call if one of them has a statement that safeupdate would refuse.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Json as JsonText

from tests.unsafe_statements import unsafe_statements
from webhook_service.events import Json

ROLES = """
do $$
begin
  if not exists (select from pg_roles where rolname = 'authenticator') then
    create role authenticator login noinherit;
  end if;
  grant anon, authenticated, service_role to authenticator;
  alter role authenticator set statement_timeout = '8s';
  alter role authenticator set lock_timeout = '8s';
  alter role authenticated set statement_timeout = '8s';
  alter role anon set statement_timeout = '3s';
end $$;
"""
"""Supabase's role for PostgREST, and its settings for the roles. service_role has none of its own."""

HOISTED = ("statement_timeout", "plan_filter.statement_cost_limit", "default_transaction_isolation")
"""The settings of a function that PostgREST applies to the whole transaction (`db-hoisted-tx-settings`)."""

FUNCTIONS = """
select p.oid, p.proretset as is_set, p.prorettype = 'void'::regtype as is_void, p.provolatile = 'v' as is_volatile,
       coalesce(p.proconfig, '{}') as settings, p.pronargdefaults as defaults,
       coalesce(p.proargnames[1:p.pronargs], '{}') as names,
       array(select format_type(t, null) from unnest(p.proargtypes) with ordinality as a (t, n) order by n) as types
  from pg_proc p
 where p.pronamespace = 'public'::regnamespace and p.proname = %s and p.prokind = 'f'
   and p.prorettype <> 'trigger'::regtype
"""
DEFINITIONS = """
select p.proname::text as name, pg_get_functiondef(p.oid) as definition,
       array(select distinct t.tgrelid::regclass::text from pg_trigger t where t.tgfoid = p.oid) as tables
  from pg_proc p join pg_language l on l.oid = p.prolang
 where p.pronamespace = 'public'::regnamespace and l.lanname in ('sql', 'plpgsql')
"""
CALLED = re.compile(r"\bpublic\.(\w+)\s*\(")
WRITTEN = re.compile(r"(?i)\b(?:insert\s+into|update|delete\s+from)\s+(?:only\s+)?(?:public\.)?(\w+)")

STATUSES = {
    **dict.fromkeys(("08", "53"), 503),
    **dict.fromkeys(("0L", "0P", "28"), 403),
    **dict.fromkeys(("09", "25", "2D", "38", "39", "3B", "40", "54", "55", "57", "58", "F0", "HV", "P0", "XX"), 500),
    **dict.fromkeys(("23503", "23505"), 409),
    **dict.fromkeys(("42883", "42P01"), 404),
    **{"25006": 405, "42501": 403, "42P17": 500, "57P01": 503, "P0001": 400, "21000": 400},
}
"""The HTTP statuses of SQLSTATEs and of their classes. Every other SQLSTATE has 400."""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response. A body of None is empty."""

    status: int
    body: str | None


class Refused(Exception):
    """An error response of PostgREST."""

    def __init__(self, status: int, code: str, message: str, details: str | None = None, hint: str | None = None):
        super().__init__(message)
        self.status = status
        self.body: dict[str, Json] = {"code": code, "details": details, "hint": hint, "message": message}


class DataApi:
    """Calls functions over a connection of `authenticator`, in autocommit."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def rpc(self, name: str, arguments: dict[str, Json], claims: dict[str, Json]) -> Response:
        """Call a function as the role in the JWT's claims. Raises Refused, and psycopg's errors of the connection."""
        cursor = self._connection.cursor(row_factory=dict_row)
        try:
            function = chosen(cursor.execute(FUNCTIONS, [name]).fetchall(), name, arguments)
            require_safe(name, cursor.execute(DEFINITIONS).fetchall())
            with self._connection.transaction():
                enter(cursor, function, claims)
                call = statement_for(name, function, arguments)
                [body] = cursor.execute(call, [JsonText(arguments)]).fetchall()
        except psycopg.Error as error:
            if self._connection.broken:
                raise
            raise refusal(error) from None
        return Response(204, None) if function["is_void"] else Response(200, body["body"])


def chosen(found: list[dict[str, Any]], name: str, arguments: dict[str, Json]) -> dict[str, Any]:
    """Return the function that accepts these arguments. Raises Refused if there is not exactly one."""
    fitting = [
        function
        for function in found
        if arguments.keys() <= set(function["names"])
        and set(function["names"][: len(function["names"]) - function["defaults"]]) <= arguments.keys()
    ]
    listed = ", ".join(sorted(arguments))
    if len(fitting) > 1:
        raise Refused(300, "PGRST203", f"Could not choose the best candidate function of public.{name}({listed})")
    if not fitting:
        searched = f"Searched for the function public.{name} with parameters {listed}, but found no match"
        raise Refused(404, "PGRST202", f"Could not find the function public.{name}({listed})", searched)
    return fitting[0]


def enter(cursor: psycopg.Cursor[Any], function: dict[str, Any], claims: dict[str, Json]) -> None:
    """Begin the transaction as PostgREST does: its access mode, the role, the claims, and the function's settings."""
    if not function["is_volatile"]:
        cursor.execute("set transaction read only")
    cursor.execute("select set_config('role', %s, true)", [claims["role"]])
    cursor.execute("select set_config('search_path', 'public, extensions', true)")
    cursor.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
    settings = (
        "select unnest(setconfig) as setting from pg_db_role_setting where setrole = %s::regrole and setdatabase = 0"
    )
    of_role = [row["setting"] for row in cursor.execute(settings, [claims["role"]]).fetchall()]
    for setting in [*of_role, *function["settings"]]:
        key, _, value = setting.partition("=")
        if setting in of_role or key in HOISTED:
            cursor.execute("select set_config(%s, %s, true)", [key, value])


def statement_for(name: str, function: dict[str, Any], arguments: dict[str, Json]) -> sql.Composed:
    """The query that calls the function with its named arguments, which it reads from one JSON object."""
    types = dict(zip(function["names"], function["types"], strict=True))
    columns: list[sql.Composable] = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(types[name])) for name in arguments
    ]
    named = [sql.SQL("{0} := a.{0}").format(sql.Identifier(name)) for name in arguments]
    source = sql.SQL("from json_to_record(%s) as a ({})").format(sql.SQL(", ").join(columns or [sql.SQL("_ text")]))
    call = sql.SQL("{}({})").format(sql.Identifier("public", name), sql.SQL(", ").join(named))
    if function["is_set"]:
        return sql.SQL("select coalesce(json_agg(r), '[]')::text as body {} , lateral {} as r").format(source, call)
    return sql.SQL("select coalesce(to_json({})::text, 'null') as body {}").format(call, source)


def refusal(error: psycopg.Error) -> Refused:
    """The error response for an error of PostgreSQL."""
    code = error.sqlstate or "XX000"
    status = STATUSES.get(code, STATUSES.get(code[:2], 400))
    return Refused(status, code, error.diag.message_primary or "", error.diag.message_detail, error.diag.message_hint)


def require_safe(name: str, functions: list[dict[str, Any]]) -> None:
    """Raise Refused if a function that a call may reach has a statement that safeupdate refuses."""
    definitions = {function["name"]: function["definition"] for function in functions}
    triggers: dict[str, list[str]] = {table: [] for function in functions for table in function["tables"]}
    for function in functions:
        for table in function["tables"]:
            triggers[table].append(function["name"])
    waiting, seen = [name], {name}
    while waiting:
        definition = definitions.get(waiting.pop(), "")
        if unsafe := unsafe_in(definition):
            raise Refused(400, "21000", f"{unsafe[0].split()[0].upper()} requires a WHERE clause")
        reached = set(calls_in(definition)) | {
            each for table in writes_in(definition) for each in triggers.get(table, ())
        }
        waiting += sorted(reached - seen)
        seen |= reached


@cache
def unsafe_in(definition: str) -> list[str]:
    return [unsafe for found in unsafe_statements(definition).values() for unsafe in found]


@cache
def calls_in(definition: str) -> Iterable[str]:
    return frozenset(CALLED.findall(definition))


@cache
def writes_in(definition: str) -> Iterable[str]:
    return frozenset(WRITTEN.findall(definition))
