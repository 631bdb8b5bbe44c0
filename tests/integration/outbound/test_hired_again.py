"""An employee who left and is hired again can sign in, because this service lifts its own ban."""

from collections.abc import Iterator

import pytest

from tests.employees import hire
from tests.integration.auth_actions import BAN_END
from tests.integration.migrating import execute
from tests.integration.performing import HR, JANE, Company, company
from tests.integration.requested_actions import ENABLE, actions, requested_operations
from webhook_service.outbound import logins


@pytest.fixture
def hr(database_url: str) -> Iterator[Company]:
    with company(database_url) as hr:
        yield hr


@pytest.fixture
def left(hr: Company) -> Company:
    """Delete Jane's row, so that her login is banned."""
    hr.connection.execute("delete from employees")
    hr.rest()
    assert hr.is_banned
    return hr


def assert_she_can_sign_in(hr: Company) -> None:
    hr.rest()
    assert [row["auth_user_id"] for row in hr.connection.execute("select * from employees")] == [hr.user]
    assert not hr.is_banned


def test_an_employee_who_is_hired_again_can_sign_in(left: Company) -> None:
    """An employee who is inserted again with the same e-mail is linked to the banned login, and can sign in."""
    hire(left.connection, JANE)
    assert_she_can_sign_in(left)


def test_an_employee_who_is_hired_again_as_inactive_cannot_sign_in(left: Company) -> None:
    """An employee who is hired again as inactive can sign in only after activation."""
    hire(left.connection, JANE, is_active=False)
    left.rest()
    assert left.is_banned
    left.connection.execute("update employees set is_active = true")
    assert_she_can_sign_in(left)


@pytest.mark.parametrize("way", ["insert", "update"])
def test_an_employee_who_is_linked_to_the_earlier_login_can_sign_in(left: Company, way: str) -> None:
    """If SQL links a new employee's row to the person's earlier login, the employee can sign in."""
    if way == "insert":
        hire(left.connection, HR, auth_user_id=left.user)
    else:
        hire(left.connection, HR)
        left.connection.execute("update employees set auth_user_id = %s", [left.user])
    assert_she_can_sign_in(left)


def test_an_employee_who_is_created_with_the_earlier_login_can_sign_in(left: Company) -> None:
    """If an admin creates an employee with the person's earlier login, the employee can sign in."""
    new = {"email": JANE, "first_name": "Jane"}
    logins.adopt(left.database, new, JANE, left.user, via="admin", requested_by="test")
    assert_she_can_sign_in(left)


def test_an_employee_who_was_dismissed_and_unlinked_can_sign_in_again(hr: Company) -> None:
    """An employee whose dismissal removed the link can sign in after activation and a new link."""
    hr.write("is_active = false, auth_user_id = null")
    hr.rest()
    assert hr.is_banned
    hr.write("is_active = true")
    hr.write(f"auth_user_id = '{hr.user}'")
    assert_she_can_sign_in(hr)


def test_another_ban_is_not_lifted_by_a_link(hr: Company) -> None:
    """Neither a link nor an event lifts a ban that an admin set in Supabase."""
    hr.auth.ban(hr.user, BAN_END)
    hr.rest()
    hr.write("auth_user_id = null")
    hr.write(f"auth_user_id = '{hr.user}'")
    hr.auth.update_metadata(hr.user, {"first_name": "Jane"})
    hr.rest()
    assert hr.is_banned
    assert requested_operations(hr.connection) == []


def test_the_next_event_enables_the_login_after_a_return_that_was_not_captured(
    database_url: str, left: Company
) -> None:
    """If the return of an employee was not captured, the next event of the login lets the employee sign in."""
    with_triggers = "alter table employees {} trigger user"
    execute(database_url, with_triggers.format("disable"))
    hire(left.connection, JANE, auth_user_id=left.user)
    execute(database_url, with_triggers.format("enable"))
    left.rest()
    assert left.is_banned
    left.auth.update_metadata(left.user, {"first_name": "Jane"})
    assert_she_can_sign_in(left)
    assert actions(left.connection)[-1]["operation"] == ENABLE
