"""Replays of events, by the admin API and by the function that the API and the CLI call."""

from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.auth_traffic import CONFIRMED, JANE, delete, insert, post, update
from tests.conftest import ADMIN_KEY
from tests.employees import Connection, employee, entry, hire
from webhook_service.ledger.replay import Replayed, replay_events
from webhook_service.policy import Policy
from webhook_service.ports import Database

MAIL = "jane@example.com"
PROVEN: dict[str, Any] = {"email": MAIL, "email_confirmed_at": CONFIRMED}
AUTHORIZED = {"Authorization": f"Bearer {ADMIN_KEY}"}


def request(client: FlaskClient, path: str, body: Any = None) -> TestResponse:
    return client.post(f"/admin/api{path}", json=body, headers=AUTHORIZED)


def snapshot(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Return all rows except the records of replays."""
    return {
        table: connection.execute(f"select * from {table} order by 1").fetchall()  # noqa: S608
        for table in ("employees", "integration_sync_log", "auth_user_state")
    }


@pytest.fixture
def ambiguous(client: FlaskClient, connection: Connection) -> tuple[int, int]:
    """Two employees share the address of evt-1, which has failed."""
    both = hire(connection, MAIL), hire(connection, MAIL)
    post(client, insert(**PROVEN), "evt-1")
    return both


def test_a_failed_event_succeeds_after_its_cause_is_fixed(
    client: FlaskClient, connection: Connection, ambiguous: tuple[int, int]
) -> None:
    """After an admin has resolved an ambiguity, a replay links the employee."""
    jane, other = ambiguous
    connection.execute("update employees set email = 'other@example.com' where employee_id = %s", [other])
    answer = request(client, "/events/evt-1/replay").get_json()
    assert (answer["status"], answer["outcome"], answer["employee_id"]) == ("SUCCESS", "linked", jane)
    assert entry(connection, "evt-1")["status"] == "SUCCESS"
    assert employee(connection, jane)["auth_user_id"] == JANE


def test_a_replay_is_recorded_with_its_requester_and_time(
    client: FlaskClient, connection: Connection, ambiguous: tuple[int, int]
) -> None:
    """A replay is recorded with its requester and time, even if it changes nothing."""
    request(client, "/events/evt-1/replay", {"requested_by": "kim"})
    replays = client.get("/admin/api/events/evt-1", headers=AUTHORIZED).get_json()["replays"]
    assert [(replay["requested_by"], replay["outcome_before"], replay["outcome"]) for replay in replays] == [
        ("api:kim", "ambiguous", "ambiguous")
    ]
    assert replays[0]["requested_at"] is not None


def test_a_replay_of_an_older_event_changes_nothing(client: FlaskClient, connection: Connection) -> None:
    """A replay of an older event of a user is stale, and does not link the new owner of the user's former e-mail."""
    post(client, insert(at=1, **PROVEN), "evt-1")
    post(client, update(at=2, **PROVEN | {"email": "elsewhere@example.com"}), "evt-2")
    newcomer = hire(connection, MAIL)
    assert request(client, "/events/evt-1/replay").get_json()["outcome"] == "stale"
    assert employee(connection, newcomer)["auth_user_id"] is None


def test_a_replay_does_not_restore_the_data_of_former_employees(client: FlaskClient, connection: Connection) -> None:
    """If HR has removed the data of a former employee, a replay of the whole ledger does not restore it."""
    jane = hire(connection, MAIL, first_name="Jane")
    post(client, insert(at=1, **PROVEN, raw_user_meta_data={"first_name": "Jane"}))
    post(client, delete(at=1))
    connection.execute("update employees set first_name = null, email = null")
    assert request(client, "/replays", {"dry_run": False}).get_json()["changed"] == 0
    assert (employee(connection, jane)["first_name"], employee(connection, jane)["email"]) == (None, None)


def test_a_replay_does_not_flag_an_orphan_again(client: FlaskClient, connection: Connection) -> None:
    """If HR has cleared the flag of an orphan, a replay of the deletion does not set the flag again."""
    jane = hire(connection, MAIL)
    post(client, insert(at=1, **PROVEN))
    post(client, delete(at=1), "evt-gone")
    connection.execute("update employees set orphaned_at = null, orphaned_auth_user_id = null")
    assert request(client, "/events/evt-gone/replay").get_json()["outcome"] == "unmatched"
    assert employee(connection, jane)["orphaned_at"] is None


def test_a_replay_repairs_the_employee(client: FlaskClient, connection: Connection) -> None:
    """A replay of a user's newest event restores the employee's values from Auth."""
    jane = hire(connection, MAIL)
    post(client, insert(**PROVEN, raw_user_meta_data={"first_name": "Jane"}), "evt-1")
    connection.execute("update employees set first_name = 'Spoilt'")
    answer = request(client, "/events/evt-1/replay").get_json()
    assert answer["changes"] == {"first_name": {"from": "Spoilt", "to": "Jane"}}
    assert employee(connection, jane)["first_name"] == "Jane"


@pytest.mark.usefixtures("ambiguous")
def test_an_unreadable_event_fails_alone(client: FlaskClient, connection: Connection) -> None:
    """A replay of an unreadable row fails as unreadable; a request for all events replays the other ones."""
    connection.execute("update integration_sync_log set request_data = '{}' where event_id = 'evt-1'")
    post(client, insert(**PROVEN | {"id": str(UUID(int=2))}), "evt-2")
    answer = request(client, "/events/evt-1/replay")
    assert (answer.status_code, answer.get_json()["outcome"]) == (200, "unreadable")
    everything = request(client, "/replays", {"filter": {"status": "FAILED"}, "dry_run": False}).get_json()
    assert everything["outcomes"] == {"unreadable": 1, "ambiguous": 1}


def test_an_unknown_event_cannot_be_replayed(client: FlaskClient) -> None:
    """A replay of an unknown event returns 404."""
    assert request(client, "/events/nope/replay").status_code == 404


def test_an_unknown_action_cannot_be_replayed(client: FlaskClient, connection: Connection) -> None:
    """A replay of an action whose id is not in the ledger returns 404."""
    hire(connection, MAIL, is_active=False)
    post(client, insert(**PROVEN), "evt-1")
    assert request(client, "/events/evt-1:disable/replay").status_code == 404


def test_replaying_the_whole_ledger_twice_changes_nothing(client: FlaskClient, connection: Connection) -> None:
    """A second replay of the whole ledger changes no employee, no ledger row and no state."""
    hire(connection, MAIL, is_active=False)
    hire(connection, "shared@example.com"), hire(connection, "shared@example.com")
    bob = {"email": "bob@example.com", "email_confirmed_at": CONFIRMED}
    hire(connection, "bob@example.com")
    post(client, insert(at=1, email=MAIL))
    post(client, update(at=3, **PROVEN | {"email": "new@example.com"}))
    post(client, update(at=2, **PROVEN))
    post(client, insert(UUID(int=2), at=1, **bob))
    post(client, delete(UUID(int=2), at=1, **bob))
    post(client, insert(UUID(int=3), email="shared@example.com", email_confirmed_at=CONFIRMED))
    post(client, insert(UUID(int=4), is_anonymous=True))
    first = request(client, "/replays", {"dry_run": False}).get_json()
    before = snapshot(connection)
    second = request(client, "/replays", {"dry_run": False}).get_json()
    assert (first["changed"], second["changed"]) == (0, 0)
    after = snapshot(connection)
    for entries in (before["integration_sync_log"], after["integration_sync_log"]):
        for failed in entries:
            failed.pop("attempts"), failed.pop("next_attempt_at")  # the replay was another attempt of the failing event
    assert before == after


def test_a_dry_run_reports_changes_and_makes_none(
    client: FlaskClient, connection: Connection, ambiguous: tuple[int, int]
) -> None:
    """A dry run, the default, reports the counts, outcomes and changes of the real replay, and writes nothing."""
    connection.execute("update employees set email = 'other@example.com' where employee_id = %s", [ambiguous[1]])
    before = snapshot(connection)
    preview = request(client, "/replays", {"filter": {"status": "FAILED"}}).get_json()
    assert snapshot(connection) == before
    assert connection.execute("select from integration_sync_replays").rowcount == 0
    done = request(client, "/replays", {"filter": {"status": "FAILED"}, "dry_run": False}).get_json()
    assert preview == done | {"dry_run": True}
    assert (done["matched"], done["replayed"], done["outcomes"]) == (1, 1, {"linked": 1})
    assert done["changes"][0]["changes"] == {"auth_user_id": {"from": None, "to": str(JANE)}}


def test_a_filter_chooses_the_events(client: FlaskClient, connection: Connection) -> None:
    """A replay has the same filters as the list of events."""
    post(client, insert(**PROVEN), "evt-1")
    post(client, insert(UUID(int=2), email="b@example.com"), "evt-2")
    answer = request(client, "/replays", {"filter": {"outcome": "unconfirmed"}, "dry_run": False}).get_json()
    assert (answer["matched"], answer["outcomes"]) == (1, {"unconfirmed": 1})


@pytest.mark.parametrize("body", [[], {"filter": {"colour": "red"}}, {"dry_run": "maybe"}, {"limit": 0}, {"all": True}])
def test_an_invalid_request_is_refused(client: FlaskClient, body: Any) -> None:
    """An invalid request for a replay returns 422."""
    assert request(client, "/replays", body).status_code == 422


def test_a_replay_continues_at_a_cursor(client: FlaskClient) -> None:
    """A replay continues at `next_cursor`, which is null after the last event."""
    for number in range(3):
        post(client, insert(UUID(int=number + 1), email=f"user{number}@example.com"))
    first = request(client, "/replays", {"limit": 2}).get_json()
    second = request(client, "/replays", {"limit": 2, "cursor": first["next_cursor"]}).get_json()
    assert [(part["replayed"], part["next_cursor"] is None) for part in (first, second)] == [(2, False), (1, True)]


@pytest.mark.parametrize("dry_run", [True, False])
def test_many_events_are_replayed_in_batches(
    client: FlaskClient, database: Database, connection: Connection, dry_run: bool
) -> None:
    """A replay of many events reports each batch, ends at its limit, and counts all matching events."""
    for number in range(130):
        post(client, insert(UUID(int=number + 1), email=f"user{number}@example.com"))
    reported: list[Replayed] = []
    done = replay_events(
        database, Policy(), {}, requested_by="test", dry_run=dry_run, limit=100, progress=reported.append
    )
    assert (done.matched, done.replayed, reported[-1]) == (130, 100, done)
    recorded = connection.execute("select from integration_sync_replays").rowcount
    assert recorded == (0 if dry_run else 100)
