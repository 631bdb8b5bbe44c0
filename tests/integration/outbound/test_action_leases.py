"""Only the relay that holds an action's lease settles it, even with many relays, ended leases and failures."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection
from tests.integration.captured import end_leases, everything, make_due
from tests.integration.requested_actions import (
    DISABLE,
    actions,
    claim,
    claimed,
    dismiss,
    fill_bucket,
    link_many,
    linked,
    outcomes,
    settle,
    write,
)
from webhook_service.db.direct import DirectDatabase
from webhook_service.ports import Database

RELAYS = 6


@pytest.fixture
def jane(connection: Connection, database: Database, auth: Auth) -> tuple[int, UUID]:
    """Return Jane's employee id and auth user."""
    found = linked(connection, database, auth, "jane@example.com")
    fill_bucket(connection)
    return found


def test_many_relays_claim_each_action_once(database_url: str, connection: Connection) -> None:
    """Only one of many relays claims an action, and no two actions of one user are claimed at the same time."""
    link_many(connection, 100)
    write(connection, "is_active = false, email = 'x' || email")
    fill_bucket(connection)
    lock, started = threading.Lock(), threading.Barrier(RELAYS)
    held: set[str] = set()
    taken: Counter[str] = Counter()
    wrong: list[str] = []

    def work(relay: str) -> None:
        with closing(DirectDatabase(database_url)) as database:
            started.wait()
            while (answer := claimed(database, relay, rate=100_000))["next_in"] is not None:
                users = {action["event_id"]: action["auth_user_id"] for action in answer["actions"]}
                with lock:
                    wrong.extend(held.intersection(users.values()))
                    held.update(users.values())
                    taken.update(users.keys())
                for action in answer["actions"]:
                    with lock:
                        held.remove(action["auth_user_id"])
                    if not settle(database, action, relay, "unchanged"):
                        wrong.append(action["event_id"])

    with ThreadPoolExecutor(RELAYS) as pool:
        for future in [pool.submit(work, f"relay-{number}") for number in range(RELAYS)]:
            future.result()
    assert wrong == []
    assert (len(taken), set(taken.values())) == (200, {1})
    assert {action["status"] for action in actions(connection)} == {"SUCCESS"}


def test_an_action_whose_lease_has_ended_is_claimed_again(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """After a lease has ended, another relay can claim the action. The first relay can then no longer settle it."""
    dismiss(connection, jane[0])
    [first] = claim(database, "a")
    end_leases(connection)
    [second] = claim(database, "b")
    assert (second["event_id"], second["attempts"]) == (first["event_id"], 0)
    before = everything(connection)
    assert not settle(database, first, "a", "auth_refused", error="late")
    assert everything(connection) == before
    assert settle(database, second, "b")
    assert not settle(database, first, "a")
    assert outcomes(connection) == [(DISABLE, "SUCCESS", "disabled")]


def test_a_relay_can_settle_after_its_lease(connection: Connection, database: Database, jane: tuple[int, UUID]) -> None:
    """A slow relay may settle its action after the lease, unless another relay has claimed the action."""
    dismiss(connection, jane[0])
    [action] = claim(database, "a")
    end_leases(connection)
    assert settle(database, action, "a")


@pytest.mark.parametrize("call", ["settle", "give back"])
def test_only_the_holder_settles_or_gives_back(
    connection: Connection, database: Database, jane: tuple[int, UUID], call: str
) -> None:
    """Only the relay that holds the lease settles an action or gives it back."""
    dismiss(connection, jane[0])
    [action] = claim(database, "a")
    before = everything(connection)
    if call == "settle":
        assert not settle(database, action, "b")
    else:
        database.call("auth_sync_give_back_v1", p_event_id=action["event_id"], p_lease="b")
    assert everything(connection) == before


def test_giving_back_is_not_an_attempt(connection: Connection, database: Database, jane: tuple[int, UUID]) -> None:
    """An action that is given back has no additional attempt, and another relay can claim it at once."""
    dismiss(connection, jane[0])
    [action] = claim(database, "a")
    database.call("auth_sync_give_back_v1", p_event_id=action["event_id"], p_lease="a")
    [again] = claim(database, "b")
    assert (again["event_id"], again["attempts"]) == (action["event_id"], 0)


def test_a_failure_is_due_again_later_or_needs_attention(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """A failed action is retried with a backoff, and needs attention after the last attempt."""
    dismiss(connection, jane[0])
    for attempt in range(1, 30):
        [action] = claim(database)
        assert action["attempts"] == attempt - 1
        settle(database, action, outcome="not_performed", error="auth_did_not_keep_it", retry=True)
        [failed] = actions(connection)
        assert (failed["status"], failed["attempts"], failed["lease"]) == ("FAILED", attempt, None)
        if attempt < 29:
            assert failed["next_attempt_at"] > datetime.now(UTC) + timedelta(seconds=3)
            assert claim(database) == []
            make_due(connection)
    assert failed["next_attempt_at"] is None
    assert claim(database) == []


def test_our_ban_is_recorded_until_it_is_lifted(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """A ban of this service is recorded until it is lifted. A ban that failed is not recorded.

    The service lifts only recorded bans, and therefore never the ban of an admin.
    """

    def disabled_at() -> object:
        [found] = connection.execute("select disabled_at from auth_user_state").fetchall()
        return found["disabled_at"]

    dismiss(connection, jane[0])
    settle(database, claim(database)[0], outcome="auth_unavailable", error="auth_unavailable", retry=True)
    assert disabled_at() is None
    make_due(connection)
    settle(database, claim(database)[0], outcome="disabled")
    assert disabled_at() is not None
    write(connection, "is_active = true")
    settle(database, claim(database)[0], outcome="enabled")
    assert disabled_at() is None
