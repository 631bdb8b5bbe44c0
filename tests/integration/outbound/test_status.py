"""PATCH /admin/api/employees/{id}: an employee and the login, switched off and on together.

What is in the way of it is in test_status_trouble.py.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.auth_traffic import JANE
from tests.employees import Connection, employee, entry, hire
from tests.integration.auth_admins import row
from tests.integration.captured import nothing_linked
from tests.integration.capturing import auth_on
from tests.integration.hiring import AUTHORIZED, Office, office, open_rows, sign_in_jane
from webhook_service.app import create_app
from webhook_service.ports import Database
from webhook_service.settings import Settings


@pytest.fixture
def hr(
    settings: Settings, database: Database, connection: Connection, caplog: pytest.LogCaptureFixture
) -> Iterator[Office]:
    with office(settings, database, connection, caplog) as made:
        yield made


@pytest.fixture
def jane(hr: Office, database_url: str) -> int:
    return sign_in_jane(hr, database_url)


def is_banned(connection: Connection, user: UUID = JANE) -> bool:
    """For good: our bans last a century."""
    until = row(connection, user)["banned_until"]
    return until is not None and until > datetime.now(UTC) + timedelta(days=36_000)


def sessions(connection: Connection, user: UUID = JANE) -> int:
    return len(connection.execute("select from auth.sessions where user_id = %s", [user]).fetchall())


def actions(connection: Connection) -> list[tuple[str, str, str | None]]:
    """Operation, status and outcome of all, in their order."""
    found = connection.execute(
        "select operation, status, outcome from integration_sync_log where direction = 'outbound' order by id"
    ).fetchall()
    return [(row["operation"], row["status"], row["outcome"]) for row in found]


def test_who_is_switched_off_is_locked_out(hr: Office, jane: int) -> None:
    """The employee is inactive, the login banned for good, and no session is left: the answer says that it is done."""
    answer = hr.switch(jane, False)
    assert answer.status_code == 200
    [done] = hr.connection.execute("select event_id from integration_sync_log where direction = 'outbound'").fetchall()
    assert answer.get_json() == {
        "employee_id": jane,
        "is_active": False,
        "login": {"status": "done", "outcome": "disabled", "event_id": done["event_id"]},
    }
    assert (employee(hr.connection, jane)["is_active"], is_banned(hr.connection)) == (False, True)
    assert sessions(hr.connection) == 0
    assert actions(hr.connection) == [("disable_auth_user", "SUCCESS", "disabled")]
    assert [call.body for call in hr.auth.calls if call.method == "PUT"] == [{"ban_duration": "876000h"}]


def test_the_ledger_says_what_was_done(hr: Office, jane: int) -> None:
    """One action, by an admin's wish or captured from employees, with how many sessions were ended."""
    done = entry(hr.connection, hr.switch(jane, False).get_json()["login"]["event_id"])
    assert (done["status"], done["outcome"], done["auth_user_id"], done["employee_id"]) == (
        *("SUCCESS", "disabled"),
        *(JANE, jane),
    )
    assert done["changes"] == {"sessions_ended": 2}


def test_who_is_switched_on_again_may_sign_in(hr: Office, jane: int) -> None:
    """The ban is lifted, in the answer already."""
    hr.switch(jane, False)
    answer = hr.switch(jane, True)
    assert answer.get_json()["is_active"] is True
    assert (answer.get_json()["login"]["status"], answer.get_json()["login"]["outcome"]) == ("done", "enabled")
    assert (employee(hr.connection, jane)["is_active"], row(hr.connection, JANE)["banned_until"]) == (True, None)
    hr.rest()
    assert (employee(hr.connection, jane)["is_active"], row(hr.connection, JANE)["banned_until"]) == (True, None)


@pytest.mark.parametrize("is_active", [False, True])
def test_the_same_twice_is_done_twice(hr: Office, jane: int, is_active: bool) -> None:
    """The second time there is nothing left to do, and Auth is only read: `unchanged`."""
    hr.switch(jane, not is_active)
    hr.switch(jane, is_active)
    before, calls = (employee(hr.connection, jane), row(hr.connection, JANE)), hr.auth.count("PUT")
    answer = hr.switch(jane, is_active)
    assert (answer.status_code, answer.get_json()["is_active"]) == (200, is_active)
    login = answer.get_json()["login"]
    assert (login["status"], login["outcome"]) == ("done", "unchanged")
    assert (employee(hr.connection, jane), row(hr.connection, JANE)) == before
    assert hr.auth.count("PUT") == calls


def test_off_once_more_ends_what_has_been_opened_since(hr: Office, jane: int, database_url: str) -> None:
    """A session that slipped in before the ban is ended by asking again."""
    hr.switch(jane, False)
    with auth_on(database_url) as auth:
        auth.sign_in(JANE)
    hr.switch(jane, False)
    assert sessions(hr.connection) == 0


@pytest.mark.parametrize("is_active", [False, True])
def test_an_employee_without_a_login_is_switched(hr: Office, is_active: bool) -> None:
    """There is no login to speak of, and Auth is not asked."""
    joe = hire(hr.connection, "joe@example.com", is_active=not is_active)
    answer = hr.switch(joe, is_active)
    assert answer.get_json() == {"employee_id": joe, "is_active": is_active, "login": {"status": "none"}}
    assert employee(hr.connection, joe)["is_active"] is is_active
    assert (hr.auth.calls, actions(hr.connection)) == ([], [])


def test_nobody_else_is_switched(hr: Office, jane: int, database_url: str) -> None:
    """One employee, one login."""
    with auth_on(database_url) as auth:
        other = auth.admin_create("joe@example.com")
    joe = hire(hr.connection, "joe@example.com")
    hr.rest()
    hr.switch(jane, False)
    hr.rest()
    assert (employee(hr.connection, joe)["is_active"], row(hr.connection, other)["banned_until"]) == (True, None)


def test_without_an_auth_admin_it_is_queued(hr: Office, jane: int, settings: Settings, database: Database) -> None:
    """The employee is switched, and the answer says why the login is not; a relay that has one does it."""
    client = create_app(settings, database).test_client()
    answer = client.patch(f"/admin/api/employees/{jane}", json={"is_active": False}, headers=AUTHORIZED)
    login = answer.get_json()["login"]
    assert (answer.status_code, login["status"], login["reason"]) == (200, "queued", "no_auth_admin")
    assert [each["event_id"] for each in open_rows(hr.connection)] == [login["event_id"]]
    assert (employee(hr.connection, jane)["is_active"], is_banned(hr.connection)) == (False, False)
    hr.rest()
    assert (is_banned(hr.connection), sessions(hr.connection)) == (True, 0)


def test_what_an_import_has_queued_is_done_now(hr: Office, jane: int) -> None:
    """Somebody has switched the employee off in the table already: the answer waits for the login all the same."""
    hr.connection.execute("update employees set is_active = false where employee_id = %s", [jane])
    assert hr.switch(jane, False).get_json()["login"]["status"] == "done"
    assert (is_banned(hr.connection), actions(hr.connection)) == (
        *(True, [("disable_auth_user", "SUCCESS", "disabled")]),
    )


def test_a_change_that_was_not_captured_is_made_all_the_same(hr: Office, jane: int) -> None:
    """Our triggers could not write, or are off: whoever asks is told how the login is, and it is so."""
    with nothing_linked(hr.connection):
        assert hr.switch(jane, False).get_json()["login"]["status"] == "done"
    assert is_banned(hr.connection)


@pytest.mark.parametrize("was", [None, False])
def test_an_owners_table_may_have_no_word_on_it(hr: Office, jane: int, was: bool | None) -> None:
    """`is_active` may be null there, which counts as active."""
    hr.connection.execute("alter table employees alter column is_active drop not null")
    hr.connection.execute("update employees set is_active = %s where employee_id = %s", [was, jane])
    for is_active in (True, False, True):
        assert hr.switch(jane, is_active).get_json()["login"]["status"] == "done"
        assert employee(hr.connection, jane)["is_active"] is is_active
        assert is_banned(hr.connection) is not is_active


@pytest.mark.parametrize("hours", [1, 24 * 365 * 10])
def test_a_ban_of_somebody_else_does_not_outlast_a_return(hr: Office, jane: int, database_url: str, hours: int) -> None:
    """Off makes a ban that ends one for good; on lifts it."""
    with auth_on(database_url) as auth:
        auth.ban(JANE, datetime.now(UTC) + timedelta(hours=hours))
    assert hr.switch(jane, False).get_json()["login"]["outcome"] == "disabled"
    assert is_banned(hr.connection)
    assert hr.switch(jane, True).get_json()["login"]["outcome"] == "enabled"
    hr.rest()
    assert row(hr.connection, JANE)["banned_until"] is None


@pytest.mark.parametrize("deleted", ["hard", "soft"])
@pytest.mark.parametrize("known", [True, False], ids=["known", "not yet"])
def test_a_login_that_is_gone_is_no_trouble_to_switch_off(
    hr: Office, jane: int, database_url: str, deleted: str, known: bool
) -> None:
    """Nobody can sign in with it. Switched on again, the answer says that there is none."""
    with auth_on(database_url) as auth:
        (auth.hard_delete if deleted == "hard" else auth.soft_delete)(JANE)
    if known:
        hr.rest()
    off, on = hr.switch(jane, False).get_json(), hr.switch(jane, True).get_json()
    assert (off["is_active"], on["is_active"]) == (False, True)
    if known:  # nor is there a link
        assert off["login"] == on["login"] == {"status": "none"}
    else:
        assert (off["login"]["status"], off["login"]["outcome"]) == ("done", "gone")
        assert (on["login"]["status"], on["login"]["reason"]) == ("failed", "user_not_found")


def test_a_created_employee_is_switched(hr: Office) -> None:
    """From the first day to the last, all by this API."""
    created = hr.create().get_json()
    user = UUID(created["auth_user_id"])
    for is_active in (False, True, False):
        assert hr.switch(created["employee_id"], is_active).get_json()["login"]["status"] == "done"
        assert is_banned(hr.connection, user) is not is_active
    hr.rest()
    assert is_banned(hr.connection, user)
