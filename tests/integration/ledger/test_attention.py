"""Events that need attention close themselves when their cause is gone, and an admin can dismiss the others."""

from uuid import UUID

import pytest
from flask import Flask

from tests.auth_traffic import CONFIRMED, insert, update
from tests.conftest import ADMIN_KEY
from tests.employees import Connection, entry, hire
from tests.integration.captured import nothing_linked, relay_all
from tests.integration.signing_in import Browser
from tests.webhook_events import work_of
from webhook_service.errors import EventNotFound, NotPossible
from webhook_service.events import Json
from webhook_service.inbound.processing import process_batch
from webhook_service.ledger import attention, bulk_replay, queries
from webhook_service.ledger.replay import replay_event
from webhook_service.policy import Policy
from webhook_service.ports import Database

JANE = UUID(int=7)
KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}


def fail(connection: Connection, database: Database) -> tuple[int, int]:
    """Let Jane's event fail as ambiguous until it is no longer retried. Return the two matching employees."""
    both = hire(connection, "jane@example.com"), hire(connection, "jane@example.com")
    event = insert(JANE, at=1, email="jane@example.com", email_confirmed_at=CONFIRMED)
    process_batch(database, [work_of(event, "evt-1")], Policy())
    connection.execute("update integration_sync_log set next_attempt_at = null where status = 'FAILED'")
    return both


def needs_attention(database: Database) -> Json:
    return database.call("auth_sync_needs_attention_v1")


@pytest.fixture
def failed(connection: Connection, database: Database) -> tuple[int, int]:
    return fail(connection, database)


def test_a_newer_event_closes_a_failed_one(connection: Connection, database: Database, failed: tuple[int, int]) -> None:
    """A failed event closes as stale after a newer event of its auth user was applied."""
    with nothing_linked(connection):
        connection.execute("delete from employees where employee_id = %s", [failed[1]])
    changed = update(JANE, at=2, email="jane@example.com", email_confirmed_at=CONFIRMED)
    [result] = process_batch(database, [work_of(changed, "evt-2")], Policy())
    assert (result.outcome, needs_attention(database)["count"]) == ("linked", 1)
    attention.close_healed(database)
    closed = entry(connection, "evt-1")
    assert (closed["status"], closed["outcome"], closed["error_message"]) == ("SUCCESS", "stale", None)
    assert needs_attention(database) is None
    [attempt] = queries.event(database, "evt-1")["attempts_log"]
    assert attempt["outcome"] == "ambiguous"


def test_a_newer_event_that_fails_too_closes_nothing(
    connection: Connection, database: Database, failed: tuple[int, int]
) -> None:
    """A failed event stays open while the newest event of its auth user has failed too."""
    changed = update(JANE, at=2, email="jane@example.com", email_confirmed_at=CONFIRMED)
    process_batch(database, [work_of(changed, "evt-2")], Policy())
    attention.close_healed(database)
    assert [entry(connection, event)["status"] for event in ("evt-1", "evt-2")] == ["FAILED", "FAILED"]


def test_a_link_by_other_means_closes_a_failed_event(
    connection: Connection, database: Database, failed: tuple[int, int]
) -> None:
    """An ambiguous event is processed again, and closes, after HR has corrected the e-mail of the other employee."""
    connection.execute("update employees set email = 'joe@example.com' where employee_id = %s", [failed[1]])
    connection.execute("update employees set auth_user_id = %s where employee_id = %s", [JANE, failed[0]])
    attention.close_healed(database)
    relay_all(database)
    attention.close_healed(database)
    assert entry(connection, "evt-1")["status"] == "SUCCESS"
    assert needs_attention(database) is None


def test_a_failure_with_its_cause_stays(connection: Connection, database: Database, failed: tuple[int, int]) -> None:
    """A failed event whose cause is still there is neither closed nor retried."""
    before = entry(connection, "evt-1")
    attention.close_healed(database)
    assert entry(connection, "evt-1") == before


def test_a_dismissed_event_needs_no_attention(
    connection: Connection, database: Database, failed: tuple[int, int]
) -> None:
    """A dismissed event is in no list, count or notice of events that need attention, and keeps its outcome."""
    attention.dismiss(database, "evt-1")
    attention.dismiss(database, "evt-1")
    assert needs_attention(database) is None
    assert queries.events(database, {"needs_attention": "true"}, below=None, limit=5)["events"] == []
    summary = queries.summary(database)
    assert (summary["needs_attention"], summary["dismissed"], summary["events"]["FAILED"]) == (0, 1, 1)
    assert database.call("auth_sync_metrics_v1")["needs_attention_events"] == 0
    assert database.call("auth_sync_inspect_v1")["needs_attention"] == 0
    assert bulk_replay.preview(database, Policy(), {"status": "FAILED"}).matched == 0
    row = entry(connection, "evt-1")
    assert (row["status"], row["outcome"]) == ("FAILED", "ambiguous")


def test_a_dismissed_event_can_be_replayed(connection: Connection, database: Database, failed: tuple[int, int]) -> None:
    """A replay of a dismissed event applies it, and if the replay fails, the event counts again."""
    attention.dismiss(database, "evt-1")
    assert replay_event(database, Policy(), "evt-1", requested_by="Kim").outcome == "ambiguous"
    assert entry(connection, "evt-1")["dismissed_at"] is None
    connection.execute("update integration_sync_log set next_attempt_at = null where status = 'FAILED'")
    assert needs_attention(database)["count"] == 1
    attention.dismiss(database, "evt-1")
    connection.execute("delete from employees where employee_id = %s", [failed[1]])
    assert replay_event(database, Policy(), "evt-1", requested_by="Kim").outcome == "linked"


def test_only_an_event_that_needs_attention_is_dismissed(
    connection: Connection, database: Database, failed: tuple[int, int]
) -> None:
    """An event that is still retried or done, and an unknown event, cannot be dismissed."""
    connection.execute("update integration_sync_log set next_attempt_at = now() + interval '1 hour'")
    with pytest.raises(NotPossible) as caught:
        attention.dismiss(database, "evt-1")
    assert caught.value.reason == "needs_no_attention"
    with pytest.raises(EventNotFound):
        attention.dismiss(database, "evt-9")


def test_an_admin_dismisses_an_event(browser: Browser, connection: Connection, failed: tuple[int, int]) -> None:
    """An admin dismisses an event with a reason, which its page and the audit keep."""
    assert "Needs attention" in browser.get("/admin/events/evt-1").text
    browser.sends("/admin/events/evt-1/dismiss", reason="  ")
    assert "Not dismissed: enter a reason." in browser.get("/admin/events/evt-1").text
    browser.sends("/admin/events/evt-1/dismiss", reason="The intern has left")
    text = browser.get("/admin/events/evt-1").text
    assert "Dismissed" in text
    assert "The intern has left" in text
    assert "Needs attention" not in text
    assert "Replay" in text
    rows = connection.execute("select action, result, details from auth_sync_audit where target is not null").fetchall()
    assert [(row["action"], row["result"], row["details"]) for row in rows] == [
        ("dismiss", "done", {"reason": "The intern has left"})
    ]
    assert "a decision" not in browser.get("/admin/auth-sync").text


def test_the_admin_api_dismisses_an_event(site: Flask, connection: Connection, failed: tuple[int, int]) -> None:
    """The admin API dismisses an event with a reason, and refuses an event that is done."""
    client = site.test_client()
    assert client.post("/admin/api/events/evt-1/dismiss", json={}, headers=KEY).status_code == 422
    body = {"reason": "The intern has left", "requested_by": "hr"}
    answer = client.post("/admin/api/events/evt-1/dismiss", json=body, headers=KEY)
    assert (answer.status_code, answer.get_json()["event_id"]) == (200, "evt-1")
    assert entry(connection, "evt-1")["dismissed_at"] is not None
    connection.execute("delete from employees where employee_id = %s", [failed[1]])
    client.post("/admin/api/events/evt-1/replay", json={}, headers=KEY)
    answer = client.post("/admin/api/events/evt-1/dismiss", json=body, headers=KEY)
    assert (answer.status_code, answer.get_json()["reason"]) == (409, "needs_no_attention")


def test_open_rows_are_found(connection: Connection, database: Database, failed: tuple[int, int]) -> None:
    """The filter `open` matches pending and retried rows, newest first, and no others."""
    hire(connection, "joe@example.com", auth_user_id=UUID(int=8))
    connection.execute("update employees set is_active = false where email = 'joe@example.com'")
    connection.execute(
        "insert into integration_sync_log (event_id, direction, operation, auth_user_id, version, via)"
        " values ('waits', 'inbound', 'UPDATE', gen_random_uuid(), 1, 'capture')"
    )
    found = queries.events(database, {"open": "true"}, below=None, limit=5)["events"]
    assert [row["operation"] for row in found] == ["UPDATE", "disable_auth_user"]
    assert len(queries.events(database, {"open": "true", "direction": "outbound"}, below=None, limit=5)["events"]) == 1
    connection.execute("update integration_sync_log set next_attempt_at = now() where event_id = 'evt-1'")
    first = queries.events(database, {"open": "true"}, below=None, limit=2)
    second = queries.events(database, {"open": "true"}, below=first["next"], limit=2)
    assert [row["event_id"] for row in second["events"]] == ["evt-1"]
