"""Plans that a session made while the tables were empty do not read whole tables after the tables have grown.

The first tests have tables in which there never was a row. For a table whose rows were all deleted, PostgreSQL
expects one row until it has made new statistics, about a minute after the table has grown, and may choose any index.
"""

import re
from hashlib import md5
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.employees import Connection
from webhook_service.events import AuthEvent, AuthUser, Json, Operation, Via
from webhook_service.inbound.handlers import decide
from webhook_service.inbound.processing import to_json
from webhook_service.policy import Policy

EMPLOYEES, REST = Path(__file__).parent.with_name("full_tables.sql").read_bytes().split(b"-- the rest\n")
MANY = 20
"""The number of events, employees or users in each call. Each table has three thousand."""

AT_MOST = 50 * MANY
"""The number of rows that a call may read. It allows some rows for each event, but no whole table."""

AT_MOST_EMPTIED = 3 * MANY * 3000
"""The same after the tables were emptied: some whole tables for each event, but not one for each row of another."""

READ = """
select coalesce(sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)), 0)::integer as rows
  from pg_stat_xact_user_tables where schemaname in ('public', 'auth')
"""


def user(number: int) -> UUID:
    return UUID(md5(str(number).encode(), usedforsecurity=False).hexdigest())


def works(prefix: str, version: int, via: Via, **names: str) -> list[Json]:
    made = []
    for number in range(1001, 1001 + MANY):
        known = AuthUser(user(number), email=f"person{number}@example.com", email_confirmed=True, names=names)
        event = AuthEvent(f"{prefix}-{number}", Operation.UPDATE, version, known)
        requested_by = "test" if via is Via.REPLAY else None
        made.append(to_json(decide(event, Policy(), via=via, requested_by=requested_by)))
    return made


PROCESS = "select public.auth_sync_process_v1(%s, %s, p_skip_held => %s)"
CALLS: dict[str, tuple[str, list[Any]]] = {
    "webhook": (PROCESS, [Jsonb(works("new", 3, Via.WEBHOOK)), False, False]),
    "relay": (PROCESS, [Jsonb(works("pending", 2, Via.RELAY, first_name="Bea")), False, True]),
    "reconciled": (PROCESS, [Jsonb(works("pending", 2, Via.RECONCILE, first_name="Bea")), False, True]),
    "captured": (PROCESS, [Jsonb(works("pending", 2, Via.WEBHOOK, first_name="Bea")), False, False]),
    "replay": (PROCESS, [Jsonb(works("old", 1, Via.REPLAY)), False, False]),
    "dry run": (PROCESS, [Jsonb(works("pending", 2, Via.RELAY)), True, False]),
    "claim": ("select public.auth_sync_claim_v1('r', 20, 30)", []),
    "claim actions": ("select public.auth_sync_claim_actions_v1('r', 20, 30, 1000)", []),
    "fail": ("select public.auth_sync_fail_v1('pending-7', 'unreadable', 'e', null)", []),
    "claim action": ("select public.auth_sync_claim_action_v1('action-700', 'l', 30)", []),
    "settle": ("select public.auth_sync_settle_v1('action-700', 'l', 'disabled')", []),
    "postpone": ("select public.auth_sync_postpone_v1('[\"pending-7\"]', 'l')", []),
    "give back": ("select public.auth_sync_give_back_v1('action-700', 'l')", []),
    "event": ("select public.auth_sync_event_v1('pending-7')", []),
    "others": ("select public.auth_sync_others_v1('pending-7')", []),
    "dismiss": ("select public.auth_sync_dismiss_v1('pending-7')", []),
    "close healed": ("select public.auth_sync_close_healed_v1(20)", []),
    "open": ("select public.auth_sync_search_v1('{\"open\": true}', null, 20)", []),
    "set active": ("select public.auth_sync_set_active_v1(700, false, 'admin')", []),
    "change": ("select public.auth_sync_change_employee_v1(700, '{\"last_name\": \"Roe\"}', false, 'employees')", []),
    "with number": ("select public.auth_sync_with_number_v1('E700', null)", []),
    "choose": ("select public.auth_sync_choose_v1(2000, %s, 'test')", [user(2000)]),
    "adopt": (
        "select public.auth_sync_adopt_v1('{\"employee_id\": 2000}', 'person2000@example.com', %s, 'admin', 'test')",
        [user(2000)],
    ),
    "users": ("select public.auth_sync_reconcile_page_v1(null, 'users', %s, 20, '[]')", [UUID(int=0)]),
    "gone": ("select public.auth_sync_reconcile_page_v1(null, 'gone', %s, 20, '[]')", [UUID(int=0)]),
    "reconcile": (
        "do $$ begin insert into public.integration_sync_log (event_id, direction, operation, via, leased_until)"
        " values ('run', 'maintenance', 'reconcile', 'reconcile', now());"
        " perform public.auth_sync_reconcile_page_v1('run', 'users', md5('0')::uuid, 20, '[]'); end $$",
        [],
    ),
    "hires": (
        "do $$ begin insert into public.auth_sync_hires (employee_id, noted_at, seen_at)"
        " select n, now(), now() - interval '1 minute' from generate_series(2881, 2900) as n;"
        " perform public.auth_sync_claim_v1('r', 4, 30); end $$",
        [],
    ),
    "prune": ("select public.auth_sync_prune_v1(now() + interval '1 day', 20, false)", []),
    "compare": ("select public.auth_sync_refresh_mismatches_v1(20)", []),
    "events": ("select public.auth_sync_events_v1('{}', null, 20)", []),
    "search": ('select public.auth_sync_search_v1(\'{"status": "PENDING"}\', null, 20)', []),
    "person": ("select public.auth_sync_person_v1(2000)", []),
    "timeline": ("select public.auth_sync_timeline_v1(700, null, 20)", []),
    **{
        f"inbox, group {group}": ("select public.auth_sync_inbox_group_v1(%s, null, 20)", [group])
        for group in (1, 3, 4, 5, 7, 9)
    },
    "inbox, waiting actions": (
        "select public.auth_sync_inbox_ledger_v1('{disable_auth_user}', '{\"\"}', true, null, 20)",
        [],
    ),
    "list": ("select public.auth_sync_people_v1('{}', 700, 20)", []),
    "list of missing": ('select public.auth_sync_people_v1(\'{"sync_status": "MISSING_AUTH_UID"}\', 700, 20)', []),
    "list by e-mail": ("select public.auth_sync_sorted_people_v1('email', false, 700, false, 20)", []),
    "list by number, backwards": ("select public.auth_sync_sorted_people_v1('number', true, 700, true, 20)", []),
    "chosen": ("select public.auth_sync_chosen_people_v1('[700, 701, 702]')", []),
    "events, backwards": ("select public.auth_sync_search_v1('{}', null, 20, 3000)", []),
    "candidates": ("select public.auth_sync_login_candidates_v1(%s)", [user(2000)]),
    "e-mail holder": ("select public.auth_sync_email_holder_v1('person700@example.com')", []),
    "intend and hire": (
        "do $$ begin perform public.auth_sync_intend_v1('{\"email\": \"new@example.com\"}', 'new@example.com',"
        " md5('new')::uuid, 'l', 30, 'admin', 'test');"
        " perform public.auth_sync_hire_v1(md5('new')::uuid || ':create_auth_user', 'l'); end $$",
        [],
    ),
    "audit": ("select public.auth_sync_audit_search_v1('{}', null, 20)", []),
    "audit with requests": ('select public.auth_sync_audit_search_v1(\'{"requests": "true"}\', null, 20)', []),
    "requests of a directory": (
        'select public.auth_sync_audit_search_v1(\'{"requests": "true", "who": "ann"}\', null, 20)',
        [],
    ),
    "requests about a target": (
        'select public.auth_sync_audit_search_v1(\'{"requests": "true", "target": "employee:700"}\', null, 20)',
        [],
    ),
    "acts about a target": ('select public.auth_sync_audit_search_v1(\'{"target": "employee:700"}\', null, 20)', []),
    "audit of an admin": ('select public.auth_sync_audit_search_v1(\'{"who": "ann"}\', null, 20)', []),
    "audit of a target": ('select public.auth_sync_audit_search_v1(\'{"target": "event:700"}\', null, 20)', []),
    "audit of a day": (
        'select public.auth_sync_audit_search_v1(\'{"since": "2026-02-01", "until": "2026-02-02"}\', null, 20)',
        [],
    ),
    "bulk replays": ("select public.auth_sync_bulk_replays_page_v1(2000, 20)", []),
    "newest run": ("select public.auth_sync_reconcile_run_v1()", []),
    "shared e-mails": (
        "select public.auth_sync_shared_emails_v1("
        "(select jsonb_agg('person' || n || '@example.com') from generate_series(2001, 2020) as n), false)",
        [],
    ),
    "forget": ("select public.auth_sync_forget_v1(%s)", [user(2000)]),
    "hired": (
        "insert into employees (email) select 'person' || n || '@example.com' from generate_series(3001, 3020) as n",
        [],
    ),
    "dismissed": ("update employees set is_active = false where employee_id between 101 and 120", []),
    "left": ("delete from employees where employee_id between 101 and 120", []),
    "moved": ("update employees set email = 'x' || email where employee_id between 101 and 120", []),
    "number": ("update employees set employee_number = 'X' || employee_id where employee_id between 2001 and 2020", []),
    "signed up": (
        "insert into auth.users (id, email, email_confirmed_at) select gen_random_uuid(), n || '@x.com', now()"
        " from generate_series(1, 20) as n",
        [],
    ),
    "deleted": ("delete from auth.users where id = any (%s)", [[user(n) for n in range(1, 21)]]),
    "renamed": (
        'update auth.users set raw_user_meta_data = \'{"first_name": "Bea"}\' where id = any (%s)',
        [[user(n) for n in range(1, 21)]],
    ),
}

AFTER_EMPTYING = (
    *("webhook", "relay", "reconciled", "captured", "replay", "dry run", "claim", "claim actions"),
    *("hired", "dismissed", "left", "moved", "number", "signed up", "deleted", "renamed"),
)
FILLED = sorted(set(re.findall(rb"insert into (\S+)", EMPLOYEES + REST)))
"""The tables that the two parts fill."""


def fill(url: str, *parts: bytes) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("set session_replication_role = replica")  # no trigger fires for these rows
        for part in parts:
            connection.execute(part)


def rows_read_after_growth(url: str, connection: Connection, call: str, early: tuple[bytes, ...]) -> int:
    """Plan the call while only `early` is in the tables, then fill them, and return how many rows the call reads."""
    statement, values = CALLS[call]
    connection.prepare_threshold = None  # only the plans inside the functions are cached
    fill(url, *early)
    connection.execute("analyze")  # without these statistics, the planner expects more rows
    for _ in range(7):  # PostgreSQL may cache a generic plan after five executions
        with connection.transaction(force_rollback=True):
            connection.execute(statement.encode(), values)
    fill(url, *(part for part in (EMPLOYEES, REST) if part not in early))
    connection.execute("set enable_seqscan = off")  # affects only plain statements, and cached plans stay
    connection.execute("set statement_timeout = '60s'")  # a call that compares all rows with all would take an hour
    with connection.transaction(force_rollback=True):
        before = rows_read(connection)
        connection.execute(statement.encode(), values)
        return rows_read(connection) - before


@pytest.mark.campaign
@pytest.mark.parametrize("early", [(), (EMPLOYEES,)], ids=["all empty", "only employees"])
@pytest.mark.parametrize("call", CALLS)
def test_rows_are_found_by_an_index(
    database_url: str, connection: Connection, call: str, early: tuple[bytes, ...]
) -> None:
    """A call reads a few rows for each event, not whole tables, although its plans were made for empty tables."""
    connection.execute("vacuum")  # gives the pages of earlier tests' rows back
    assert rows_read_after_growth(database_url, connection, call, early) <= AT_MOST


@pytest.mark.campaign
@pytest.mark.parametrize("call", AFTER_EMPTYING)
def test_no_table_is_read_for_each_row_of_another(database_url: str, connection: Connection, call: str) -> None:
    """Events and changes of employees do not wait for statistics when the planner expects one row in each table."""
    fill(database_url, EMPLOYEES, REST)
    with psycopg.connect(database_url) as emptying:
        emptying.execute("set session_replication_role = replica")
        for table in FILLED:
            emptying.execute(b"delete from " + table)
    assert rows_read_after_growth(database_url, connection, call, ()) <= AT_MOST_EMPTIED


def rows_read(connection: Connection) -> int:
    """Return the number of rows that this transaction has read, by any kind of scan."""
    [found] = connection.execute(READ).fetchall()
    return int(found["rows"])
