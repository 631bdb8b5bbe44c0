"""Attacks by which a dismissed employee, Jane, tries to keep a login that works."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from tests.auth_traffic import post, update
from tests.employees import employee, hire
from tests.integration.captured import nothing_captured
from tests.integration.capturing import reconciled
from tests.integration.outbound.test_sessions_after_bans import sign_in_during_the_ban
from tests.integration.performing import JANE, Company, company
from webhook_service.outbound import held

SELF_SERVICE = """
grant select, insert, update on employees to authenticated;
alter table employees disable row level security;
"""


@pytest.fixture
def hr(database_url: str) -> Iterator[Company]:
    with company(database_url) as hr:
        yield hr


@contextmanager
def as_jane(hr: Company) -> Iterator[None]:
    """Write employees as Jane does over the Data API, on a table that its owner left open."""
    hr.connection.execute(SELF_SERVICE)
    hr.connection.execute("set role authenticated")
    yield
    hr.connection.execute("reset role")


def dismiss(hr: Company) -> None:
    hr.write("is_active = false")
    hr.rest()


def usable(hr: Company) -> set[UUID]:
    """Return the logins that can sign in or have a session."""
    rows = hr.connection.execute(
        "select id from auth.users where deleted_at is null and (banned_until > now()) is not true"
        " union select user_id from auth.sessions"
    )
    return {row["id"] for row in rows}


def sign_up(hr: Company, email: str = JANE) -> UUID:
    """Sign up, and confirm the e-mail."""
    user = hr.auth.sign_up(email)
    hr.auth.confirm(user)
    return user


def test_unlinks_herself_and_is_dismissed(hr: Company) -> None:
    """A login that its owner unlinked before the dismissal is banned."""
    with as_jane(hr):
        hr.write("auth_user_id = null")
    dismiss(hr)
    assert usable(hr) == set()


def test_unlinks_herself_changes_her_addresses_and_is_dismissed(hr: Company) -> None:
    """A login that shares no address with the employee any more is banned, because it was linked before."""
    with as_jane(hr):
        hr.write("auth_user_id = null, email = 'unknown@example.com'")
    hr.auth.change_email(hr.user, "private@example.org")
    dismiss(hr)
    assert usable(hr) == set()


def test_unlinks_herself_after_the_dismissal(hr: Company) -> None:
    """A link that is removed before the relay has performed the ban does not prevent it."""
    hr.write("is_active = false")
    with as_jane(hr):
        hr.write("auth_user_id = null")
    hr.rest()
    assert usable(hr) == set()


def test_activates_herself_with_another_id(hr: Company) -> None:
    """A dismissal that also renumbers the employees bans the login, whether or not the owner changed the id before."""
    with as_jane(hr):
        hr.write("employee_id = 4711")
    hr.connection.execute("update employees set employee_id = employee_id + 1, is_active = false")
    hr.rest()
    assert usable(hr) == set()


@pytest.mark.parametrize("when", ["before", "after"])
def test_has_a_second_login_with_the_same_address(hr: Company, when: str) -> None:
    """A second login by SSO is banned, whether it appears before or after the dismissal."""
    if when == "before":
        hr.auth.sso_sign_up(JANE)
    dismiss(hr)
    if when == "after":
        hr.auth.sso_sign_up(f" {JANE.upper()}".strip())
        hr.rest()
    assert usable(hr) == set()


def test_keeps_the_refresh_token_of_a_sign_in_during_the_ban(hr: Company) -> None:
    """A session that began while the ban was set does not work after the ban, or after the activation."""
    sign_in_during_the_ban(hr)
    hr.rest()
    assert usable(hr) == set()
    hr.write("is_active = true")
    hr.rest()
    assert hr.sessions == 0


@pytest.mark.parametrize("address", ["\u212aate@example.com", "\uff4bate@example.com"])
def test_signs_up_with_an_address_that_resembles_a_colleagues(hr: Company, address: str) -> None:
    """A login whose address only resembles that of a colleague without a login does not become the colleague."""
    kate = hire(hr.connection, "kate@example.com")
    dismiss(hr)
    user = hr.auth.sso_sign_up("someone@example.com")
    hr.connection.execute("update auth.users set email = %s where id = %s", [address, user])
    hr.rest()
    assert employee(hr.connection, kate)["auth_user_id"] is None
    assert usable(hr) == {user}


@pytest.mark.parametrize("version", [2**63 - 1, 4 * 10**18 + 10])
def test_repeats_an_event_with_a_version_near_the_greatest(hr: Company, client: FlaskClient, version: int) -> None:
    """A signed event with such a version is refused, and the events and actions after it count."""
    event = update(hr.user, email=JANE, banned_until="2999-01-01T00:00:00+00:00")
    assert post(client, event | {"version": version}).status_code == 422
    dismiss(hr)
    hr.auth.unban(hr.user)
    hr.rest()
    assert usable(hr) == set()


@pytest.mark.parametrize("first", ["deletes the login", "is dismissed"])
def test_deletes_her_login_and_signs_up_again(hr: Company, first: str) -> None:
    """A new login with the address of the employee is banned, whether the old one is deleted before the dismissal."""
    if first == "is dismissed":
        dismiss(hr)
    hr.auth.hard_delete(hr.user)
    hr.rest()
    dismiss(hr)
    sign_up(hr)
    hr.rest()
    assert usable(hr) == set()


def test_deletes_her_login_and_signs_up_again_before_the_dismissal(hr: Company) -> None:
    """The new login takes the link, or is at least found by its address, although no event is applied yet."""
    hr.auth.hard_delete(hr.user)
    sign_up(hr)
    dismiss(hr)
    assert usable(hr) == set()


def test_soft_deletes_her_login_and_signs_up_again(hr: Company) -> None:
    """A login that Auth keeps as deleted does not hide the new one."""
    hr.auth.soft_delete(hr.user)
    sign_up(hr)
    dismiss(hr)
    assert usable(hr) == set()


@pytest.mark.parametrize("applied", [True, False])
def test_changes_her_address_right_before_the_dismissal(hr: Company, applied: bool) -> None:
    """A new address in Auth does not prevent the ban, whether or not its event is applied."""
    hr.auth.change_email(hr.user, "private@example.org")
    if applied:
        hr.rest()
    dismiss(hr)
    assert usable(hr) == set()


def test_changes_her_address_to_an_active_colleagues(hr: Company) -> None:
    """The linked login is banned, although an active colleague has its address."""
    hire(hr.connection, "kate@example.com")
    hr.auth.change_email(hr.user, "kate@example.com")
    dismiss(hr)
    assert usable(hr) == set()


def test_changes_her_address_to_an_active_colleagues_and_unlinks_herself(hr: Company) -> None:
    """The service cannot know the owner of such a login, so an admin is asked, and can ban it."""
    hire(hr.connection, "kate@example.com", auth_user_id=UUID(int=1))
    hr.auth.change_email(hr.user, "kate@example.com")
    hr.rest()
    with as_jane(hr):
        hr.write("auth_user_id = null")
    dismiss(hr)
    found = held.held(hr.database, 5, held.Reason.SHARED_EMAIL)
    assert [person["auth_user_id"] for person in found["people"]] == [str(hr.user)]
    held.release(hr.database, "ann", found["newest_id"], held.Reason.SHARED_EMAIL)
    hr.rest()
    assert usable(hr) == set()


@pytest.mark.parametrize("hides", [False, True])
def test_moves_her_login_to_another_employee(hr: Company, hides: bool) -> None:
    """A link that a user wrote does not protect the login from the dismissal of its former employee.

    New addresses on both sides, and an event of the login, change nothing. Nor do later events lift the ban.
    """
    kate = hire(hr.connection, "kate@example.com")
    with as_jane(hr):
        hr.write("auth_user_id = null")
        hr.connection.execute("update employees set auth_user_id = %s where employee_id = %s", [hr.user, kate])
        if hides:
            hr.write("email = 'unknown@example.com'")
    if hides:
        hr.auth.change_email(hr.user, "private@example.org")
        hr.rest()
    dismiss(hr)
    assert usable(hr) == set()
    hr.auth.update_metadata(hr.user, {"first_name": "Kate"})
    hr.rest()
    reconciled(hr.database)
    hr.rest()
    assert usable(hr) == set()


@pytest.mark.parametrize("captured", [True, False])
def test_gets_an_admin_of_auth_to_lift_the_ban(hr: Company, captured: bool) -> None:
    """A ban that is lifted by hand is set again by the event, or by reconcile if there is none."""
    dismiss(hr)
    if captured:
        hr.auth.unban(hr.user)
    else:
        with nothing_captured(hr.connection):
            hr.auth.unban(hr.user)
        assert sum(reconciled(hr.database).differences.values()) == 1
    hr.rest()
    assert usable(hr) == set()
