"""Rows that another transaction holds for a long time do not stop the relay."""

import psycopg

from tests.auth_stand_in import Auth
from tests.employees import Connection, hire
from tests.integration.captured import inbound, relay_all
from webhook_service.ledger.reconcile import reconcile
from webhook_service.ledger.relay import run_once
from webhook_service.policy import Policy
from webhook_service.ports import Database

HELD = 50


def test_many_held_employees_do_not_stop_the_relay(
    database: Database, connection: Connection, database_url: str, auth: Auth
) -> None:
    """If a long transaction of HR holds a whole batch, the same pass still applies the other due events."""
    for number in range(HELD):
        hire(connection, f"user{number}@example.com")
        auth.admin_create(f"user{number}@example.com")
    with psycopg.connect(database_url) as other:
        other.execute("update employees set first_name = 'New'")
        free = auth.admin_create("free@example.com")
        ran = run_once(database, Policy(), name="a")
        assert (ran.claimed, ran.held, ran.outcomes) == (HELD + 1, HELD, {"unmatched": 1})
        assert inbound(connection, free)[-1]["status"] == "SUCCESS"
        assert run_once(database, Policy(), name="a").claimed == 0
        held = connection.execute("select * from integration_sync_log where status = 'PENDING'").fetchall()
        assert {(row["attempts"], row["lease"], row["next_attempt_at"] > row["created_at"]) for row in held} == {
            (0, None, True)
        }
    connection.execute("update integration_sync_log set next_attempt_at = now() where status = 'PENDING'")
    assert relay_all(database) == {"linked": HELD}


def test_a_held_state_is_skipped(database: Database, connection: Connection, database_url: str, auth: Auth) -> None:
    """The relay skips an event of an auth user whose state another transaction holds."""
    user = auth.admin_create("jane@example.com")
    relay_all(database)
    auth.update_metadata(user, {"first_name": "Jane"})
    with psycopg.connect(database_url) as other:
        other.execute("select from auth_user_state for update")
        assert (run_once(database, Policy(), name="a").held, inbound(connection, user)[-1]["status"]) == (1, "PENDING")


def test_reconcile_leaves_held_events_to_the_relay(
    database: Database, connection: Connection, database_url: str, auth: Auth
) -> None:
    """If rows are held, a run ends as FAILED and reports the number of skipped events. The relay applies them later."""
    hire(connection, "jane@example.com")
    connection.execute("alter table auth.users disable trigger auth_sync_capture")
    auth.admin_create("jane@example.com"), auth.admin_create("joe@example.com")
    with psycopg.connect(database_url) as other:
        other.execute("select from employees for update")
        done = reconcile(database, Policy(), requested_by="test", dry_run=False)
    assert (done.left, done.outcomes) == (1, {"unmatched": 1})
    [run] = connection.execute("select status, outcome from integration_sync_log where operation = 'reconcile'")
    assert run == {"status": "FAILED", "outcome": "incomplete"}
    connection.execute("update integration_sync_log set next_attempt_at = now() where status = 'PENDING'")
    assert relay_all(database) == {"linked": 1}
