"""Short histories over both sides. Each of them once made a long random history (test_both_directions) end wrong."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.auth_faults import CUT
from tests.employees import employee, hire
from tests.integration.performing import HR, JANE, Company, company
from tests.integration.requested_actions import POLICIES, claim, outcomes
from webhook_service.ledger.reconcile import reconcile

JOE = "joe@example.com"


@pytest.fixture
def hr(database_url: str) -> Iterator[Company]:
    with company(database_url) as hr:
        yield hr


def perform_everything(hr: Company) -> None:
    """Perform all open work, including retries and later checks of new employees. Then there must be no difference."""
    for _ in range(3):
        hr.rest()
        hr.connection.execute("update auth_sync_hires set seen_at = seen_at - interval '1 minute'")
        hr.pass_time()
    policy = POLICIES[hr.accounts.owner]
    assert reconcile(hr.database, policy, requested_by="test", dry_run=True).differences == {}


def login_of(hr: Company, employee_id: int) -> Any:
    return employee(hr.connection, employee_id)["auth_user_id"]


def colleague(hr: Company, email: str) -> tuple[int, UUID]:
    """Hire another employee with a login."""
    employee_id, user = hire(hr.connection, email), hr.auth.admin_create(email)
    hr.rest()
    return employee_id, user


def email_of(hr: Company, user: UUID) -> Any:
    return hr.auth.users.row(user)["email"]


def test_a_ban_whose_response_was_lost_is_lifted(hr: Company) -> None:
    """A ban whose response was lost is lifted when an import inserts the deleted employee again."""
    hr.connection.execute("delete from employees")
    hr.server.fail_next(CUT.after_commit(), method="PUT")
    hr.server.after = lambda call: hr.server.fail_next(*[CUT] * (call.method == "PUT"), method="GET")
    hr.accounts.run_once("relay")
    assert hr.is_banned
    hr.server.after = None
    again = hire(hr.connection, JANE)
    perform_everything(hr)
    assert login_of(hr, again) == hr.user
    assert not hr.is_banned


def test_a_ban_by_a_relay_that_died_is_lifted(hr: Company) -> None:
    """A ban by a relay that died before settling it is lifted when the employee is inserted again."""
    hr.write("is_active = false")
    [action] = claim(hr.database, "dead")
    hr.accounts.admin.update(UUID(action["auth_user_id"]), banned=True)
    hr.connection.execute("delete from employees")
    again = hire(hr.connection, JANE)
    hr.pass_time()
    perform_everything(hr)
    assert login_of(hr, again) == hr.user
    assert not hr.is_banned


def test_an_import_that_inserts_before_it_deletes_bans_no_login(hr: Company) -> None:
    """If an import inserts a new row of a person before it deletes the old row, the new row gets the login."""
    again = hire(hr.connection, JANE)
    hr.connection.execute("delete from employees where employee_id = %s", [hr.jane])
    perform_everything(hr)
    assert login_of(hr, again) == hr.user
    assert not hr.is_banned


@pytest.mark.parametrize("how", ["changed", "hard deleted", "soft deleted"])
def test_an_e_mail_that_is_free_again_is_sent(hr: Company, how: str) -> None:
    """If another user has Jane's new e-mail, her login gets it as soon as that user no longer has it."""
    joe = hr.auth.admin_create(JOE)
    hr.rest()
    hr.write(f"email = '{JOE}'")
    hr.rest()
    assert hr.emails == (JOE, JANE)
    if how == "changed":
        hr.auth.change_email(joe, HR)
    else:
        (hr.auth.hard_delete if how == "hard deleted" else hr.auth.soft_delete)(joe)
    perform_everything(hr)
    assert hr.emails == (JOE, JOE)


def test_e_mails_that_move_up_in_one_import(hr: Company) -> None:
    """If one statement gives Joe's e-mail to Jane and a new e-mail to Joe, the actions succeed in any order."""
    joe, joes_user = colleague(hr, JOE)
    hr.connection.execute(
        f"update employees set email = case employee_id when {joe} then '{HR}' else '{JOE}' end".encode()  # noqa: S608
    )
    perform_everything(hr)
    assert hr.emails == (JOE, JOE)
    assert email_of(hr, joes_user) == HR


def test_an_invalid_e_mail_is_not_sent(hr: Company) -> None:
    """If HR replaces an unsent new e-mail by an invalid e-mail, Auth is not called, and no action fails."""
    hr.write(f"email = '{HR}'")
    hr.write("email = 'none'")
    hr.rest()
    assert outcomes(hr.connection) == [("update_auth_email", "SUCCESS", "stale")]
    assert email_of(hr, hr.user) == JANE


def test_an_employee_who_lost_the_login_gets_a_waiting_one(hr: Company) -> None:
    """An employee whose auth user is deleted is linked to a waiting auth user that has the employee's e-mail."""
    waiting = hr.auth.admin_create(HR)
    hr.rest()
    hr.auth.hard_delete(hr.user)
    hr.write(f"email = '{HR}'")
    perform_everything(hr)
    assert login_of(hr, hr.jane) == waiting
