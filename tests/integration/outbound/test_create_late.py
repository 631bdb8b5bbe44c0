"""What comes when nobody reckons with it: a call that Auth carries out late, a request that has stood still."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from tests.auth_faults import CUT, TIMED_OUT, UNEXPECTED, Fault, throttled
from tests.employees import Connection, hire
from tests.integration.hiring import EMAIL, Office, assert_only, intents, office, pairs, reason_of
from tests.integration.killing import Held, LeavingAdmin, Steps, give_login, request, stepped
from tests.integration.outbound.test_create_killed import STEPS
from webhook_service.errors import AuthUnavailable, ServiceError
from webhook_service.ports import Database
from webhook_service.settings import Settings

GONE = AuthUnavailable("auth_unreachable", "Auth did not answer (ReadTimeout).")
NO_KEY = Fault(401, "bad_jwt")
MOMENTS = [
    pytest.param(invite, name, id=f"{name}, {'invited' if invite else 'password'}")
    for invite, names in STEPS.items()
    for name in names
    if not (invite and name in ("after create", "before invite"))
]
"""But for the one between a login and its invitation, which would make another one if the first is undone by then."""


def name_of(fault: Fault | None) -> str:
    return "no trouble" if fault is None else f"{fault.status or 'cut'}"


@pytest.fixture
def hr(
    settings: Settings, database: Database, connection: Connection, caplog: pytest.LogCaptureFixture
) -> Iterator[Office]:
    with office(settings, database, connection, caplog) as made:
        yield made


def assert_no_half(hr: Office) -> None:
    """No login without an employee, and nothing left to do."""
    hr.rest()
    assert None not in [employee_id for employee_id, _ in pairs(hr.connection)]
    assert {status for status, _ in intents(hr.connection)} <= {"SUCCESS"}


def left_on_the_way(hr: Office, path: str, method: str) -> tuple[Held, LeavingAdmin]:
    held = Held(path)
    hr.auth.before = held
    return held, LeavingAdmin(hr.relay.admin, Steps(), held, method, GONE)


@pytest.mark.parametrize("read", [None, CUT, UNEXPECTED, throttled(), NO_KEY], ids=name_of)
@pytest.mark.parametrize("invite", [False, True])
def test_a_login_that_comes_late_is_undone(hr: Office, settings: Settings, invite: bool, read: Fault | None) -> None:
    """Auth did not answer in time, and was asked whether the user is there, whatever it said to that: until the lease
    has ended nobody takes for granted that the login does not come.
    """
    held, admin = left_on_the_way(hr, "/admin/users", "create")
    if read is not None:
        hr.auth.fail_next(read, method="GET")
    answer = request(hr, settings, replace(hr.relay, admin=admin), invite=invite)
    assert answer is not None
    assert answer.status_code in (502, 503)
    hr.run_pass()
    held.release()
    assert len(pairs(hr.connection)) == 1
    assert_no_half(hr)
    assert pairs(hr.connection) == []
    assert hr.create(invite=invite).status_code == 201


def test_a_login_that_comes_late_is_in_nobodys_way(hr: Office, settings: Settings) -> None:
    """The caller asks again at once, and gets one: the late one meets a taken e-mail, and its intent ends."""
    held, admin = left_on_the_way(hr, "/admin/users", "create")
    assert request(hr, settings, replace(hr.relay, admin=admin)) is not None
    hr.auth.before = None
    again = hr.create()
    assert again.status_code == 201
    held.release()
    assert_no_half(hr)
    assert_only(hr.connection, again)


def test_a_login_that_has_come_late_is_named(hr: Office, settings: Settings) -> None:
    """The caller asks again before it is undone: 409; and once more afterwards: 201."""
    held, admin = left_on_the_way(hr, "/admin/users", "create")
    request(hr, settings, replace(hr.relay, admin=admin))
    held.release()
    [(_, user)] = pairs(hr.connection)
    refused = hr.create()
    assert (reason_of(refused), refused.get_json()["auth_user_id"]) == ((409, "email_taken"), str(user))
    hr.rest()
    assert_only(hr.connection, hr.create())


def test_an_invitation_that_comes_late_makes_no_other_login(hr: Office, settings: Settings) -> None:
    """Auth invites whoever is not there yet, under an id of its own: so the login must not be deleted while an
    invitation may still be on its way.
    """
    held, admin = left_on_the_way(hr, "/invite", "invite")
    answer = request(hr, settings, replace(hr.relay, admin=admin), invite=True)
    assert answer is not None
    assert answer.status_code == 503
    hr.run_pass()
    held.release()
    assert_no_half(hr)


@pytest.mark.parametrize(("invite", "moment"), MOMENTS)
def test_a_request_that_stood_still_leaves_no_half(hr: Office, settings: Settings, invite: bool, moment: str) -> None:
    """Its process was stopped for so long that its lease had ended and the relay had seen to all: what it does then
    makes no login without an employee, and takes none away.
    """
    steps = Steps(at={moment: hr.rest})
    answer = request(hr, settings, stepped(hr.relay, steps), invite=invite)
    assert answer is not None
    finished = pairs(hr.connection)
    assert_no_half(hr)
    if answer.status_code == 201:
        assert_only(hr.connection, answer)
        assert pairs(hr.connection) == finished


OVERTAKEN: dict[str, list[tuple[Fault, str]]] = {
    "it cannot be undone": [(CUT, "DELETE"), (CUT, "DELETE")],
    "the answer is lost": [(TIMED_OUT.after_commit(), "POST"), (CUT, "GET")],
}


@pytest.mark.parametrize("invite", [False, True])
@pytest.mark.parametrize("moment", ["after intend", "before create"])
@pytest.mark.parametrize("name", OVERTAKEN)
def test_a_login_that_comes_when_all_is_undone_goes_again(
    hr: Office, settings: Settings, name: str, moment: str, invite: bool
) -> None:
    """The request has stood still, and the relay undone what was not there yet. Then the login is made after all, and
    whoever made it does not get to take it back.
    """

    def overtake() -> None:
        hr.rest()
        for fault, method in OVERTAKEN.get(name, []):
            hr.auth.fail_next(fault, method=method)

    request(hr, settings, stepped(hr.relay, Steps(at={moment: overtake})), invite=invite)
    assert_no_half(hr)


@pytest.mark.parametrize("fault", [None, throttled(), UNEXPECTED, Fault(400, "validation_failed")], ids=name_of)
@pytest.mark.parametrize(("invite", "moment"), MOMENTS)
def test_a_gift_that_stood_still_takes_no_login_away(
    hr: Office, invite: bool, moment: str, fault: Fault | None
) -> None:
    """The relay has given the login to the employee by then; also where Auth refuses what is asked of it next."""
    jane = hire(hr.connection, EMAIL)
    was: list[object] = []

    def overtake() -> None:
        hr.rest()
        was.extend(pairs(hr.connection))
        if fault is not None:
            hr.auth.fail_next(fault, method="POST")

    with suppress(ServiceError):  # that it came too late, or what Auth said
        give_login(stepped(hr.relay, Steps(at={moment: overtake})), jane, EMAIL, invite=invite)
    assert_no_half(hr)
    if was != [(jane, None)]:
        assert pairs(hr.connection) == was
