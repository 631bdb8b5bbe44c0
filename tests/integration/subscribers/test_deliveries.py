"""Relays claim deliveries in the order of each employee, retry them, and keep those that need an admin."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from tests.employees import Connection
from tests.integration.subscribers.feeding import (
    SECRET,
    claim,
    deliveries,
    end_pauses,
    event_id,
    feed,
    settle,
    subscribe,
    write_entry,
)
from tests.kept_databases import database_of
from webhook_service.db.schema import sql_text
from webhook_service.doctor import relay_checks
from webhook_service.doctor.findings import Level
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.subscribers.event_types import MEANINGS, EventType

MOST_ATTEMPTS = 29


@pytest.fixture
def two_people(database: Database, connection: Connection) -> None:
    """Two events of employee 1, and one of employee 2, for one subscriber."""
    subscribe(database)
    for employee in (1, 1, 2):
        write_entry(connection, employee)
    assert feed(database) == 3


def events(claimed: list[dict[str, Json]]) -> list[str]:
    return [event_id(each) for each in claimed]


@pytest.mark.usefixtures("two_people")
def test_an_employees_events_are_claimed_in_order(database: Database) -> None:
    """A later event of an employee is not claimed while an earlier one is open. Other employees do not wait."""
    first = claim(database)
    assert events(first) == ["event-1", "event-3"]
    assert claim(database, lease="b") == []
    assert settle(database, first[0]) == "done"
    assert events(claim(database)) == ["event-2"]


@pytest.mark.usefixtures("two_people")
def test_a_failed_delivery_holds_its_employee_back(database: Database, connection: Connection) -> None:
    """While a delivery waits for its retry, later ones of the employee wait too."""
    claimed = claim(database)
    assert settle(database, claimed[1]) == "done"
    assert settle(database, claimed[0], 500, "status_500") == "retried"
    assert claim(database) == []
    end_pauses(connection)
    assert events(claim(database)) == ["event-1"]


@pytest.mark.usefixtures("two_people")
def test_subscribers_do_not_wait_for_each_other(database: Database, connection: Connection) -> None:
    """The failures of one subscriber do not hold another one back."""
    subscribe(database, "other")
    write_entry(connection, 1)
    feed(database)
    for each in claim(database):
        if each["subscriber"] == "crm":
            settle(database, each, None, "timed_out")
        else:
            settle(database, each)
    write_entry(connection, 1)
    feed(database)
    assert [each["subscriber"] for each in claim(database)] == ["other"]


def test_a_claim_is_shared_among_subscribers(database: Database, connection: Connection) -> None:
    """A subscriber with many due deliveries, which may be slow, leaves places in a claim to the others.

    A single subscriber gets all places.
    """
    subscribe(database, "slow")
    for employee in range(30):
        write_entry(connection, employee)
    feed(database)
    assert len(claim(database, limit=10)) == 10
    subscribe(database, "other")
    subscribe(database, "third")
    for employee in (30, 31):
        write_entry(connection, employee)
    feed(database)
    claimed = Counter(each["subscriber"] for each in claim(database, limit=10))
    assert claimed == {"slow": 6, "other": 2, "third": 2}


def test_a_failing_subscriber_is_tried_with_one_delivery(database: Database, connection: Connection) -> None:
    """After a failure the subscriber rests, and then gets one delivery, so that it is not flooded."""
    subscribe(database)
    for employee in range(5):
        write_entry(connection, employee)
    feed(database)
    first = claim(database, limit=1)
    settle(database, first[0], 503, "status_503", retry_after=600)
    assert claim(database) == []
    row = connection.execute("select paused_until - now() > interval '590 s' as rests from auth_sync_subscribers")
    assert row.fetchall() == [{"rests": True}]
    end_pauses(connection)
    [trial] = claim(database)
    assert settle(database, trial) == "done"
    assert len(claim(database)) == 4


def test_retries_span_three_days_and_then_it_is_dead(database: Database, connection: Connection) -> None:
    """A delivery is retried for at least 72 hours, is dead then, holds nothing back, and can be replayed."""
    subscribe(database)
    write_entry(connection, 1)
    feed(database)
    spanned = timedelta()
    for attempt in range(1, MOST_ATTEMPTS + 1):
        [claimed] = claim(database)
        assert claimed["attempts"] == attempt - 1
        result = settle(database, claimed, 500, "status_500")
        if result == "retried":
            [row] = deliveries(connection)
            spanned += row["next_attempt_at"] - datetime.now(UTC)
            end_pauses(connection)
    assert (result, attempt) == ("dead", MOST_ATTEMPTS)
    assert spanned >= timedelta(hours=72)
    write_entry(connection, 1)
    feed(database)
    end_pauses(connection)
    [later] = claim(database)
    assert event_id(later) == "event-2"
    settle(database, later)
    assert database.call("auth_sync_replay_deliveries_v1", p_name="crm", p_id=None, p_limit=10) == 1
    [again] = claim(database)
    assert (again["webhook_id"], again["attempts"]) == (claimed["webhook_id"], 0)


@pytest.mark.usefixtures("two_people")
def test_gone_disables_the_subscriber(database: Database) -> None:
    """After a 410 the subscriber is disabled with its reason, and its deliveries wait until it is enabled."""
    [first, _] = claim(database)
    assert settle(database, first, 410, "status_410") == "gone"
    [subscriber] = database.call("auth_sync_subscribers_v1")
    assert (subscriber["disabled_reason"], subscriber["pending"]) == ("gone", 3)
    assert claim(database, lease="b") == []
    database.call("auth_sync_enable_subscriber_v1", p_name="crm", p_is_enabled=True)
    assert events(claim(database)) == ["event-1"]


@pytest.mark.usefixtures("two_people")
def test_only_the_holder_of_the_lease_settles(database: Database, connection: Connection) -> None:
    """A relay whose lease has ended cannot settle a delivery that another relay has claimed."""
    [first, _] = claim(database)
    connection.execute("update auth_sync_deliveries set leased_until = now() - interval '1 second'")
    assert events(claim(database, lease="b"))[0] == event_id(first)
    assert settle(database, first) is None
    assert settle(database, first, lease="b") == "done"


@pytest.mark.usefixtures("two_people")
def test_relays_that_claim_at_once_share_the_work(
    database: Database, connection: Connection, database_url: str
) -> None:
    """A relay skips deliveries that another transaction is claiming, and does not wait."""
    connection.execute("begin")
    connection.execute("select auth_sync_claim_deliveries_v1('a', 1, 30)")
    with database_of(database_url) as other:
        assert events(claim(other, lease="b")) == ["event-3"]
    connection.execute("commit")


@pytest.mark.usefixtures("two_people")
def test_both_secrets_sign_for_a_day(database: Database, connection: Connection) -> None:
    """After a rotation, both secrets are valid for 24 hours, and then the new one alone. Lists have none."""
    new = "whsec_" + "B" * 32
    assert database.call("auth_sync_rotate_subscriber_v1", p_name="crm", p_secret=new) is True
    assert claim(database, limit=1)[0]["secrets"] == [new, SECRET]
    connection.execute("update auth_sync_subscribers set former_secret_until = former_secret_until - interval '24 h'")
    assert claim(database, limit=1)[0]["secrets"] == [new]
    lists = (
        database.call("auth_sync_subscribers_v1"),
        database.call("auth_sync_subscriber_v1", p_name="crm", p_limit=9),
    )
    assert "whsec_" not in str(lists)


@pytest.mark.usefixtures("two_people")
def test_a_second_rotation_keeps_the_installed_secret(database: Database, connection: Connection) -> None:
    """Within a day, a second rotation replaces the secret that nobody may have installed, and keeps the former one."""
    second, third, fourth = ("whsec_" + letter * 32 for letter in "BCD")
    ends = []
    for new in (second, third):
        database.call("auth_sync_rotate_subscriber_v1", p_name="crm", p_secret=new)
        ends += connection.execute("select former_secret_until from auth_sync_subscribers").fetchall()
    assert claim(database, limit=1)[0]["secrets"] == [third, SECRET]
    assert ends[0] == ends[1]
    connection.execute("update auth_sync_subscribers set former_secret_until = former_secret_until - interval '24 h'")
    database.call("auth_sync_rotate_subscriber_v1", p_name="crm", p_secret=fourth)
    assert claim(database, limit=1)[0]["secrets"] == [fourth, third]


@pytest.mark.usefixtures("two_people")
def test_old_deliveries_are_removed(database: Database, connection: Connection) -> None:
    """Retention removes deliveries that are done, and keeps those that are pending."""
    settle(database, claim(database)[0])
    before = {"p_before": (datetime.now(UTC) + timedelta(days=1)).isoformat(), "p_limit": 10}
    assert database.call("auth_sync_prune_deliveries_v1", **before, p_dry_run=True) == 1
    assert database.call("auth_sync_prune_deliveries_v1", **before, p_dry_run=False) == 1
    assert [each["status"] for each in deliveries(connection)] == ["PENDING", "PENDING"]


@pytest.mark.usefixtures("two_people")
def test_a_name_is_used_once(database: Database) -> None:
    """A second subscriber with the name is refused. Calls about an unknown subscriber say so."""
    again = {
        "p_name": "crm",
        "p_url": "https://x.example",
        "p_secret": SECRET,
        "p_types": None,
        "p_allow_private": False,
    }
    assert database.call("auth_sync_create_subscriber_v1", **again) is False
    assert database.call("auth_sync_enable_subscriber_v1", p_name="nobody", p_is_enabled=True) is False
    assert database.call("auth_sync_replay_deliveries_v1", p_name="nobody", p_id=None, p_limit=1) is None
    assert database.call("auth_sync_subscriber_v1", p_name="nobody", p_limit=1) is None


def test_doctor_finds_dead_deliveries(database: Database, connection: Connection) -> None:
    """A dead delivery is a finding that is wrong, and a subscriber that answered 410 is a note."""
    assert relay_checks.subscribers(database.call("auth_sync_inspect_v1")) == []
    subscribe(database)
    write_entry(connection, 1)
    feed(database)
    settle(database, claim(database)[0], 410, "status_410")
    connection.execute("update auth_sync_deliveries set status = 'DEAD', next_attempt_at = null, completed_at = now()")
    found = relay_checks.subscribers(database.call("auth_sync_inspect_v1"))
    assert [each.level for each in found] == [Level.WRONG, Level.NOTE]
    numbers = database.call("auth_sync_metrics_v1")
    assert (numbers["dead_deliveries"], numbers["disabled_subscribers"]) == (1, 1)


def test_the_types_of_both_sides_are_the_same() -> None:
    """The SQL function gives the types that the command and the documentation offer."""
    text = sql_text("functions/deliveries.sql").partition("auth_sync_event_payload_v1")[0]
    assert set(re.findall(r"'((?:employee|login)\.\w+)'", text)) == set(EventType) == MEANINGS.keys()
