"""A relay claims the newest action of a user, one action of a user at a time, and single actions before a bulk."""

from collections import Counter
from uuid import UUID

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, hire
from tests.integration.captured import relay_all
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
def jane(connection: Connection, database: Database, auth: Auth) -> tuple[int, UUID]:
    """Return Jane's employee id and her auth user."""
    found = linked(connection, database, auth, "jane@example.com")
    fill_bucket(connection)
    return found


@pytest.fixture
def thirty(connection: Connection) -> None:
    link_many(connection, 30)
    fill_bucket(connection)


def claim_now(database: Database, event_id: str, lease: str = "now") -> Json:
    return database.call("auth_sync_claim_action_v1", p_event_id=event_id, p_lease=lease, p_lease_seconds=90)


def test_the_newest_action_is_claimed_and_older_ones_are_stale(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """The newest action of a kind is claimed. Older actions of this kind succeed as stale, without an attempt."""
    write(connection, "is_active = false", "is_active = true", "is_active = false")
    *older, newest = actions(connection)
    assert [action["event_id"] for action in claim(database)] == [newest["event_id"]]
    assert outcomes(connection) == [
        (DISABLE, "SUCCESS", "stale"),
        (ENABLE, "SUCCESS", "stale"),
        (DISABLE, "PENDING", None),
    ]
    assert all(action["attempts"] == 0 and action["completed_at"] for action in actions(connection)[: len(older)])


def test_access_and_e_mail_do_not_replace_each_other(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """Actions of different kinds do not replace each other, and are performed one after the other."""
    write(connection, "is_active = false", "email = 'b@example.com'", "email = 'c@example.com'", "is_active = true")
    taken = []
    while found := claim(database):
        [action] = found
        taken.append((action["operation"], action["request_data"].get("email")))
        settle(database, action, outcome="unchanged")
    assert sorted(taken) == [(ENABLE, None), (EMAIL, "c@example.com")]
    assert Counter(action["outcome"] for action in actions(connection)) == {"stale": 2, "unchanged": 2}


def test_a_newer_action_ends_older_failures(connection: Connection, database: Database, jane: tuple[int, UUID]) -> None:
    """A newer action ends older actions that need attention or are not due yet."""
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


def test_a_claimed_action_has_the_current_employee(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """A claimed action has the current values of the employee, not those of the time when it was entered."""
    dismiss(connection, jane[0])
    connection.execute("alter table employees disable trigger user")
    write(connection, "is_active = true, email = ' Jane.Smith@example.com '")
    [action] = claim(database)
    assert action["employee"] == {"employee_id": jane[0], "is_active": True, "email": "jane.smith@example.com"}
    assert (action["operation"], action["auth_user_id"]) == (DISABLE, str(jane[1]))


def test_a_claimed_action_may_have_no_employee(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """If the employee was deleted or unlinked, a claimed action has no employee."""
    connection.execute("delete from employees")
    [action] = claim(database)
    assert (action["employee"], action["employee_id"]) == (None, jane[0])


def test_only_one_action_of_a_user_is_claimed_at_a_time(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """While a relay performs an action, no relay claims another action of the same user."""
    write(connection, "is_active = false, email = 'b@example.com'")
    [first] = claim(database, "a")
    write(connection, "is_active = true")
    assert claim(database, "b") == []
    assert settle(database, first, "a")
    assert len(claim(database, "b")) == 1


def test_an_action_under_a_lease_is_not_replaced(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """A newer action does not replace the action that a relay is performing, and waits for it."""
    dismiss(connection, jane[0])
    [first] = claim(database, "a")
    write(connection, "is_active = true")
    assert claim(database, "b") == []
    assert settle(database, first, "a", "disabled")
    [second] = claim(database, "b")
    assert second["operation"] == ENABLE
    assert outcomes(connection)[0] == (DISABLE, "SUCCESS", "disabled")


def test_single_actions_are_claimed_before_a_bulk(connection: Connection, database: Database, thirty: None) -> None:
    """A single dismissal is claimed before all bulk actions, even older ones."""
    dismiss(connection, *range(1, 26))
    assert len(claim(database, limit=8)) == 8
    dismiss(connection, 30)
    dismiss(connection, 29)
    assert [action["employee_id"] for action in claim(database, limit=3)][:2] == [30, 29]


def test_many_actions_of_one_user_do_not_delay_other_users(
    connection: Connection, database: Database, thirty: None
) -> None:
    """A hundred actions of one user do not delay the action of another user."""
    dismiss(connection, 1)
    assert len(claim(database, "a")) == 1
    for number in range(100):
        connection.execute("update employees set is_active = %s where employee_id = 1", [number % 2 == 0])
    dismiss(connection, 2)
    assert [action["employee_id"] for action in claim(database, "b")] == [2]


def test_a_named_action_is_claimed_before_others(connection: Connection, database: Database, thirty: None) -> None:
    """`claim_action` claims the named action before all others, and refuses settled and leased actions and events."""
    dismiss(connection, *range(1, 26))
    last = actions(connection)[-1]["event_id"]
    assert claim_now(database, last)["event_id"] == last
    assert claim_now(database, last, "other") is None
    assert settle(database, {"event_id": last}, "now")
    assert claim_now(database, last) is None
    assert claim_now(database, "no such action") is None


def test_claiming_a_replaced_action_claims_the_newer_action(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """Claiming an action that was replaced claims the newer action."""
    write(connection, "is_active = false", "is_active = true")
    older, newer = actions(connection)
    assert claim_now(database, older["event_id"])["event_id"] == newer["event_id"]
    assert outcomes(connection)[0] == (DISABLE, "SUCCESS", "stale")


def test_events_are_not_claimed_as_actions(connection: Connection, database: Database, auth: Auth) -> None:
    """Events are not claimed as actions, and actions are not claimed as events."""
    hire(connection, "jane@example.com", is_active=False)
    auth.admin_create("jane@example.com")
    fill_bucket(connection)
    assert claim(database) == []
    assert relay_all(database) == {"linked": 1}
    assert relay_all(database) == {}
    assert [action["operation"] for action in claim(database)] == [DISABLE]
