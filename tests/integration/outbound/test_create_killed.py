"""A creation that is killed between any two steps leaves both employee and login, or neither.

test_undo_killed.py kills the relay's own steps; test_create_late.py has calls and requests that are late.
"""

from dataclasses import replace

import pytest

from tests.employees import employee, hire
from tests.integration.captured import everything
from tests.integration.hiring import (
    EMAIL,
    Office,
    assert_nobody,
    assert_only,
    intents,
    pairs,
    passwords,
    reason_of,
)
from tests.integration.killing import Held, Killed, LeavingAdmin, Steps, give_login, request, stepped
from webhook_service.errors import NotPossible
from webhook_service.outbound import logins
from webhook_service.settings import Settings

pytestmark = pytest.mark.campaign

CALLS = {
    False: ["intend", "create", "hire"],
    True: ["intend", "create", "invite", "hire"],
}
"""The steps of a creation, by `invite`."""
STEPS = {
    invite: [f"{when} {call}" for call in calls for when in ("before", "after")] for invite, calls in CALLS.items()
}
KILLS = [
    pytest.param(invite, end, id=f"{name}, {'invited' if invite else 'password'}")
    for invite, names in STEPS.items()
    for end, name in enumerate(names)
]
ORDERS = pytest.mark.parametrize("events_first", [True, False], ids=["events first", "actions first"])
"""Whether the relay first applies the new user's own event or first resolves the intent."""


@pytest.mark.parametrize("invite", [False, True])
def test_all_steps_are_killed(hr: Office, settings: Settings, invite: bool) -> None:
    """The tests kill all steps of a creation and of a login for an existing employee."""
    steps, again = Steps(), Steps()
    answer = request(hr, settings, stepped(hr.relay, steps), invite=invite)
    assert answer is not None
    assert answer.status_code == 201
    assert give_login(stepped(hr.relay, again), hire(hr.connection, "b@example.com"), "b@example.com", invite=invite)
    assert steps.passed == again.passed == STEPS[invite]


@ORDERS
@pytest.mark.parametrize(("invite", "end"), KILLS)
def test_a_killed_creation_leaves_both_or_neither(
    hr: Office, settings: Settings, invite: bool, end: int, events_first: bool
) -> None:
    """The relay finishes a killed creation whose invitation was sent, and undoes one whose password is lost.

    The repeated request then succeeds, or names the employee who was created.
    """
    steps = Steps(end)
    assert request(hr, settings, stepped(hr.relay, steps), invite=invite) is None
    assert steps.passed == STEPS[invite][: end + 1]
    before = everything(hr.connection, "employees", "auth.users")
    hr.run_pass(events_first=events_first)
    assert everything(hr.connection, "employees", "auth.users") == before  # the request might still be running
    hr.rest(events_first=events_first)
    done = end > STEPS[invite].index("before invite" if invite else "before hire")
    found = pairs(hr.connection)
    assert intents(hr.connection) == ([] if end == 0 else [("SUCCESS", "created" if done else "undone")])
    again = hr.create(invite=invite)
    if done:
        [(employee_id, user)] = found
        assert user is not None
        assert (reason_of(again), again.get_json()["employee_id"]) == ((409, "email_taken"), employee_id)
    else:
        assert found == []
        assert again.status_code == 201
        assert_only(hr.connection, again)


@ORDERS
@pytest.mark.parametrize(("invite", "end"), KILLS)
def test_a_killed_login_for_an_employee_ends_with_one_login(
    hr: Office, invite: bool, end: int, events_first: bool
) -> None:
    """If a process that creates a login for an existing employee is killed, the employee still ends with one login.

    The login stays if its password or invitation was handed out, or if its event has linked it in the meantime.
    Otherwise a
    new login can be created.
    """
    jane = hire(hr.connection, f" {EMAIL.title()}")
    before = employee(hr.connection, jane)
    steps = Steps(end)
    assert give_login(stepped(hr.relay, steps), jane, EMAIL, invite=invite) is None
    assert steps.passed == STEPS[invite][: end + 1]
    hr.rest(events_first=events_first)
    made = end > STEPS[invite].index("before invite" if invite else "before create")
    [(employee_id, user)] = pairs(hr.connection)
    assert (employee_id, user is not None) == (jane, made)
    if made:
        with pytest.raises(NotPossible, match="has_login"):
            give_login(hr.relay, jane, EMAIL, invite=invite)
    else:
        assert give_login(hr.relay, jane, EMAIL, invite=invite) is not None
    hr.rest(events_first=events_first)
    [(employee_id, user)] = pairs(hr.connection)
    assert (employee_id, user is not None) == (jane, True)
    assert employee(hr.connection, jane) == before | {"auth_user_id": user}
    assert [outcome for _, outcome in intents(hr.connection)].count("created") == 1


@pytest.mark.parametrize("end", range(len(STEPS[False])), ids=STEPS[False])
def test_the_password_is_announced_before_it_is_needed(hr: Office, end: int) -> None:
    """A killed process has announced the password if Auth may have received it."""
    jane = hire(hr.connection, EMAIL)
    reported: list[str | None] = []
    accounts = stepped(hr.relay, Steps(end))
    with pytest.raises(Killed):
        logins.hire(
            accounts, {"employee_id": jane}, EMAIL, via="provision", requested_by="test", announce=reported.append
        )
    assert reported[: len(passwords(hr.auth))] == passwords(hr.auth)
    assert bool(reported) == (end >= STEPS[False].index("before create"))


@ORDERS
@pytest.mark.parametrize("invite", [False, True])
@pytest.mark.parametrize("hook", ["before", "after"])
def test_a_creation_whose_process_is_killed_during_the_call_is_undone(
    hr: Office, settings: Settings, hook: str, invite: bool, events_first: bool
) -> None:
    """If a process is killed during its call, the relay undoes the login that Auth commits before or after the kill."""
    held = Held("/admin/users")
    setattr(hr.auth, hook, held)
    admin = LeavingAdmin(hr.relay.admin, Steps(), held, "create", Killed())
    assert request(hr, settings, replace(hr.relay, admin=admin), invite=invite) is None
    hr.run_pass(events_first=events_first)
    held.release()
    assert len(pairs(hr.connection)) == 1
    hr.run_pass(events_first=events_first)
    hr.rest(events_first=events_first)
    assert_nobody(hr.connection)
    assert hr.create(invite=invite).status_code == 201


@ORDERS
@pytest.mark.parametrize("hook", ["before", "after"])
def test_an_invitation_whose_process_is_killed_during_the_call_is_finished(
    hr: Office, settings: Settings, hook: str, events_first: bool
) -> None:
    """If a process is killed during its call, the relay finishes the creation whose invitation Auth sends later."""
    held = Held("/invite")
    setattr(hr.auth, hook, held)
    admin = LeavingAdmin(hr.relay.admin, Steps(), held, "invite", Killed())
    assert request(hr, settings, replace(hr.relay, admin=admin), invite=True) is None
    held.release()
    hr.rest(events_first=events_first)
    [(employee_id, user)] = pairs(hr.connection)
    assert employee_id is not None
    assert user is not None
