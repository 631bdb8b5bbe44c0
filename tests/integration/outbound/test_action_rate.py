"""All relays share one rate of actions, the pauses that Auth requests, and the pauses of an outage."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.employees import Connection
from tests.integration.captured import everything
from tests.integration.requested_actions import (
    actions,
    claim,
    claimed,
    dismiss,
    fill_bucket,
    link_many,
    outcomes,
    settle,
)
from webhook_service.db.direct import DirectDatabase
from webhook_service.ports import Database

RELAYS = 4


@pytest.fixture(autouse=True)
def hundred(connection: Connection) -> None:
    """Prepare a hundred dismissals that are due."""
    link_many(connection, 100)
    dismiss(connection, *range(1, 101))
    fill_bucket(connection)


def owe(connection: Connection, count: int) -> None:
    """Set the bucket as if the relays had just claimed `count` more actions than allowed."""
    connection.execute("update auth_sync_rate set tokens = %s, refilled_at = clock_timestamp()", [-count])


def pause(database: Database, seconds: int, *, failed: bool) -> float:
    return float(database.call("auth_sync_pause_v1", p_seconds=seconds, p_failed=failed))


def end_pause(connection: Connection) -> None:
    """Move the times in the database back, so that the pause is over."""
    connection.execute("update auth_sync_rate set paused_until = now() - interval '1 second'")
    connection.execute("update auth_sync_rate set refilled_at = now() - interval '1 hour'")


def resume(database: Database) -> bool:
    return bool(database.call("auth_sync_resume_v1"))


@pytest.mark.parametrize("rate", [1, 5, 50])
def test_after_idle_time_one_second_s_worth_is_claimed_at_once(database: Database, rate: int) -> None:
    """After any idle time, one second's worth of actions is claimed at once."""
    assert len(claim(database, limit=100, rate=rate)) == rate


def test_all_relays_share_one_rate(database_url: str, connection: Connection) -> None:
    """All relays together claim what the rate allows, independent of their number and of how often they poll."""
    rate = 10

    def poll(number: int) -> int:
        with closing(DirectDatabase(database_url)) as database:
            return sum(len(claim(database, f"relay-{number}", rate=rate)) for _ in range(20))

    began = time.monotonic()
    connection.execute("update auth_sync_rate set tokens = 0, refilled_at = clock_timestamp() - interval '500 ms'")
    with ThreadPoolExecutor(RELAYS) as pool:
        taken = sum(pool.map(poll, range(RELAYS)))
    elapsed = time.monotonic() - began
    assert rate / 2 <= taken <= rate / 2 + rate * elapsed


def test_frequent_polls_do_not_lower_the_rate(connection: Connection, database: Database) -> None:
    """Polls that each add a third of a token do not lower the rate. Every third or fourth poll claims an action."""
    began = time.monotonic()
    connection.execute("update auth_sync_rate set tokens = 0, refilled_at = clock_timestamp()")
    taken = 0
    for _ in range(12):
        connection.execute("update auth_sync_rate set refilled_at = refilled_at - interval '350 ms'")
        taken += len(claim(database, rate=1))
    assert 4 <= taken <= 12 * 0.35 + time.monotonic() - began


def test_a_clock_that_is_set_back_stops_no_relay(connection: Connection, database: Database) -> None:
    """A clock that is set back adds no tokens. The rate then continues as before."""
    connection.execute("update auth_sync_rate set tokens = 2.5, refilled_at = clock_timestamp() + interval '1 hour'")
    assert len(claim(database, rate=10)) == 2
    connection.execute("update auth_sync_rate set refilled_at = refilled_at - interval '1 minute'")
    assert len(claim(database, limit=100, rate=10)) == 10


def test_an_empty_bucket_reports_when_to_poll_again(connection: Connection, database: Database) -> None:
    """An empty bucket reports when the next action may be claimed. Without open actions it reports no time."""
    owe(connection, 60)
    answer = claimed(database, rate=1)
    assert answer["actions"] == []
    assert 50 < answer["next_in"] <= 61
    assert 25 < claimed(database, rate=2)["next_in"] <= 31
    connection.execute("delete from integration_sync_log")
    assert claimed(database, rate=1)["next_in"] is None


def test_an_action_for_an_admin_ignores_the_rate(connection: Connection, database: Database) -> None:
    """A single action that an admin waits for ignores the rate."""
    owe(connection, 60)
    [first, *_] = actions(connection)
    taken = database.call("auth_sync_claim_action_v1", p_event_id=first["event_id"], p_lease="now", p_lease_seconds=90)
    assert taken["event_id"] == first["event_id"]


def test_provisioning_takes_from_the_same_bucket(connection: Connection, database: Database) -> None:
    """Provisioning takes tokens from the bucket of the relays, which reports how long to wait."""
    connection.execute("update auth_sync_rate set tokens = 2, refilled_at = clock_timestamp() + interval '1 hour'")
    assert database.call("auth_sync_take_token_v1", p_rate=5) == 0
    assert connection.execute("select tokens from auth_sync_rate").fetchall() == [{"tokens": 1}]
    owe(connection, 60)
    assert 50 < database.call("auth_sync_take_token_v1", p_rate=1) <= 61
    fill_bucket(connection)
    pause(database, 30, failed=False)
    assert 20 < database.call("auth_sync_take_token_v1", p_rate=1) <= 30


def test_a_pause_stops_all_relays(connection: Connection, database: Database) -> None:
    """A pause stops all relays, and the database reports how long it lasts. After the pause, the rate applies."""
    pause(database, 30, failed=False)
    for relay in ("a", "b"):
        answer = claimed(database, relay)
        assert (answer["actions"], answer["is_trial"]) == ([], False)
        assert 20 < answer["next_in"] <= 30
    end_pause(connection)
    assert len(claim(database, limit=100, rate=5)) == 5


def test_the_longest_pause_counts_up_to_an_hour(database: Database) -> None:
    """The longest of several requested pauses counts, up to an hour."""
    assert round(pause(database, 30, failed=False)) == 30
    assert round(pause(database, 5, failed=False)) == 30
    assert round(pause(database, 10**6, failed=False)) == 3600


def test_after_a_requested_pause_there_is_no_trial(connection: Connection, database: Database) -> None:
    """After a pause that Auth requested, relays claim as many actions as before."""
    pause(database, 30, failed=False)
    end_pause(connection)
    answer = claimed(database, limit=8)
    assert (len(answer["actions"]), answer["is_trial"]) == (8, False)
    assert not resume(database)


def test_an_outage_doubles_the_pause_up_to_a_minute(connection: Connection, database: Database) -> None:
    """The pause doubles each time that Auth cannot be reached, up to a minute."""
    lasted = []
    for _ in range(8):
        lasted.append(round(pause(database, 2, failed=True)))
        end_pause(connection)
    assert lasted == [2, 4, 8, 16, 32, 60, 60, 60]


def test_after_an_outage_one_action_is_tried(connection: Connection, database: Database) -> None:
    """After an outage the relays try one action, so that a longer outage costs one attempt instead of a hundred."""
    pause(database, 2, failed=True)
    end_pause(connection)
    answer = claimed(database, "a", limit=8)
    assert (len(answer["actions"]), answer["is_trial"]) == (1, True)


def test_only_one_relay_tries_an_action_after_an_outage(connection: Connection, database: Database) -> None:
    """While one relay tries an action after an outage, no other relay claims an action."""
    pause(database, 2, failed=True)
    end_pause(connection)
    [trial] = claim(database, "a")
    assert claim(database, "b") == []
    settle(database, trial, "a")
    assert resume(database)
    fill_bucket(connection)
    assert len(claim(database, "b")) == 8


def fail_some(connection: Connection, database: Database, count: int) -> None:
    """Fail actions because Auth cannot be reached, so that they are due again later."""
    for action in claim(database, limit=count):
        settle(database, action, outcome="auth_unavailable", error="auth_unreachable", retry=True)
    fill_bucket(connection)


def due(connection: Connection) -> dict[tuple[str, str | None], int]:
    """Count the actions that are due now, as {(status, outcome): count}."""
    found = connection.execute(
        "select status, outcome, count(*) as number from integration_sync_log"
        " where direction = 'outbound' and status <> 'SUCCESS' and next_attempt_at <= now() group by 1, 2"
    ).fetchall()
    return {(row["status"], row["outcome"]): row["number"] for row in found}


def test_actions_that_an_outage_failed_are_due_after_it(connection: Connection, database: Database) -> None:
    """All actions that failed because of an outage are due when the outage is over. Other failed actions are not."""
    fail_some(connection, database, 5)
    [other, needs_attention] = claim(database, limit=2)
    settle(database, other, outcome="not_performed", error="auth_did_not_keep_it", retry=True)
    settle(database, needs_attention, outcome="auth_unavailable", error="auth_unreachable", retry=False)
    for _ in range(3):
        pause(database, 2, failed=True)
    assert due(connection) == {("PENDING", None): 93}
    assert resume(database)
    assert due(connection) == {("PENDING", None): 93, ("FAILED", "auth_unavailable"): 5}


def test_one_failure_is_not_an_outage(connection: Connection, database: Database) -> None:
    """A single failure keeps its own retry time, so that an action that always fails is not retried constantly."""
    fail_some(connection, database, 5)
    pause(database, 2, failed=True)
    assert resume(database)
    assert due(connection) == {("PENDING", None): 95}
    assert round(pause(database, 2, failed=True)) == 2


def test_resuming_without_an_outage_changes_nothing(connection: Connection, database: Database) -> None:
    """Resuming the relays without an outage changes nothing."""
    fail_some(connection, database, 5)
    before = everything(connection, "integration_sync_log", "auth_sync_rate")
    assert not resume(database)
    assert everything(connection, "integration_sync_log", "auth_sync_rate") == before
    assert len(outcomes(connection)) == 100
