"""Which action is taken from the ledger: the newest wish of a user, one of a user at a time, few before many."""

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, hire
from tests.integration.captured import auth_of, relay_all
from tests.integration.requested_actions import (
    DISABLE,
    EMAIL,
    ENABLE,
    actions,
    claim,
    dismiss,
    fill_bucket,
    link_many,
    linked,
    outcomes,
    settle,
    write,
)
from webhook_service.events import Json
from webhook_service.ports import Database


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


@pytest.fixture
def thirty(connection: Connection) -> None:
    link_many(connection, 30)
    fill_bucket(connection)


def take_now(database: Database, event_id: str, lease: str = "now") -> Json:
    return database.call("auth_sync_claim_action_v1", p_event_id=event_id, p_lease=lease, p_lease_seconds=90)


def test_the_newest_wish_is_taken_and_older_ones_are_stale(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """Off, on and off again is one call; what is overruled has ended well, and without an attempt."""
    write(connection, "is_active = false", "is_active = true", "is_active = false")
    *older, newest = actions(connection)
    assert [action["event_id"] for action in claim(database)] == [newest["event_id"]]
    assert outcomes(connection) == [
        (DISABLE, "SUCCESS", "stale"),
        (ENABLE, "SUCCESS", "stale"),
        (DISABLE, "PENDING", None),
    ]
    assert all(action["attempts"] == 0 and action["completed_at"] for action in actions(connection)[: len(older)])


def test_access_and_e_mail_do_not_overrule_each_other(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """Each kind has its own newest wish; the one comes after the other."""
    write(connection, "is_active = false", "email = 'b@example.com'", "email = 'c@example.com'", "is_active = true")
    taken = []
    while found := claim(database):
        [action] = found
        taken.append((action["operation"], action["request_data"].get("email")))
        settle(database, action, outcome="unchanged")
    assert sorted(taken) == [(ENABLE, None), (EMAIL, "c@example.com")]
    assert Counter(action["outcome"] for action in actions(connection)) == {"stale": 2, "unchanged": 2}


def test_older_failures_end_with_the_newer_wish(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """Also one that was given up, and one whose time has not come: nobody need see to them any more."""
    write(connection, "email = 'b@example.com'")
    settle(database, claim(database)[0], outcome="email_taken", error="email_taken")
    write(connection, "email = 'c@example.com'")
    settle(database, claim(database)[0], outcome="auth_unavailable", error="auth_unavailable", retry=True)
    write(connection, "email = 'd@example.com'")
    [action] = claim(database)
    assert action["request_data"] == {"email": "d@example.com", "was": "jane@example.com"}
    assert sorted(action["sent"]) == ["b@example.com", "c@example.com"]
    found = actions(connection)[:2]
    assert [(f["status"], f["outcome"], f["error_message"], f["next_attempt_at"]) for f in found] == [
        ("SUCCESS", "stale", None, None)
    ] * 2


def test_it_is_told_the_employee_as_it_is_now(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """Not as it was when the action was entered."""
    dismiss(connection, jane[0])
    connection.execute("alter table employees disable trigger user")
    write(connection, "is_active = true, email = ' Jane.Smith@example.com '")
    [action] = claim(database)
    assert action["employee"] == {"employee_id": jane[0], "is_active": True, "email": "jane.smith@example.com"}
    assert (action["operation"], action["auth_user_id"]) == (DISABLE, str(jane[1]))


def test_who_has_no_employee_any_more_is_told_as_that(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """Deleted, or unlinked."""
    connection.execute("delete from employees")
    [action] = claim(database)
    assert (action["employee"], action["employee_id"]) == (None, jane[0])


def test_one_action_of_a_user_at_a_time(connection: Connection, database: Database, jane: tuple[int, UUID]) -> None:
    """While one is being worked on, nobody takes another one of this user, whatever kind it is."""
    write(connection, "is_active = false, email = 'b@example.com'")
    [first] = claim(database, "a")
    write(connection, "is_active = true")
    assert claim(database, "b") == []
    assert settle(database, first, "a")
    assert len(claim(database, "b")) == 1


def test_what_is_worked_on_is_not_overruled(connection: Connection, database: Database, jane: tuple[int, UUID]) -> None:
    """What a relay does with its lease is its own; the newer wish comes after it."""
    dismiss(connection, jane[0])
    [first] = claim(database, "a")
    write(connection, "is_active = true")
    assert claim(database, "b") == []
    assert settle(database, first, "a", "disabled")
    [second] = claim(database, "b")
    assert second["operation"] == ENABLE
    assert outcomes(connection)[0] == (DISABLE, "SUCCESS", "disabled")


def test_few_go_before_many(connection: Connection, database: Database, thirty: None) -> None:
    """A single dismissal does not wait behind those of a whole department, nor behind what is older and bulk."""
    dismiss(connection, *range(1, 26))
    assert len(claim(database, limit=8)) == 8
    dismiss(connection, 30)
    dismiss(connection, 29)
    assert [action["employee_id"] for action in claim(database, limit=3)][:2] == [30, 29]


def test_one_user_s_many_wishes_hold_nobody_up(connection: Connection, database: Database, thirty: None) -> None:
    """While one of them is worked on, a hundred more of the same user wait; others are taken."""
    dismiss(connection, 1)
    assert len(claim(database, "a")) == 1
    for number in range(100):
        connection.execute("update employees set is_active = %s where employee_id = 1", [number % 2 == 0])
    dismiss(connection, 2)
    assert [action["employee_id"] for action in claim(database, "b")] == [2]


def test_somebody_who_waits_takes_a_certain_action(connection: Connection, database: Database, thirty: None) -> None:
    """This one, whatever is before it; not one that is done or being worked on, and no event."""
    dismiss(connection, *range(1, 26))
    last = actions(connection)[-1]["event_id"]
    assert take_now(database, last)["event_id"] == last
    assert take_now(database, last, "other") is None
    assert settle(database, {"event_id": last}, "now")
    assert take_now(database, last) is None
    assert take_now(database, "no such action") is None


def test_an_overruled_action_is_taken_as_the_newer_one(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """Who waits for a dismissal that was taken back meanwhile is told of the newer wish."""
    write(connection, "is_active = false", "is_active = true")
    older, newer = actions(connection)
    assert take_now(database, older["event_id"])["event_id"] == newer["event_id"]
    assert outcomes(connection)[0] == (DISABLE, "SUCCESS", "stale")


def test_events_are_not_taken_as_actions(connection: Connection, database: Database, auth: Auth) -> None:
    """Nor actions as events: each has a relay of its own."""
    hire(connection, "jane@example.com", is_active=False)
    auth.admin_create("jane@example.com")
    fill_bucket(connection)
    assert claim(database) == []
    assert relay_all(database) == {"linked": 1}
    assert relay_all(database) == {}
    assert [action["operation"] for action in claim(database)] == [DISABLE]
