"""The preview, confirmation, parts, cancellation and takeover of bulk replays by several relays."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.employees import Connection, hire
from tests.integration.bulk_replaying import (
    FAILED,
    fail_many,
    let_pass,
    linked_employees,
    replays,
    running,
    work_off,
)
from tests.integration.captured import everything
from tests.integration.performing import company
from tests.integration.requested_actions import dismiss
from webhook_service.db.direct import DirectDatabase
from webhook_service.errors import DatabaseError, Unavailable
from webhook_service.events import Json
from webhook_service.ledger import bulk_replay
from webhook_service.loops import PassResult
from webhook_service.policy import Policy
from webhook_service.ports import Database

KIM = "kim@example.com"
"""The admin who requests the replays."""


@pytest.fixture
def other(database_url: str) -> Iterator[Database]:
    """The database over another process's connections."""
    with closing(DirectDatabase(database_url)) as database:
        yield database


def begin(database: Database, **filter: Json) -> int:
    return int(bulk_replay.begin(database, filter or FAILED, requested_by=KIM)["id"])


def run_pass(database: Database, name: str = "a") -> PassResult:
    return bulk_replay.run_once(database, Policy(), name=name)


def claim(database: Database, name: str = "dead") -> Json:
    """Claim a part as a relay that then stalls or dies."""
    return database.call("auth_sync_claim_bulk_replay_v1", p_relay=name, p_limit=50, p_lease_seconds=30)


def test_a_preview_writes_nothing(database: Database, connection: Connection) -> None:
    """A preview counts all matching events, shows the changes of the first two hundred, and writes nothing."""
    fail_many(connection, database, 230)
    before = everything(connection, "employees", "integration_sync_log", "auth_user_state")
    shown = bulk_replay.preview(database, Policy(), FAILED)
    assert everything(connection, *before) == before
    assert (replays(connection), bulk_replay.jobs(database, limit=9)) == ([], [])
    assert (shown.matched, shown.actions, shown.tried, shown.changed) == (230, 0, 200, 200)
    assert (shown.outcomes, len(shown.changes)) == ({"linked": 200}, 100)
    assert shown.changes[0].changes["auth_user_id"] == {"from": None, "to": str(UUID(int=1))}


def test_a_job_replays_each_event_once(database: Database, connection: Connection) -> None:
    """A job replays and records each event once, with exact counts, and skips events that failed after its start."""
    fail_many(connection, database, 120)
    assert bulk_replay.begin(database, FAILED, requested_by=KIM) == {"id": 1, "matched": 120}
    fail_many(connection, database, 3, first=121)
    done = work_off(connection, database, 1)
    assert (done["status"], done["matched"], done["replayed"], done["changed"]) == ("DONE", 120, 120, 120)
    assert (done["outcomes"], done["ended_at"] is not None) == ({"linked": 120}, True)
    assert Counter(replays(connection)) == {(f"evt-{n}", KIM, "ambiguous", "linked"): 1 for n in range(1, 121)}
    assert linked_employees(connection) == 120
    assert run_pass(database) == PassResult()


def test_all_jobs_and_relays_share_one_rate(database: Database, connection: Connection) -> None:
    """All jobs and relays together replay fifty events a second. A second part of any job must wait."""
    fail_many(connection, database, 80)
    begin(database), begin(database)
    assert run_pass(database, "a").claimed == 50
    ran = run_pass(database, "b")
    assert (ran.claimed, ran.next_in is not None and 0 < ran.next_in <= 1) == (0, True)
    let_pass(connection)
    run_pass(database, "b")
    positions = [job["position"] for job in bulk_replay.jobs(database, limit=9)]
    assert positions == [80, 50]  # the jobs alternate, and the first job has settled fifty events of the second job


def test_a_cancelled_job_stops_after_the_claimed_part(database: Database, connection: Connection) -> None:
    """A cancelled job counts its claimed part and claims no other part. A second cancellation changes nothing."""
    fail_many(connection, database, 120)
    job = begin(database)
    part = claim(database, "a")
    cancelled = bulk_replay.cancel(database, job, requested_by="ann")
    assert (cancelled["status"], cancelled["cancelled_by"], cancelled["replayed"]) == ("CANCELLED", "ann", 0)
    rows = part["events"]
    done = bulk_replay.replayed(database, Policy(), rows, requested_by=KIM, dry_run=False)
    bulk_replay.settle(database, part["job"], "a", done)
    let_pass(connection)
    assert (run_pass(database), linked_employees(connection)) == (PassResult(), 50)
    ended = bulk_replay.cancel(database, job, requested_by="joe")
    assert (ended["status"], ended["cancelled_by"], ended["replayed"]) == ("CANCELLED", "ann", 50)
    assert bulk_replay.cancel(database, 99, requested_by="joe") is None


@pytest.mark.parametrize("has_applied", [False, True])
def test_another_relay_takes_over_from_a_dead_one(
    database: Database, connection: Connection, other: Database, has_applied: bool
) -> None:
    """After the lease of a dead relay ends, another relay continues the job and replays no event twice."""
    fail_many(connection, database, 120)
    job = begin(database)
    run_pass(database, "dead")
    let_pass(connection)
    part = claim(database)
    if has_applied:
        bulk_replay.replayed(database, Policy(), part["events"][:30], requested_by=KIM, dry_run=False)
    let_pass(connection)
    assert run_pass(other, "heir").claimed == 0  # the lease has not ended yet
    let_pass(connection, leases=True)
    assert run_pass(other, "heir").claimed == (20 if has_applied else 50)
    bulk_replay.settle(database, part["job"], "dead", bulk_replay.Part([]))  # too late, so it does not count
    done = work_off(connection, other, job, "heir")
    assert (done["replayed"], done["changed"], done["outcomes"]) == (120, 120, {"linked": 120})
    assert Counter(replays(connection)) == {(f"evt-{n}", KIM, "ambiguous", "linked"): 1 for n in range(1, 121)}


def test_two_relays_replay_no_event_twice(database: Database, connection: Connection, other: Database) -> None:
    """While one relay holds a part of a job, no other relay gets a part. Concurrent relays replay each event once."""
    fail_many(connection, database, 230)
    job = begin(database)
    part = claim(database, "a")
    let_pass(connection)
    assert claim(other, "b")["job"] is None
    done = bulk_replay.replayed(database, Policy(), part["events"], requested_by=KIM, dry_run=False)
    bulk_replay.settle(database, part["job"], "a", done)
    with running(database, "a"), running(other, "b"):
        ended = work_off(connection, database, job, "c")
    assert (ended["replayed"], ended["outcomes"]) == (230, {"linked": 230})
    assert max(Counter(replays(connection)).values()) == 1


def test_a_failing_event_does_not_stop_a_job(database: Database, connection: Connection) -> None:
    """A job counts and records an unreadable event and an event that fails again, and replays all other events."""
    fail_many(connection, database, 5)
    connection.execute("""update integration_sync_log set request_data = '{"type": 1}' where event_id = 'evt-2'""")
    hire(connection, "user4@example.com")
    shown = bulk_replay.preview(database, Policy(), FAILED)
    done = work_off(connection, database, begin(database))
    expected = {"linked": 3, "unreadable": 1, "ambiguous": 1}
    assert (done["status"], done["replayed"], done["outcomes"]) == ("DONE", 5, expected)
    assert shown.outcomes == expected
    assert ("evt-2", KIM, "ambiguous", "unreadable") in replays(connection)


def test_a_job_waits_for_a_held_employee(database: Database, database_url: str, connection: Connection) -> None:
    """While an import holds an employee, a job replays the events before hers. The later events follow afterwards."""
    fail_many(connection, database, 6)
    job = begin(database)
    with psycopg.connect(database_url) as importing:
        importing.execute("select from employees where email = 'user4@example.com' for update")
        assert (run_pass(database).held, bulk_replay.job(database, job)["replayed"]) == (3, 3)
    done = work_off(connection, database, job)
    assert (done["status"], done["replayed"], len(replays(connection))) == ("DONE", 6, 6)


def test_a_job_continues_after_an_error(database: Database, connection: Connection) -> None:
    """A relay that could not settle a part claims the part again before the lease ends."""
    fail_many(connection, database, 60)
    job = begin(database)
    connection.execute("alter function auth_sync_settle_bulk_replay_v1 rename to away")
    with pytest.raises(Unavailable):
        run_pass(database)
    connection.execute("alter function away rename to auth_sync_settle_bulk_replay_v1")
    done = work_off(connection, database, job)
    assert (done["replayed"], done["outcomes"], len(replays(connection))) == (60, {"linked": 60}, 60)


def test_a_job_that_the_database_refuses_has_failed(database: Database, connection: Connection) -> None:
    """A job whose part the database refuses ends as FAILED with the reason."""
    fail_many(connection, database, 2)
    connection.execute("""update integration_sync_log set request_data = '{"type": 1}' where event_id = 'evt-2'""")
    job = begin(database)
    connection.execute("alter table integration_sync_replays add constraint c check (outcome <> 'unreadable')")
    with pytest.raises(DatabaseError):
        run_pass(database)
    ended = bulk_replay.job(database, job)
    assert (ended["status"], ended["error_message"]) == ("FAILED", "The database refused the call (23514).")
    assert ended["ended_at"] is not None


@pytest.mark.parametrize(("needs_attention", "count"), [(True, 2), (False, 3)])
def test_a_filter_chooses_events_that_need_attention(
    database: Database, connection: Connection, needs_attention: bool, count: int
) -> None:
    """A bulk replay can be limited to the events that need attention, or to the events that are still retried."""
    fail_many(connection, database, 5)
    connection.execute("update integration_sync_log set next_attempt_at = null where event_id in ('evt-1', 'evt-2')")
    filter = FAILED | {"needs_attention": needs_attention}
    assert bulk_replay.preview(database, Policy(), filter).matched == count
    assert work_off(connection, database, begin(database, **filter))["replayed"] == count


def test_a_pruned_part_is_skipped(database: Database, connection: Connection) -> None:
    """If retention removes events that a dead relay had claimed, the job replays the remaining events and ends."""
    fail_many(connection, database, 60)
    job = begin(database)
    claim(database)
    connection.execute("delete from integration_sync_log where id <= 50")
    let_pass(connection, leases=True)
    assert work_off(connection, database, job)["replayed"] == 10


def test_a_job_without_events_is_done_at_once(database: Database) -> None:
    """A job whose filter matches no event is DONE at once."""
    job = begin(database)
    assert (bulk_replay.job(database, job)["status"], run_pass(database)) == ("DONE", PassResult())
    assert bulk_replay.job(database, 99) is None


def test_failed_actions_are_made_due_once(database_url: str) -> None:
    """A bulk replay makes an action that needs attention due and records the admin. It skips a successful action."""
    with company(database_url) as there:
        there.write("email = 'hr@example.com'")
        there.rest()
        dismiss(there.connection, there.jane)
        there.connection.execute(
            "update integration_sync_log set status = 'FAILED', outcome = 'auth_refused', error_message = 'no',"
            " next_attempt_at = null where operation = 'disable_auth_user'"
        )
        filter: dict[str, Any] = {"auth_user_id": str(there.user)}
        shown = bulk_replay.preview(there.database, Policy(), filter)
        done = work_off(there.connection, there.database, begin(there.database, **filter))
        assert (shown.actions, done["outcomes"]["asked_again"]) == (1, 1)
        assert (shown.matched, done["matched"], done["replayed"]) == (
            done["matched"],
            done["replayed"],
            shown.tried + 1,
        )
        event_id = there.action["event_id"]
        assert [entry for entry in replays(there.connection) if entry[0] == event_id] == [
            (event_id, KIM, "auth_refused", "asked_again")
        ]
        there.rest()
        assert (there.action["status"], there.is_banned) == ("SUCCESS", True)
