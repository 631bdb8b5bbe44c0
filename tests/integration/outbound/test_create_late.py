"""Creations that are late leave no login without an employee.

A call is late if Auth carries it out after a timeout. A request is late if it stood still until its lease ended.
"""

from contextlib import suppress
from dataclasses import replace

import pytest

from tests.auth_faults import CUT, TIMED_OUT, UNEXPECTED, Fault, throttled
from tests.employees import hire
from tests.integration.hiring import EMAIL, Office, assert_only, intents, pairs, reason_of
from tests.integration.killing import Held, LeavingAdmin, Steps, give_login, request, stepped
from tests.integration.outbound.test_create_killed import STEPS
from webhook_service.errors import AuthUnavailable, ServiceError
from webhook_service.settings import Settings

GONE = AuthUnavailable("auth_unreachable", "Auth did not answer (ReadTimeout).")
NO_KEY = Fault(401, "bad_jwt")
MOMENTS = [
    pytest.param(invite, name, id=f"{name}, {'invited' if invite else 'password'}")
    for invite, names in STEPS.items()
    for name in names
    if not (invite and name in ("after create", "before invite"))
]
"""All moments except those between a login and its invitation, which would create another login after an undo."""


def name_of(fault: Fault | None) -> str:
    """Return a test id for a fault."""
    return "no fault" if fault is None else f"{fault.status or 'cut'}"


def assert_no_login_without_employee(hr: Office) -> None:
    """Check that no login is without an employee, and that no intent is open."""
    hr.rest()
    assert None not in [employee_id for employee_id, _ in pairs(hr.connection)]
    assert {status for status, _ in intents(hr.connection)} <= {"SUCCESS"}


def leave_late(hr: Office, path: str, method: str) -> tuple[Held, LeavingAdmin]:
    held = Held(path)
    hr.auth.before = held
    return held, LeavingAdmin(hr.relay.admin, Steps(), held, method, GONE)


@pytest.mark.parametrize("read", [None, CUT, UNEXPECTED, throttled(), NO_KEY], ids=name_of)
@pytest.mark.parametrize("invite", [False, True])
def test_a_late_login_is_undone(hr: Office, settings: Settings, invite: bool, read: Fault | None) -> None:
    """A login that Auth creates after a timeout is undone, whatever Auth answered to the read.

    Until the lease has ended, the relay does not assume that the login will never be created.
    """
    held, admin = leave_late(hr, "/admin/users", "create")
    if read is not None:
        hr.auth.fail_next(read, method="GET")
    answer = request(hr, settings, replace(hr.relay, admin=admin), invite=invite)
    assert answer is not None
    assert answer.status_code in (502, 503)
    hr.run_pass()
    held.release()
    assert len(pairs(hr.connection)) == 1
    assert_no_login_without_employee(hr)
    assert pairs(hr.connection) == []
    assert hr.create(invite=invite).status_code == 201


def test_a_late_login_does_not_block_a_second_request(hr: Office, settings: Settings) -> None:
    """While a login is late, a second request for the same e-mail succeeds."""
    held, admin = leave_late(hr, "/admin/users", "create")
    assert request(hr, settings, replace(hr.relay, admin=admin)) is not None
    hr.auth.before = None
    again = hr.create()
    assert again.status_code == 201
    held.release()
    assert_no_login_without_employee(hr)
    assert_only(hr.connection, again)


def test_a_late_login_is_named_in_the_refusal(hr: Office, settings: Settings) -> None:
    """After a late login was created, a second request gets 409 with its id, and 201 after it is undone."""
    held, admin = leave_late(hr, "/admin/users", "create")
    request(hr, settings, replace(hr.relay, admin=admin))
    held.release()
    [(_, user)] = pairs(hr.connection)
    refused = hr.create()
    assert (reason_of(refused), refused.get_json()["auth_user_id"]) == ((409, "email_taken"), str(user))
    hr.rest()
    assert_only(hr.connection, hr.create())


def test_a_late_invitation_creates_no_second_login(hr: Office, settings: Settings) -> None:
    """A late invitation creates no second login, because the first login is kept while the invitation may be sent.

    Auth creates a login with another id if it invites an unknown e-mail.
    """
    held, admin = leave_late(hr, "/invite", "invite")
    answer = request(hr, settings, replace(hr.relay, admin=admin), invite=True)
    assert answer is not None
    assert answer.status_code == 503
    hr.run_pass()
    held.release()
    assert_no_login_without_employee(hr)


@pytest.mark.parametrize(("invite", "moment"), MOMENTS)
def test_a_request_that_stood_still_leaves_no_login_without_employee(
    hr: Office, settings: Settings, invite: bool, moment: str
) -> None:
    """A request that stood still until its lease ended creates no login without an employee, and deletes no login.

    By then the relay has resolved its intent.
    """
    steps = Steps(at={moment: hr.rest})
    answer = request(hr, settings, stepped(hr.relay, steps), invite=invite)
    assert answer is not None
    finished = pairs(hr.connection)
    assert_no_login_without_employee(hr)
    if answer.status_code == 201:
        assert_only(hr.connection, answer)
        assert pairs(hr.connection) == finished


OVERTAKEN: dict[str, list[tuple[Fault, str]]] = {
    "it cannot be undone": [(CUT, "DELETE"), (CUT, "DELETE")],
    "the response is lost": [(TIMED_OUT.after_commit(), "POST"), (CUT, "GET")],
}


@pytest.mark.parametrize("invite", [False, True])
@pytest.mark.parametrize("moment", ["after intend", "before create"])
@pytest.mark.parametrize("name", OVERTAKEN)
def test_a_login_that_is_created_after_the_undo_is_deleted(
    hr: Office, settings: Settings, name: str, moment: str, invite: bool
) -> None:
    """A login that is created after its intent was undone is deleted, even if its request cannot delete it."""

    def overtake() -> None:
        hr.rest()
        for fault, method in OVERTAKEN.get(name, []):
            hr.auth.fail_next(fault, method=method)

    request(hr, settings, stepped(hr.relay, Steps(at={moment: overtake})), invite=invite)
    assert_no_login_without_employee(hr)


@pytest.mark.campaign
@pytest.mark.parametrize("fault", [None, throttled(), UNEXPECTED, Fault(400, "validation_failed")], ids=name_of)
@pytest.mark.parametrize(("invite", "moment"), MOMENTS)
def test_a_late_call_deletes_no_linked_login(hr: Office, invite: bool, moment: str, fault: Fault | None) -> None:
    """A late call for an existing employee does not delete the login that the relay has linked.

    This also holds if Auth refuses the next call.
    """
    jane = hire(hr.connection, EMAIL)
    was: list[object] = []

    def overtake() -> None:
        hr.rest()
        was.extend(pairs(hr.connection))
        if fault is not None:
            hr.auth.fail_next(fault, method="POST")

    with suppress(ServiceError):  # the call is too late, or Auth refuses it
        give_login(stepped(hr.relay, Steps(at={moment: overtake})), jane, EMAIL, invite=invite)
    assert_no_login_without_employee(hr)
    if was != [(jane, None)]:
        assert pairs(hr.connection) == was
