"""Retention removes old successful events. It keeps open events and the state that decisions depend on."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from tests.auth_stand_in import Auth
from tests.auth_traffic import outcome_of
from tests.conftest import ADMIN_KEY
from tests.employees import Connection, employee, entry, hire
from tests.integration.captured import claim, deliver, everything, inbound, newest, relay_all
from webhook_service.ledger.retention import AUDIT, prunable, prune
from webhook_service.ports import Database

MAIL = "jane@example.com"
OLD = timedelta(days=100)


@pytest.fixture
def jane(connection: Connection) -> int:
    return hire(connection, MAIL)


@pytest.fixture
def linked(database: Database, auth: Auth, jane: int) -> UUID:
    """Jane's auth user, whose event has been applied."""
    user = auth.admin_create(MAIL)
    relay_all(database)
    return user


def age(connection: Connection, by: timedelta = OLD) -> None:
    """Move all recorded times back, as if time had passed."""
    connection.execute(
        "update integration_sync_log set created_at = created_at - %(by)s, completed_at = completed_at - %(by)s",
        {"by": by},
    )
    connection.execute("update auth_user_state set updated_at = updated_at - %s", [by])


def ninety_days_ago() -> datetime:
    return datetime.now(UTC) - timedelta(days=90)


def test_old_events_are_removed(database: Database, connection: Connection, linked: UUID) -> None:
    """Retention removes and counts an old successful event."""
    age(connection)
    assert prune(database, ninety_days_ago()) == 1
    assert inbound(connection) == []


def test_younger_events_stay(database: Database, connection: Connection, auth: Auth, linked: UUID) -> None:
    """Retention keeps an event that is younger than the limit."""
    age(connection)
    auth.update_metadata(linked, {"first_name": "Jane"})
    relay_all(database)
    assert prune(database, ninety_days_ago()) == 1
    assert [event["outcome"] for event in inbound(connection)] == ["synced"]


def test_an_old_event_that_succeeded_recently_stays(database: Database, connection: Connection, linked: UUID) -> None:
    """Retention keeps an old event that succeeded recently, because an event's age is the time since its success."""
    age(connection)
    connection.execute("update integration_sync_log set completed_at = now()")
    assert prune(database, ninety_days_ago()) == 0


@pytest.mark.parametrize("state", ["pending", "leased", "failed", "needs attention"])
def test_an_open_event_is_never_removed(
    database: Database, connection: Connection, auth: Auth, jane: int, state: str
) -> None:
    """Retention keeps an open event of any age."""
    if state in ("failed", "needs attention"):
        hire(connection, MAIL)
    auth.admin_create(MAIL)
    if state in ("failed", "needs attention"):
        assert relay_all(database) == {"ambiguous": 1}
    if state == "needs attention":
        connection.execute("update integration_sync_log set next_attempt_at = null")
    if state == "leased":
        claim(database, "a")
    age(connection)
    before = everything(connection)
    assert prunable(database, ninety_days_ago()) == 0
    assert prune(database, ninety_days_ago()) == 0
    assert everything(connection) == before


def test_an_open_action_is_never_removed(database: Database, connection: Connection, auth: Auth) -> None:
    """Retention keeps an open action of any age."""
    hire(connection, MAIL, is_active=False)
    auth.admin_create(MAIL)
    relay_all(database)
    age(connection)
    assert prune(database, ninety_days_ago()) == 1
    left = connection.execute("select operation, status from integration_sync_log").fetchall()
    assert left == [{"operation": "disable_auth_user", "status": "PENDING"}]


def test_a_dry_run_removes_nothing(database: Database, connection: Connection, linked: UUID) -> None:
    """A dry run of retention counts the old events and removes no event."""
    age(connection)
    before = everything(connection)
    assert prunable(database, ninety_days_ago()) == 1
    assert everything(connection) == before


def test_prune_works_in_batches(database: Database, connection: Connection) -> None:
    """Prune removes all events in batches, and reports the size of each batch."""
    connection.execute(
        "insert into integration_sync_log (event_id, direction, operation, status, outcome, via, completed_at)"
        " select 'evt-' || n, 'inbound', 'UPDATE', 'SUCCESS', 'stale', 'relay', now() from generate_series(1, 5001) n"
    )
    age(connection)
    reported: list[int] = []
    assert prune(database, ninety_days_ago(), progress=reported.append) == 5001
    assert reported == [5000, 1]


def test_the_replays_of_an_event_are_removed(
    client: FlaskClient, database: Database, connection: Connection, linked: UUID
) -> None:
    """Retention removes the record of a replay together with its event."""
    event_id = newest(connection, linked)["event_id"]
    client.post(f"/admin/api/events/{event_id}/replay", headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    assert len(everything(connection)["integration_sync_replays"]) == 1
    age(connection)
    prune(database, ninety_days_ago())
    assert everything(connection)["integration_sync_replays"] == []


def test_a_late_duplicate_of_a_pruned_event_does_nothing(
    client: FlaskClient, database: Database, connection: Connection, auth: Auth, jane: int, linked: UUID
) -> None:
    """A late duplicate of a pruned event does not link a new employee who was given the user's former e-mail."""
    overtaken = newest(connection, linked)
    auth.change_email(linked, "elsewhere@example.com")
    relay_all(database)
    connection.execute("update employees set auth_user_id = null")
    newcomer = hire(connection, MAIL)
    age(connection)
    prune(database, ninety_days_ago())
    before = everything(connection, "employees", "auth_user_state")
    assert outcome_of(deliver(client, overtaken)) == "stale"
    assert everything(connection, "employees", "auth_user_state") == before
    assert employee(connection, newcomer)["auth_user_id"] is None


def test_a_deleted_user_stays_deleted(
    client: FlaskClient, database: Database, connection: Connection, auth: Auth, jane: int, linked: UUID
) -> None:
    """The state of a deleted user outlives its events, so a late sign-up links no employee."""
    sign_up = newest(connection, linked)
    auth.hard_delete(linked)
    relay_all(database)
    age(connection)
    prune(database, ninety_days_ago())
    assert outcome_of(deliver(client, sign_up)) == "stale"
    assert employee(connection, jane)["auth_user_id"] is None


def test_new_events_are_newer_than_pruned_events(
    database: Database, connection: Connection, auth: Auth, jane: int, linked: UUID
) -> None:
    """A change after pruning is newer than the pruned events, even if the clock was set back."""
    connection.execute("update auth_user_state set version = version + 4000000::bigint * 3600")
    age(connection)
    prune(database, ninety_days_ago())
    auth.update_metadata(linked, {"first_name": "Jane"})
    assert relay_all(database) == {"synced": 1}
    assert employee(connection, jane)["first_name"] == "Jane"


def test_an_old_reconciliation_is_removed(database: Database, connection: Connection) -> None:
    """Retention removes the ledger row of an old reconciliation."""
    begun = database.call("auth_sync_begin_reconcile_v1", p_requested_by="test", p_dry_run=False)
    database.call("auth_sync_end_reconcile_v1", p_run=begun["run"], p_error=None, p_summary={})
    assert entry(connection, begun["run"])["status"] == "SUCCESS"
    age(connection)
    assert prune(database, ninety_days_ago()) == 1


def test_old_entries_of_the_audit_are_removed(database: Database, connection: Connection) -> None:
    """The audit has a retention of its own: entries from before the given time are removed, and the others stay."""
    for days in (800, 700):
        connection.execute(
            "insert into auth_sync_audit (at, who, action) values (now() - %s * interval '1 day', 'admin', 'sign in')",
            [days],
        )
    before = datetime.now(UTC) - timedelta(days=730)
    assert (prunable(database, before, function=AUDIT), prune(database, before, function=AUDIT)) == (1, 1)
    [left] = connection.execute("select at < now() - interval '699 days' as is_newer from auth_sync_audit").fetchall()
    assert left["is_newer"]
    assert prune(database, before, function=AUDIT) == 0
