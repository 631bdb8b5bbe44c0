"""Rules for people (two_sides_rules.sql) and for the effort, which must hold when no event or action is due."""

from collections.abc import Callable, Mapping
from typing import Any

from psycopg import sql

from tests.employees import Connection
from tests.integration.two_sides import Plan, Sides, sides
from tests.integration.two_sides_moves import live
from webhook_service.events import Json
from webhook_service.ledger.reconcile import reconcile
from webhook_service.policy import EmailOwner

CALLS = 3
"""The largest number of calls to Auth for each change, because an action reads the user, writes, and reads again.

The same number is allowed for each failed call, each process that died and each repeated action.
"""

RULES = """
select c.relname as name, obj_description(c.oid) as rule
  from pg_class c
 where c.relnamespace = 'broken'::regnamespace and (c.relname !~ '^(auth|employees)_' or c.relname like %s) order by 1
"""
UNUSABLE = """
select from employees where employee_id = %(employee_id)s and email like '%%_@_%%' is not true
"""
SHARED = """
select from auth.users u
 where u.id = %(auth_user_id)s
   and (select count(distinct employee_id) from witness.seen
         where email = u.email and what in ('hired', 'employee email')) > 1
"""
EXPECTED = {"stale_email": UNUSABLE, "missing_link": SHARED}
"""Differences that only reconciliation finds, by kind.

A `stale_email` occurs if an employee has an e-mail that Auth cannot have, because Auth's e-mail then replaces it. A
`missing_link` occurs if several rows had the same e-mail and all but one of them were deleted in the meantime.
"""


def violations(url: str, plan: Plan, live: Callable[[Sides], None] = live) -> list[str]:
    """Run the plan until nothing is due, and describe the rules that do not hold."""
    with sides(url, plan) as there:
        there.begin()
        live(there)
        there.rest()
        wrong = [*broken(there.connection, plan.owner), *disproportionate(there)]
        rows, calls = there.rows(), there.server.count()
        there.rest()
        wrong += differences(there)
        there.rest()
        more_rows, more_calls = there.rows() - rows, there.server.count() - calls
        if more_rows or more_calls:
            wrong.append(f"{more_rows} rows of the ledger and {more_calls} calls had no cause")
        return wrong and [*wrong, f"{there.tally}"]


def broken(connection: Connection, owner: EmailOwner) -> list[str]:
    """Describe each broken rule with the users who break it, and the story of the first user."""
    lines = []
    for rule in connection.execute(RULES, [f"{owner}\\_%"]).fetchall():
        wrong = connection.execute(sql.SQL("select * from broken.{}").format(sql.Identifier(rule["name"]))).fetchall()
        lines += [f"BROKEN: {rule['rule']}: {described(row)}" for row in wrong]
        lines += [line for row in wrong[:1] for line in story_of(connection, row["id"])]
    return lines


def story_of(connection: Connection, user: Any) -> list[str]:
    return [f"  {row['line']}" for row in connection.execute("select witness.story(%s) as line", [user]).fetchall()]


def disproportionate(there: Sides) -> list[str]:
    """Describe an excessive number of calls to Auth, and calls that delete a user."""
    seen, tally = there.server.calls, there.tally
    bound = CALLS * (tally.changes + tally.crashes + tally.again + sum(call.fault is not None for call in seen))
    wrong = [f"{len(seen)} calls to Auth, more than {bound}"] if len(seen) > bound else []
    return wrong + [f"an auth user was deleted: {call.path}" for call in seen if call.method == "DELETE"]


def differences(there: Sides) -> list[str]:
    """Describe the differences that reconciliation finds, except those in EXPECTED."""
    found = reconcile(there.database, there.policy, requested_by="test", dry_run=True).shown
    return [
        line
        for difference in found
        if not is_expected(there.connection, difference)
        for line in [f"reconcile finds {difference}", *story_of(there.connection, difference["auth_user_id"])]
    ]


def is_expected(connection: Connection, difference: Mapping[str, Json]) -> bool:
    query = EXPECTED.get(difference["kind"])
    return query is not None and connection.execute(query.encode(), difference).rowcount == 1


def described(row: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())
