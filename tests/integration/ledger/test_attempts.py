"""Failed attempts are recorded. An event shows them with the current employee and auth user."""

from uuid import UUID

from tests.auth_traffic import CONFIRMED, insert
from tests.employees import Connection, hire
from tests.webhook_events import work_of
from webhook_service.events import Json
from webhook_service.inbound.processing import process_batch
from webhook_service.ledger import queries, relay, replay
from webhook_service.policy import Policy
from webhook_service.ports import Database

OFFICE = UUID(int=3)


def ambiguous(connection: Connection, database: Database, event_id: str = "evt-1") -> None:
    """Process an event that fails because two employees match its auth user."""
    hire(connection, "office@example.com"), hire(connection, "office@example.com")
    webhook = insert(OFFICE, email="office@example.com", email_confirmed_at=CONFIRMED)
    process_batch(database, [work_of(webhook, event_id)], Policy())


def attempts(database: Database, event_id: str = "evt-1") -> list[Json]:
    return [(a["attempt"], a["via"], a["outcome"]) for a in queries.event(database, event_id)["attempts_log"]]


def test_each_failed_attempt_is_recorded_once(connection: Connection, database: Database) -> None:
    """Failed attempts of the webhook, the relay and a replay are listed oldest first, each with its reason."""
    ambiguous(connection, database)
    connection.execute("update integration_sync_log set next_attempt_at = now()")
    relay.run_once(database, Policy(), name="r")
    replay.replay_event(database, Policy(), "evt-1", requested_by="test")
    assert attempts(database) == [(1, "webhook", "ambiguous"), (2, "relay", "ambiguous"), (3, "replay", "ambiguous")]
    assert all("employees that match" in a["error_message"] for a in queries.event(database, "evt-1")["attempts_log"])


def test_only_failures_are_recorded(connection: Connection, database: Database) -> None:
    """A lease, a postponement and a success leave no record of an attempt."""
    ambiguous(connection, database)
    connection.execute("update integration_sync_log set next_attempt_at = now()")
    database.call("auth_sync_claim_v1", p_relay="r", p_limit=1, p_lease_seconds=30)
    database.call("auth_sync_postpone_v1", p_event_ids=["evt-1"], p_lease="r")
    connection.execute("delete from employees where employee_id = 1")
    assert replay.replay_event(database, Policy(), "evt-1", requested_by="test").outcome == "linked"
    assert attempts(database) == [(1, "webhook", "ambiguous")]


def test_a_failed_action_is_recorded(connection: Connection, database: Database) -> None:
    """A failed attempt of an action is recorded once, even if the action is settled a second time."""
    connection.execute(
        "insert into integration_sync_log (event_id, direction, operation, auth_user_id, via, next_attempt_at, lease)"
        " values ('act-1', 'outbound', 'disable_auth_user', %s, 'employees', now(), 'l')",
        [OFFICE],
    )
    settled = {"p_event_id": "act-1", "p_lease": "l", "p_outcome": "auth_unavailable", "p_error": "no answer"}
    assert database.call("auth_sync_settle_v1", **settled, p_retry=True)
    assert not database.call("auth_sync_settle_v1", **settled)
    assert attempts(database, "act-1") == [(1, "employees", "auth_unavailable")]


def test_an_event_shows_its_current_employee_and_auth_user(connection: Connection, database: Database) -> None:
    """An event shows its current employee and auth user. The employee is null if none is linked."""
    jane = hire(connection, "jane@example.com", first_name="Jane")
    webhook = insert(email="jane@example.com", email_confirmed_at=CONFIRMED)
    process_batch(database, [work_of(webhook, "evt-2")], Policy())
    ambiguous(connection, database)
    connection.execute("update employees set last_name = 'Doe' where employee_id = %s", [jane])
    shown = queries.event(database, "evt-2")
    assert (shown["employee"]["employee_id"], shown["employee"]["last_name"]) == (jane, "Doe")
    assert (shown["auth_user"]["email"], shown["auth_user"]["email_confirmed"]) == ("jane@example.com", True)
    unknown = queries.event(database, "evt-1")
    assert (unknown["employee"], unknown["auth_user"]["auth_user_id"]) == (None, str(OFFICE))
