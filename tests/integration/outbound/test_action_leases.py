"""Who has taken an action settles it: many relays at once, leases that end, failures, what is remembered."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection
from tests.integration.captured import auth_of, end_leases, everything, make_due
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
def auth(database_url: str) -> Iterator[Auth]:
    with auth_of(database_url) as auth:
        yield auth


@pytest.fixture
def jane(connection: Connection, database: Database, auth: Auth) -> tuple[int, UUID]:
    """Her employee id and her auth user."""
    found = linked(connection, database, auth, "jane@example.com")
    fill_bucket(connection)
    return found


def test_many_relays_take_each_action_once(database_url: str, connection: Connection) -> None:
    """At once, and never two of one user at the same time: nothing is done twice, nothing is left."""
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


def test_a_lease_that_has_ended_is_taken_over(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """Whoever took an action and died is followed by another; what the first one says then does not count."""
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


def test_a_lease_counts_until_somebody_takes_over(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """Who was slow, and whom nobody has followed, has done it all the same."""
    dismiss(connection, jane[0])
    [action] = claim(database, "a")
    end_leases(connection)
    assert settle(database, action, "a")


@pytest.mark.parametrize("call", ["settle", "give back"])
def test_only_the_holder_settles_or_gives_back(
    connection: Connection, database: Database, jane: tuple[int, UUID], call: str
) -> None:
    """Nobody else does, and nobody whose action has no lease."""
    dismiss(connection, jane[0])
    [action] = claim(database, "a")
    before = everything(connection)
    if call == "settle":
        assert not settle(database, action, "b")
    else:
        database.call("auth_sync_give_back_v1", p_event_id=action["event_id"], p_lease="b")
    assert everything(connection) == before


def test_what_is_given_back_is_no_attempt(connection: Connection, database: Database, jane: tuple[int, UUID]) -> None:
    """It was not begun: the next one takes it at once."""
    dismiss(connection, jane[0])
    [action] = claim(database, "a")
    database.call("auth_sync_give_back_v1", p_event_id=action["event_id"], p_lease="a")
    [again] = claim(database, "b")
    assert (again["event_id"], again["attempts"]) == (action["event_id"], 0)


def test_a_failure_is_due_again_later_or_given_up(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """Later each time, as it was said to be worth it; and given up after the last attempt."""
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


def test_a_ban_is_remembered_as_ours_until_it_is_lifted(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """So that nobody else's ban is ever lifted; and nothing is remembered of what failed."""

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
