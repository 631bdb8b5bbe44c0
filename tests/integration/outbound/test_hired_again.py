"""Whoever has left and comes back can sign in again: the ban was ours, and ends with its reason."""

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
    """Jane's row was deleted, and so she is banned."""
    hr.connection.execute("delete from employees")
    hr.rest()
    assert hr.is_banned
    return hr


def assert_she_can_sign_in(hr: Company) -> None:
    hr.rest()
    assert [row["auth_user_id"] for row in hr.connection.execute("select * from employees")] == [hr.user]
    assert not hr.is_banned


def test_who_is_hired_again_can_sign_in(left: Company) -> None:
    """Inserted again with the e-mail of before, and linked to the login that waits."""
    hire(left.connection, JANE)
    assert_she_can_sign_in(left)


def test_who_is_hired_again_as_inactive_cannot(left: Company) -> None:
    """Until she is switched on."""
    hire(left.connection, JANE, is_active=False)
    left.rest()
    assert left.is_banned
    left.connection.execute("update employees set is_active = true")
    assert_she_can_sign_in(left)


@pytest.mark.parametrize("way", ["insert", "update"])
def test_who_is_given_the_login_of_before_can_sign_in(left: Company, way: str) -> None:
    """By whoever writes the link."""
    if way == "insert":
        hire(left.connection, HR, auth_user_id=left.user)
    else:
        hire(left.connection, HR)
        left.connection.execute("update employees set auth_user_id = %s", [left.user])
    assert_she_can_sign_in(left)


def test_who_takes_the_login_of_before_can_sign_in(left: Company) -> None:
    """An admin creates the employee, and links the auth user that is there."""
    new = {"email": JANE, "first_name": "Jane"}
    logins.adopt(left.database, new, JANE, left.user, via="admin", requested_by="test")
    assert_she_can_sign_in(left)


def test_who_was_dismissed_without_a_link_and_comes_back_can_sign_in(hr: Company) -> None:
    """Off-boarding that takes the link away too; her next event, or her return, links her again."""
    hr.write("is_active = false, auth_user_id = null")
    hr.rest()
    assert hr.is_banned
    hr.write("is_active = true")
    hr.write(f"auth_user_id = '{hr.user}'")
    assert_she_can_sign_in(hr)


def test_a_ban_of_somebody_else_is_not_lifted_by_a_link(hr: Company) -> None:
    """Who was banned while employed, and not by us, stays so whatever is written of the link or by events."""
    hr.auth.ban(hr.user, BAN_END)
    hr.rest()
    hr.write("auth_user_id = null")
    hr.write(f"auth_user_id = '{hr.user}'")
    hr.auth.update_metadata(hr.user, {"first_name": "Jane"})
    hr.rest()
    assert hr.is_banned
    assert requested_operations(hr.connection) == []


def test_a_return_is_found_by_the_next_event(database_url: str, left: Company) -> None:
    """Where nothing was captured as she came back."""
    with_triggers = "alter table employees {} trigger user"
    execute(database_url, with_triggers.format("disable"))
    hire(left.connection, JANE, auth_user_id=left.user)
    execute(database_url, with_triggers.format("enable"))
    left.rest()
    assert left.is_banned
    left.auth.update_metadata(left.user, {"first_name": "Jane"})
    assert_she_can_sign_in(left)
    assert actions(left.connection)[-1]["operation"] == ENABLE
