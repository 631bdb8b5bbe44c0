"""PATCH /admin/api/employees/{id} activates and deactivates an employee together with the login.

test_status_failures.py has the failures.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.auth_traffic import JANE
from tests.employees import Connection, employee, entry, hire
from tests.integration.auth_admins import row
from tests.integration.captured import nothing_linked
from tests.integration.capturing import auth_on
from tests.integration.hiring import AUTHORIZED, Office, open_rows, sign_in_jane
from tests.integration.requested_actions import end_sessions_again
from webhook_service.app import create_app
from webhook_service.ports import Database
from webhook_service.settings import Settings


@pytest.fixture
def jane(hr: Office, database_url: str) -> int:
    return sign_in_jane(hr, database_url)


def is_banned(connection: Connection, user: UUID = JANE) -> bool:
    """Return whether the ban is permanent. This service bans for a century."""
    until = row(connection, user)["banned_until"]
    return until is not None and until > datetime.now(UTC) + timedelta(days=36_000)


def sessions(connection: Connection, user: UUID = JANE) -> int:
    return len(connection.execute("select from auth.sessions where user_id = %s", [user]).fetchall())


def actions(connection: Connection) -> list[tuple[str, str, str | None]]:
    """Return operation, status and outcome of all actions, in their order."""
    found = connection.execute(
        "select operation, status, outcome from integration_sync_log where direction = 'outbound' order by id"
    ).fetchall()
    return [(row["operation"], row["status"], row["outcome"]) for row in found]


def test_a_deactivated_employee_cannot_sign_in(hr: Office, jane: int) -> None:
    """A deactivation bans the login permanently and ends its sessions before the response."""
    answer = hr.switch(jane, False)
    assert answer.status_code == 200
    [done] = hr.connection.execute("select event_id from integration_sync_log where direction = 'outbound'").fetchall()
    assert answer.get_json() == {
        "employee_id": jane,
        "changed": [],
        "is_active": False,
        "login": {"status": "done", "outcome": "disabled", "event_id": done["event_id"]},
    }
    assert (employee(hr.connection, jane)["is_active"], is_banned(hr.connection)) == (False, True)
    assert sessions(hr.connection) == 0
    end_sessions_again(hr.database)
    assert actions(hr.connection) == [("disable_auth_user", "SUCCESS", "disabled")]
    assert [call.body for call in hr.auth.calls if call.method == "PUT"] == [{"ban_duration": "876000h"}]


def test_the_ledger_records_a_deactivation(hr: Office, jane: int) -> None:
    """The ledger has one action for a deactivation, with the number of ended sessions."""
    event_id = hr.switch(jane, False).get_json()["login"]["event_id"]
    end_sessions_again(hr.database)
    done = entry(hr.connection, event_id)
    assert (done["status"], done["outcome"], done["auth_user_id"], done["employee_id"]) == (
        *("SUCCESS", "disabled"),
        *(JANE, jane),
    )
    assert done["changes"] == {"sessions_ended": 2}


def test_an_activated_employee_can_sign_in(hr: Office, jane: int) -> None:
    """The ban of an activated employee is lifted before the response."""
    hr.switch(jane, False)
    answer = hr.switch(jane, True)
    assert answer.get_json()["is_active"] is True
    assert (answer.get_json()["login"]["status"], answer.get_json()["login"]["outcome"]) == ("done", "enabled")
    assert (employee(hr.connection, jane)["is_active"], row(hr.connection, JANE)["banned_until"]) == (True, None)
    hr.rest()
    assert (employee(hr.connection, jane)["is_active"], row(hr.connection, JANE)["banned_until"]) == (True, None)


@pytest.mark.parametrize("is_active", [False, True])
def test_a_repeated_request_changes_nothing(hr: Office, jane: int, is_active: bool) -> None:
    """A repeated request ends as `unchanged`, and only reads Auth."""
    hr.switch(jane, not is_active)
    hr.switch(jane, is_active)
    before, calls = (employee(hr.connection, jane), row(hr.connection, JANE)), hr.auth.count("PUT")
    answer = hr.switch(jane, is_active)
    assert (answer.status_code, answer.get_json()["is_active"]) == (200, is_active)
    login = answer.get_json()["login"]
    assert (login["status"], login["outcome"]) == ("done", "unchanged")
    assert (employee(hr.connection, jane), row(hr.connection, JANE)) == before
    assert hr.auth.count("PUT") == calls


def test_a_repeated_deactivation_ends_later_sessions(hr: Office, jane: int, database_url: str) -> None:
    """A repeated deactivation ends a session that began just before the ban."""
    hr.switch(jane, False)
    with auth_on(database_url) as auth:
        auth.sign_in(JANE)
    hr.switch(jane, False)
    assert sessions(hr.connection) == 0


@pytest.mark.parametrize("is_active", [False, True])
def test_an_employee_without_a_login_is_changed(hr: Office, is_active: bool) -> None:
    """An employee without a login is changed without a call to Auth."""
    joe = hire(hr.connection, "joe@example.com", is_active=not is_active)
    answer = hr.switch(joe, is_active)
    changed = {"employee_id": joe, "changed": [], "is_active": is_active}
    assert answer.get_json() == changed | {"login": {"status": "none"}}
    assert employee(hr.connection, joe)["is_active"] is is_active
    assert (hr.auth.calls, actions(hr.connection)) == ([], [])


def test_no_other_employee_is_changed(hr: Office, jane: int, database_url: str) -> None:
    """A PATCH of one employee changes no other employee and no other login."""
    with auth_on(database_url) as auth:
        other = auth.admin_create("joe@example.com")
    joe = hire(hr.connection, "joe@example.com")
    hr.rest()
    hr.switch(jane, False)
    hr.rest()
    assert (employee(hr.connection, joe)["is_active"], row(hr.connection, other)["banned_until"]) == (True, None)


def test_without_an_auth_admin_the_change_is_queued(
    hr: Office, jane: int, settings: Settings, database: Database
) -> None:
    """Without the Auth Admin API, the change of the login is queued with the reason, and a relay performs it."""
    client = create_app(settings, database).test_client()
    answer = client.patch(f"/admin/api/employees/{jane}", json={"is_active": False}, headers=AUTHORIZED)
    login = answer.get_json()["login"]
    assert (answer.status_code, login["status"], login["reason"]) == (200, "queued", "no_auth_admin")
    assert [each["event_id"] for each in open_rows(hr.connection)] == [login["event_id"]]
    assert (employee(hr.connection, jane)["is_active"], is_banned(hr.connection)) == (False, False)
    hr.rest()
    assert (is_banned(hr.connection), sessions(hr.connection)) == (True, 0)


def test_an_action_that_an_import_queued_is_performed_now(hr: Office, jane: int) -> None:
    """A PATCH performs an action that an earlier import queued."""
    hr.connection.execute("update employees set is_active = false where employee_id = %s", [jane])
    assert hr.switch(jane, False).get_json()["login"]["status"] == "done"
    end_sessions_again(hr.database)
    assert (is_banned(hr.connection), actions(hr.connection)) == (
        *(True, [("disable_auth_user", "SUCCESS", "disabled")]),
    )


def test_a_change_that_was_not_captured_is_performed(hr: Office, jane: int) -> None:
    """A PATCH changes the login even if the triggers are disabled."""
    with nothing_linked(hr.connection):
        assert hr.switch(jane, False).get_json()["login"]["status"] == "done"
    assert is_banned(hr.connection)


@pytest.mark.parametrize("was", [None, False])
def test_is_active_may_be_null(hr: Office, jane: int, was: bool | None) -> None:
    """A null `is_active` counts as active."""
    hr.connection.execute("alter table employees alter column is_active drop not null")
    hr.connection.execute("update employees set is_active = %s where employee_id = %s", [was, jane])
    for is_active in (True, False, True):
        assert hr.switch(jane, is_active).get_json()["login"]["status"] == "done"
        assert employee(hr.connection, jane)["is_active"] is is_active
        assert is_banned(hr.connection) is not is_active


@pytest.mark.parametrize("hours", [1, 24 * 365 * 10])
def test_another_ban_ends_with_an_activation(hr: Office, jane: int, database_url: str, hours: int) -> None:
    """A deactivation replaces an admin's temporary ban, and an activation lifts it."""
    with auth_on(database_url) as auth:
        auth.ban(JANE, datetime.now(UTC) + timedelta(hours=hours))
    assert hr.switch(jane, False).get_json()["login"]["outcome"] == "disabled"
    assert is_banned(hr.connection)
    assert hr.switch(jane, True).get_json()["login"]["outcome"] == "enabled"
    hr.rest()
    assert row(hr.connection, JANE)["banned_until"] is None


@pytest.mark.parametrize("deleted", ["hard", "soft"])
@pytest.mark.parametrize("known", [True, False], ids=["known", "not yet"])
def test_an_employee_whose_login_was_deleted_can_be_deactivated(
    hr: Office, jane: int, database_url: str, deleted: str, known: bool
) -> None:
    """An employee whose login was deleted can be deactivated. An activation reports that there is no login."""
    with auth_on(database_url) as auth:
        (auth.hard_delete if deleted == "hard" else auth.soft_delete)(JANE)
    if known:
        hr.rest()
    off, on = hr.switch(jane, False).get_json(), hr.switch(jane, True).get_json()
    assert (off["is_active"], on["is_active"]) == (False, True)
    if known:  # the event has removed the link
        assert off["login"] == on["login"] == {"status": "none"}
    else:
        assert (off["login"]["status"], off["login"]["outcome"]) == ("done", "gone")
        assert (on["login"]["status"], on["login"]["reason"]) == ("failed", "user_not_found")


def test_a_created_employee_is_changed(hr: Office) -> None:
    """An employee that the API created can be deactivated and activated."""
    created = hr.create().get_json()
    user = UUID(created["auth_user_id"])
    for is_active in (False, True, False):
        assert hr.switch(created["employee_id"], is_active).get_json()["login"]["status"] == "done"
        assert is_banned(hr.connection, user) is not is_active
    hr.rest()
    assert is_banned(hr.connection, user)
