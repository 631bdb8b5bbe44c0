"""A failed event does not affect other events. It is retried after growing intervals, and finally needs attention."""

import threading
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.captured import everything, inbound, make_due, newest, relay_all
from webhook_service.db.direct import DirectDatabase
from webhook_service.ledger.relay import run_once
from webhook_service.policy import Policy
from webhook_service.ports import Database


@pytest.fixture
def two(connection: Connection) -> tuple[int, int]:
    """Two employees with the same address."""
    return hire(connection, "jane@example.com"), hire(connection, "jane@example.com")


@pytest.fixture
def failed(database: Database, auth: Auth, two: tuple[int, int]) -> UUID:
    """An auth user with that address, whose event has failed once."""
    user = auth.admin_create("jane@example.com")
    assert run_once(database, Policy(), name="a").outcomes == {"ambiguous": 1}
    return user


def last_attempt(connection: Connection) -> int:
    """Return the number of failed attempts after which an event is no longer retried."""
    found = connection.execute(
        "select min(n) as n from generate_series(1, 100) as n where public.auth_sync_backoff_v1(n) is null"
    ).fetchone()
    assert found is not None
    return int(found["n"])


def waits(connection: Connection, attempts: int, samples: int = 200) -> list[timedelta]:
    found = connection.execute(
        "select public.auth_sync_backoff_v1(%s) as wait from generate_series(1, %s)", [attempts, samples]
    ).fetchall()
    return [row["wait"] for row in found]


def test_a_failure_is_due_again_later(database: Database, connection: Connection, failed: UUID) -> None:
    """A failed event is due again, but not at once."""
    event = newest(connection, failed)
    now = connection.execute(
        "select event.next_attempt_at - now() < interval '1 hour' as soon from integration_sync_log event"
    ).fetchone()
    assert (event["status"], event["attempts"], event["lease"], now) == ("FAILED", 1, None, {"soon": True})
    assert event["next_attempt_at"] >= event["created_at"] + timedelta(seconds=3.75)


def test_the_backoff_doubles_until_it_is_six_hours(connection: Connection) -> None:
    """The backoff doubles until it reaches six hours, with any random part."""
    by_attempt = [waits(connection, attempts) for attempts in range(1, 14)]
    assert all(max(shorter) < min(longer) for shorter, longer in pairwise(by_attempt))
    assert max(max(waits(connection, attempts)) for attempts in range(14, last_attempt(connection))) <= timedelta(
        hours=7.5
    )


def test_events_that_failed_together_are_not_retried_together(connection: Connection) -> None:
    """Each backoff is random within its bounds."""
    assert all(len(set(waits(connection, attempts))) > 100 for attempts in range(1, last_attempt(connection)))


def test_attempts_span_three_days_at_the_least(connection: Connection) -> None:
    """The attempts span 72 hours, a long weekend, even if every backoff is as short as possible."""
    shortest = [min(waits(connection, attempts)) for attempts in range(1, last_attempt(connection))]
    assert sum(shortest, timedelta(0)) >= timedelta(hours=72)


def test_after_the_last_attempt_an_event_needs_attention(
    database: Database, connection: Connection, failed: UUID
) -> None:
    """After its last attempt an event is no longer due, stays FAILED with its reason, and the summary counts it."""
    last = last_attempt(connection)
    connection.execute("update integration_sync_log set attempts = %s", [last - 2])
    make_due(connection)
    run_once(database, Policy(), name="a")
    assert newest(connection, failed)["next_attempt_at"] is not None
    make_due(connection)
    run_once(database, Policy(), name="a")
    event = newest(connection, failed)
    assert (event["status"], event["outcome"], event["attempts"]) == ("FAILED", "ambiguous", last)
    assert event["next_attempt_at"] is None
    assert database.call("get_auth_sync_summary")["needs_attention"] == 1
    assert run_once(database, Policy(), name="a").claimed == 0


def test_a_retry_succeeds_after_the_cause_is_fixed(
    database: Database, connection: Connection, two: tuple[int, int], failed: UUID
) -> None:
    """After the cause of a failure is fixed, the next retry succeeds without a replay."""
    connection.execute("update employees set email = 'other@example.com' where employee_id = %s", [two[1]])
    make_due(connection)
    assert run_once(database, Policy(), name="a").outcomes == {"linked": 1}
    event = newest(connection, failed)
    assert (event["status"], event["error_message"], event["attempts"]) == ("SUCCESS", None, 2)
    assert employee(connection, two[0])["auth_user_id"] == failed


def test_an_overtaken_retry_is_stale(
    database: Database, connection: Connection, auth: Auth, two: tuple[int, int], failed: UUID
) -> None:
    """A retry is stale if the user has moved to another address, even if the old address has become free."""
    auth.admin_change_email(failed, "elsewhere@example.com")
    assert relay_all(database) == {"unmatched": 1}
    connection.execute("update employees set email = 'other@example.com' where employee_id = %s", [two[1]])
    before = everything(connection, "employees", "auth_user_state")
    make_due(connection)
    assert run_once(database, Policy(), name="a").outcomes == {"stale": 1}
    assert everything(connection, "employees", "auth_user_state") == before


def test_a_failed_event_does_not_block_newer_ones(
    database: Database, connection: Connection, auth: Auth, failed: UUID
) -> None:
    """A user's newer event is applied even if an older event of the user is FAILED."""
    mary = hire(connection, "mary@example.com")
    auth.admin_change_email(failed, "mary@example.com")
    assert run_once(database, Policy(), name="a").outcomes == {"linked": 1}
    assert employee(connection, mary)["auth_user_id"] == failed
    assert [event["status"] for event in inbound(connection, failed)] == ["FAILED", "SUCCESS"]


@pytest.mark.parametrize(
    "request_data",
    [{}, [], "type", 5, None, {"type": "INSERT"}, {"type": "INSERT", "record": {"id": "nobody"}}, {"names": "type"}]
    + [{"email": None, "names": "Jane", "banned_until": None, "deleted_at": None}],
    ids=str,
)
def test_an_unreadable_row_fails_alone(
    database: Database, connection: Connection, auth: Auth, request_data: Any
) -> None:
    """A row without a readable event becomes FAILED as unreadable. Newer events of this and other users are applied."""
    jane, mary = hire(connection, "jane@example.com"), hire(connection, "mary@example.com")
    user, other = auth.admin_create("jane@example.com"), auth.admin_create("mary@example.com")
    connection.execute(
        "update integration_sync_log set request_data = %s where auth_user_id = %s", [Jsonb(request_data), user]
    )
    auth.update_metadata(user, {"first_name": "Jane"})
    assert relay_all(database) == {"unreadable": 1, "linked": 2}
    assert [event["status"] for event in inbound(connection, user)] == ["FAILED", "SUCCESS"]
    assert (employee(connection, jane)["first_name"], employee(connection, mary)["auth_user_id"]) == ("Jane", other)


def test_a_row_that_the_database_refuses_fails_alone(database: Database, connection: Connection, auth: Auth) -> None:
    """An event that violates a constraint becomes not_applied, and the other events of its batch are applied."""
    connection.execute("alter table auth_user_state add constraint refused check (email <> 'user11@example.com')")
    for number in range(30):
        hire(connection, f"user{number}@example.com")
    users = [auth.admin_create(f"user{number}@example.com") for number in range(30)]
    ran = run_once(database, Policy(), name="a")
    assert (ran.claimed, ran.outcomes) == (30, {"linked": 29, "not_applied": 1})
    event = newest(connection, users[11])
    assert (event["status"], event["attempts"], event["lease"]) == ("FAILED", 1, None)
    assert event["next_attempt_at"] is not None


def test_many_relays_apply_each_event_once(database_url: str, connection: Connection, auth: Auth) -> None:
    """Six concurrent relays apply each of 500 events once, and write each employee once."""
    connection.execute(
        "create table written (employee_id bigint);"
        "create function note() returns trigger language plpgsql as"
        " $$ begin insert into public.written values (new.employee_id); return null; end $$;"
        "create trigger note after update on employees for each row execute function note();"
        "insert into employees (email) select 'user' || n || '@example.com' from generate_series(1, 500) n;"
        "insert into auth.users (id, email, email_confirmed_at, updated_at)"
        " select gen_random_uuid(), 'user' || n || '@example.com', now(), now() from generate_series(1, 500) n"
    )
    start = threading.Barrier(6)

    def relay(name: str) -> None:
        own = DirectDatabase(database_url)
        start.wait()
        relay_all(own, name=name, limit=40)
        own.close()

    threads = [threading.Thread(target=relay, args=[f"relay-{number}"]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger = inbound(connection)
    assert {(event["status"], event["outcome"], event["attempts"]) for event in ledger} == {("SUCCESS", "linked", 1)}
    counted = connection.execute("select count(*) as writes, count(distinct employee_id) as employees from written")
    assert (len(ledger), counted.fetchone()) == (500, {"writes": 500, "employees": 500})
