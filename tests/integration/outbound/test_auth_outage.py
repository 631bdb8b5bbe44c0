"""If employees change during an hour's outage of Auth, each change arrives once afterwards, with few calls.

The tests do not wait for an hour. If nothing is due, they move the times in the database back.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest

from tests.auth_faults import CUT, TIMED_OUT, AuthServer, Fault, throttled
from tests.auth_server import auth_server
from tests.employees import Connection
from tests.integration.auth_admins import client
from tests.integration.captured import nothing_captured, relay_all
from tests.integration.requested_actions import actions, banned, dismiss, fill_bucket, link_many
from webhook_service.app import utc_now
from webhook_service.outbound.accounts import MAX_CONCURRENT_ACTIONS, Accounts
from webhook_service.policy import EmailOwner
from webhook_service.ports import Database

HOUR = 3600.0
RATE = 5
ONE_BY_ONE = range(1, 101)
THERE_AGAIN = range(1, 21)
"""Employees of ONE_BY_ONE who are active again soon after."""
MARRIED = range(101, 121)
"""Employees who get another e-mail, one by one."""
IN_BULK = range(121, 241)
"""Employees who leave in one statement, in the middle of the hour."""

WITH_LOGINS = """
insert into auth.users
  (id, aud, role, email, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
select auth_user_id, 'authenticated', 'authenticated', email, now(), '{}', '{}', now(), now() from employees
"""
PASS = """
update integration_sync_log
   set next_attempt_at = next_attempt_at - %(passed)s, leased_until = leased_until - %(passed)s
 where status <> 'SUCCESS' and direction = 'outbound';
update auth_sync_rate set paused_until = paused_until - %(passed)s, refilled_at = refilled_at - %(passed)s;
update auth_sync_session_ends set due_at = due_at - %(passed)s
"""
Changes = list[tuple[float, Callable[[Connection], object]]]


@pytest.fixture
def auth(database_url: str, connection: Connection) -> Iterator[AuthServer]:
    """Provide Auth, and employees who have a login each."""
    link_many(connection, IN_BULK.stop - 1)
    with nothing_captured(connection):
        connection.execute(WITH_LOGINS)
    fill_bucket(connection)
    with auth_server(database_url) as server:
        yield server


@pytest.fixture
def accounts(auth: AuthServer, database: Database) -> Iterator[Accounts]:
    with client(auth) as admin:
        yield Accounts(database, admin, EmailOwner.AUTH, RATE, utc_now)


def user(employee_id: int) -> UUID:
    """Return the auth user that `link_many` links to this employee."""
    return UUID(f"00000000-0000-4000-8000-{employee_id:012x}")


def number_in(path: str) -> int:
    """Return the employee id of the auth user in a path."""
    return int(path[-12:], 16)


def changes_of_an_hour() -> Changes:
    """Return the changes with their times, in seconds."""
    return sorted(
        [
            *((number * 30.0, lambda c, n=number: dismiss(c, n)) for number in ONE_BY_ONE),
            *((number * 30.0 + 300, lambda c, n=number: come_back(c, n)) for number in THERE_AGAIN),
            *((number * 20.0, lambda c, n=number: marry(c, n)) for number in MARRIED),
            (HOUR / 2, lambda c: dismiss(c, *IN_BULK)),
        ],
        key=lambda change: change[0],
    )


def come_back(connection: Connection, employee_id: int) -> None:
    connection.execute("update employees set is_active = true where employee_id = %s", [employee_id])


def marry(connection: Connection, employee_id: int) -> None:
    connection.execute("update employees set email = 'new-' || email where employee_id = %s", [employee_id])


def pass_time(connection: Connection, seconds: float) -> None:
    for statement in PASS.split(";"):
        connection.execute(statement.encode(), {"passed": timedelta(seconds=seconds)})


def relay_for(seconds: float, accounts: Accounts, connection: Connection, changes: Changes) -> None:
    """Run a relay for this many seconds, apply the `changes` of that time, and remove them from the list."""
    now = 0.0
    while now < seconds:
        while changes and changes[0][0] <= now:
            changes.pop(0)[1](connection)
        ran = accounts.run_once("relay")
        until_due = math.inf if ran.next_in is None else ran.next_in
        wait = min(until_due, (changes[0][0] if changes else seconds) - now, seconds - now)
        if not ran.claimed or ran.held == ran.claimed:
            pass_time(connection, max(wait, 0.05))
            now += max(wait, 0.05)


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("outage", "most"),
    [(CUT, 80), (TIMED_OUT, 80), (throttled("60"), MAX_CONCURRENT_ACTIONS * 61)],
    ids=["unreachable", "504", "429"],
)
def test_after_an_hour_each_change_arrives_once(
    connection: Connection, database: Database, auth: AuthServer, accounts: Accounts, outage: Fault, most: int
) -> None:
    """After an outage of an hour, each change that is still needed is sent once, single changes before the bulk.

    During the outage all relays together call Auth about once a minute, or as often as its requested pause allows.
    """
    auth.fail(outage)
    changes = changes_of_an_hour()
    relay_for(HOUR, accounts, connection, changes)
    assert changes == []
    assert 0 < len(auth.calls) <= most

    auth.fail(None)
    auth.forget_calls()
    relay_for(HOUR, accounts, connection, changes)

    relay_all(database)
    assert [action for action in actions(connection) if action["status"] != "SUCCESS"] == []
    left = {*ONE_BY_ONE, *IN_BULK} - {*THERE_AGAIN}
    assert banned(connection) == {user(employee_id) for employee_id in left}
    emails = connection.execute("select id, email from auth.users where email like 'new-%'").fetchall()
    assert {row["id"]: row["email"] for row in emails} == {user(n): f"new-user{n}@example.com" for n in MARRIED}

    written = [number_in(call.path) for call in auth.calls if call.method == "PUT"]
    assert Counter(written) == Counter([*left, *MARRIED])
    # The first write may belong to the bulk, because it is the attempt that found Auth available. Concurrent actions
    # overtake each other.
    soon = {*left, *MARRIED} - {*IN_BULK}
    assert soon <= set(written[: len(soon) + 1 + MAX_CONCURRENT_ACTIONS])
