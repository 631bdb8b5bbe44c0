"""A change of an employee is one event for a subscriber, however many actions follow from it."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.employees import hire
from tests.integration.performing import JANE, Company, company
from tests.integration.requested_actions import DISABLE, ENABLE, requested_operations
from tests.integration.subscribers.feeding import deliveries, feed, subscribe, types
from webhook_service.outbound import held
from webhook_service.outbound.employee_changes import set_active

CHANGES = ["employee.deactivated", "employee.activated"]


@pytest.fixture
def hr(database_url: str) -> Iterator[Company]:
    """Jane has two logins: the one that is linked, and one by SSO."""
    with company(database_url) as hr:
        hr.auth.sso_sign_up(JANE)
        hr.rest()
        subscribe(hr.database, types=CHANGES)
        yield hr


def read_all(hr: Company) -> None:
    """Read one row of the ledger in each pass."""
    while hr.database.call("auth_sync_read_feed_v1", p_limit=1)["read"]:
        pass


def test_a_dismissal_with_two_logins_is_one_event(hr: Company) -> None:
    """If a pass ends between the two actions of a dismissal, the next one makes no second event."""
    hr.write("is_active = false")
    assert requested_operations(hr.connection) == [DISABLE, DISABLE]
    read_all(hr)
    assert types(hr.connection) == ["employee.deactivated"]
    hr.rest()
    hr.write("is_active = true")
    read_all(hr)
    assert types(hr.connection) == CHANGES


def test_a_ban_that_is_released_later_is_not_a_second_dismissal(hr: Company) -> None:
    """If the ban of the second login was held, because another employee may own it, its release makes no event."""
    hire(hr.connection, JANE, auth_user_id=UUID(int=1))
    hr.write("is_active = false")
    read_all(hr)
    newest = held.held(hr.database, 5, held.Reason.SHARED_EMAIL)["newest_id"]
    held.release(hr.database, "ann", newest, held.Reason.SHARED_EMAIL)
    assert requested_operations(hr.connection) == [DISABLE, DISABLE]
    read_all(hr)
    assert types(hr.connection) == ["employee.deactivated"]


def test_a_mass_deactivation_is_an_event_after_its_release(hr: Company) -> None:
    """A held deactivation is one event once the bans are released, also if they are released one by one."""
    hr.connection.execute("select auth_sync_limit_deactivations_v1('1')")
    hr.write("is_active = false")
    read_all(hr)
    assert types(hr.connection) == []
    for _ in range(2):
        newest = held.held(hr.database, 5, held.Reason.MASS_DEACTIVATION)["newest_id"]
        arguments = {"p_requested_by": "ann", "p_newest_id": newest, "p_reason": held.Reason.MASS_DEACTIVATION}
        assert hr.database.call("auth_sync_release_held_v1", **arguments, p_limit=1) == 1
    read_all(hr)
    assert types(hr.connection) == ["employee.deactivated"]


def test_each_change_in_a_transaction_is_an_event(hr: Company) -> None:
    """If a transaction deactivates, activates and deactivates again, the last event has the last state."""
    with hr.connection.transaction():
        for is_active in ("false", "true", "false"):
            hr.write(f"is_active = {is_active}")
    read_all(hr)
    assert types(hr.connection) == ["employee.deactivated", "employee.activated", "employee.deactivated"]
    assert len({each["webhook_id"] for each in deliveries(hr.connection)}) == 3


def test_a_deactivation_that_changes_nothing_is_not_an_event(hr: Company) -> None:
    """If an admin deactivates an inactive employee again, the login is banned again, without an event."""
    hr.write("is_active = false")
    hr.rest()
    set_active(hr.database, None, hr.jane, False, via="admin")
    assert len(requested_operations(hr.connection)) == 3
    feed(hr.database)
    assert types(hr.connection) == ["employee.deactivated"]


def test_an_action_that_a_late_relay_requests_anew_is_not_an_event(hr: Company) -> None:
    """A relay that lost its lease requests the newest state again, which does not change the employee."""
    hr.write("is_active = false")
    hr.write("is_active = true")
    [first, *_] = hr.connection.execute("select event_id from integration_sync_log where operation = %s", [DISABLE])
    hr.connection.execute("select auth_sync_ask_anew_v1(%s, 'disabled')", [first["event_id"]])
    assert requested_operations(hr.connection)[-1] == ENABLE
    feed(hr.database)
    assert types(hr.connection) == CHANGES
