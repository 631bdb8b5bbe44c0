"""The relay applies due events in order and independently of each other, and only while it holds their lease."""

from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from flask.testing import FlaskClient

from tests.auth_stand_in import Auth
from tests.auth_traffic import outcome_of
from tests.employees import Connection, employee, hire
from tests.integration.captured import (
    claim,
    deliver,
    end_leases,
    everything,
    inbound,
    newest,
    relay_all,
)
from webhook_service.events import Outcome, Status, Via
from webhook_service.inbound.processing import fail, process_rows
from webhook_service.ledger.relay import run_once
from webhook_service.policy import Policy
from webhook_service.ports import Database


@pytest.fixture
def jane(connection: Connection) -> int:
    return hire(connection, "jane@example.com")


@pytest.fixture
def user(auth: Auth, jane: int) -> UUID:
    """Jane's auth user, whose sign-up is captured and pending."""
    return auth.admin_create("jane@example.com")


def test_a_pending_event_is_applied(database: Database, connection: Connection, jane: int, user: UUID) -> None:
    """The relay applies an event that the webhook did not receive, and the ledger records `relay` as its `via`."""
    ran = run_once(database, Policy(), name="a")
    assert (ran.claimed, ran.outcomes) == (1, {"linked": 1})
    assert employee(connection, jane)["auth_user_id"] == user
    event = newest(connection, user)
    assert (event["status"], event["via"], event["attempts"], event["lease"]) == ("SUCCESS", "relay", 1, None)


def test_events_of_a_user_are_applied_in_the_order_of_their_versions(
    database: Database, connection: Connection, auth: Auth, user: UUID
) -> None:
    """The events of a user are applied in order, even if the newest is due first and each pass claims one row."""
    for name in ("One", "Two", "Three"):
        auth.update_metadata(user, {"first_name": name})
    connection.execute("update integration_sync_log set next_attempt_at = now() - id * interval '1 second'")
    relay_all(database, limit=1)
    assert [event["outcome"] for event in inbound(connection)] == ["linked", "synced", "synced", "synced"]


def test_a_pass_claims_one_batch_at_most(database: Database, auth: Auth) -> None:
    """A pass claims no more events than its limit, and the next pass claims the following events."""
    for number in range(7):
        auth.admin_create(f"user{number}@example.com")
    assert [run_once(database, Policy(), name="a", limit=3).claimed for _ in range(4)] == [3, 3, 1, 0]


def test_only_due_events_are_claimed(database: Database, connection: Connection, user: UUID) -> None:
    """A pass skips an event that is not due yet, and reports the time until it is due."""
    connection.execute("update integration_sync_log set next_attempt_at = now() + interval '1 hour'")
    ran = run_once(database, Policy(), name="a")
    assert ran.claimed == 0
    assert ran.next_in is not None
    assert 0 < ran.next_in <= 3600
    assert newest(connection, user)["status"] == "PENDING"


def test_an_empty_ledger_has_no_next_time(database: Database) -> None:
    """If no event is open, the `next_in` of the pass is None."""
    assert run_once(database, Policy(), name="a").next_in is None


def test_a_leased_row_is_skipped(database: Database, connection: Connection, user: UUID) -> None:
    """A relay does not claim a row that another relay has leased."""
    claim(database, "a")
    before = everything(connection)
    ran = run_once(database, Policy(), name="b")
    assert (ran.claimed, everything(connection)) == (0, before)
    assert ran.next_in is not None
    assert ran.next_in > 0


def test_a_lease_that_has_ended_is_taken_over(
    database: Database, connection: Connection, jane: int, user: UUID
) -> None:
    """After the lease of a dead relay ends, another relay claims the row."""
    claim(database, "a")
    end_leases(connection)
    assert run_once(database, Policy(), name="b").outcomes == {"linked": 1}
    assert employee(connection, jane)["auth_user_id"] == user
    assert newest(connection, user)["attempts"] == 1


def test_late_work_of_a_relay_is_a_duplicate(database: Database, connection: Connection, user: UUID) -> None:
    """If another relay has applied a row meanwhile, the first relay's work is a duplicate and changes nothing."""
    rows = claim(database, "a")
    end_leases(connection)
    run_once(database, Policy(), name="b")
    before = everything(connection)
    [late] = process_rows(database, Policy(), rows, via=Via.RELAY, lease="a")
    assert (late.status, late.outcome) == (Status.SUCCESS, "duplicate")
    assert everything(connection) == before


def test_work_of_a_lost_lease_leaves_the_row_to_its_new_holder(
    database: Database, connection: Connection, user: UUID
) -> None:
    """The work of a relay that lost its lease is a duplicate, even if the new holder has not applied the row yet."""
    rows = claim(database, "a")
    end_leases(connection)
    claim(database, "b")
    before = everything(connection, "employees", "integration_sync_log")
    assert [r.outcome for r in process_rows(database, Policy(), rows, via=Via.RELAY, lease="a")] == ["duplicate"]
    assert everything(connection, "employees", "integration_sync_log") == before
    assert [r.outcome for r in process_rows(database, Policy(), rows, via=Via.RELAY, lease="b")] == ["linked"]


def test_a_failure_of_a_lost_lease_changes_nothing(database: Database, connection: Connection, user: UUID) -> None:
    """A failure of a relay that lost its lease is not recorded."""
    [row] = claim(database, "a")
    end_leases(connection)
    claim(database, "b")
    before = everything(connection)
    fail(database, row["event_id"], Outcome.NOT_APPLIED, "too late", "a")
    assert everything(connection) == before


def test_a_delivery_of_a_leased_event_is_a_duplicate(
    client: FlaskClient, database: Database, connection: Connection, user: UUID
) -> None:
    """A delivery of an event that a relay has leased gets a 200 with `duplicate`, and changes nothing."""
    claim(database, "a")
    before = everything(connection, "employees", "integration_sync_log")
    answer = deliver(client, newest(connection, user))
    assert (answer.status_code, outcome_of(answer)) == (200, "duplicate")
    assert everything(connection, "employees", "integration_sync_log") == before


def test_a_delivery_after_the_relay_is_a_duplicate(
    client: FlaskClient, database: Database, connection: Connection, user: UUID
) -> None:
    """A delivery of an event that the relay has applied is a duplicate."""
    run_once(database, Policy(), name="a")
    before = everything(connection)
    answer = deliver(client, newest(connection, user))
    assert (answer.status_code, outcome_of(answer)) == (200, "duplicate")
    assert everything(connection) == before


def test_a_delivered_event_is_not_due(
    client: FlaskClient, database: Database, connection: Connection, user: UUID
) -> None:
    """An event that was applied from a delivery is no longer due."""
    assert outcome_of(deliver(client, newest(connection, user))) == "linked"
    before = everything(connection)
    assert run_once(database, Policy(), name="a").claimed == 0
    assert everything(connection) == before


def test_a_delivery_of_a_newer_event_does_not_wait_for_a_relay(
    client: FlaskClient, database: Database, connection: Connection, auth: Auth, user: UUID, jane: int
) -> None:
    """While a relay leases an older event, a delivery applies the newer event. The older event is then a duplicate."""
    rows = claim(database, "a")
    auth.update_metadata(user, {"first_name": "Newer"})
    assert outcome_of(deliver(client, newest(connection, user))) == "synced"
    before = everything(connection)
    assert [r.outcome for r in process_rows(database, Policy(), rows, via=Via.RELAY, lease="a")] == ["duplicate"]
    assert everything(connection) == before
    assert employee(connection, jane)["first_name"] == "Newer"


def test_a_held_row_does_not_delay_other_rows(
    database: Database, connection: Connection, database_url: str, auth: Auth
) -> None:
    """If another transaction holds an employee, the relay applies the other events first, and the held event later."""
    employees = [hire(connection, f"user{number}@example.com") for number in range(20)]
    users = [auth.admin_create(f"user{number}@example.com") for number in range(20)]
    with psycopg.connect(database_url) as other:
        other.execute("select from employees where employee_id = %s for update", [employees[7]])
        ran = run_once(database, Policy(), name="a")
    assert (ran.claimed, ran.outcomes) == (20, {"linked": 19})
    assert newest(connection, users[7])["status"] == "PENDING"
    connection.execute("update integration_sync_log set next_attempt_at = now() where status = 'PENDING'")
    assert run_once(database, Policy(), name="b").outcomes == {"linked": 1}
    assert newest(connection, users[7])["attempts"] == 1


def test_the_last_run_of_a_relay_is_recorded(database: Database, connection: Connection) -> None:
    """Each pass records the time of its relay's last run."""
    run_once(database, Policy(), name="a")
    found = connection.execute("select relay, now() - last_run_at as ago from auth_sync_relays").fetchall()
    assert [row["relay"] for row in found] == ["a"]
    assert found[0]["ago"] >= timedelta(0)
