"""Creating an employee with a login, killed between every two of its steps: in the end there are both, or neither.

That the relay's own steps may be killed is in test_undo_killed.py; those who come too late are in test_create_late.py.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.employees import Connection, employee, hire
from tests.integration.captured import everything
from tests.integration.hiring import (
    EMAIL,
    Office,
    assert_nobody,
    assert_only,
    intents,
    office,
    pairs,
    passwords,
    reason_of,
)
from tests.integration.killing import Held, Killed, LeavingAdmin, Steps, give_login, request, stepped
from webhook_service.errors import NotPossible
from webhook_service.outbound import logins
from webhook_service.ports import Database
from webhook_service.settings import Settings

CALLS = {
    False: ["intend", "create", "hire"],
    True: ["intend", "create", "invite", "hire"],
}
"""With a password, or an invitation."""
STEPS = {
    invite: [f"{when} {call}" for call in calls for when in ("before", "after")] for invite, calls in CALLS.items()
}
KILLS = [
    pytest.param(invite, end, id=f"{name}, {'invited' if invite else 'password'}")
    for invite, names in STEPS.items()
    for end, name in enumerate(names)
]
ORDERS = pytest.mark.parametrize("events_first", [True, False], ids=["events first", "actions first"])
"""What the relay sees to first, the new user's own event or the intent."""


@pytest.fixture
def hr(
    settings: Settings, database: Database, connection: Connection, caplog: pytest.LogCaptureFixture
) -> Iterator[Office]:
    with office(settings, database, connection, caplog) as made:
        yield made


@pytest.mark.parametrize("invite", [False, True])
def test_these_are_all_the_steps(hr: Office, settings: Settings, invite: bool) -> None:
    """Of a request, and of giving a login to an employee who is there."""
    steps, again = Steps(), Steps()
    answer = request(hr, settings, stepped(hr.relay, steps), invite=invite)
    assert answer is not None
    assert answer.status_code == 201
    assert give_login(stepped(hr.relay, again), hire(hr.connection, "b@example.com"), "b@example.com", invite=invite)
    assert steps.passed == again.passed == STEPS[invite]


@ORDERS
@pytest.mark.parametrize(("invite", "end"), KILLS)
def test_a_killed_creation_ends_as_both_or_neither(
    hr: Office, settings: Settings, invite: bool, end: int, events_first: bool
) -> None:
    """An invitation that has gone out is finished; a login whose password is lost with the request is undone. Then the
    same request succeeds, or says who was created.
    """
    steps = Steps(end)
    assert request(hr, settings, stepped(hr.relay, steps), invite=invite) is None
    assert steps.passed == STEPS[invite][: end + 1]
    before = everything(hr.connection, "employees", "auth.users")
    hr.run_pass(events_first=events_first)
    assert everything(hr.connection, "employees", "auth.users") == before  # the request might still be at it
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
def test_a_killed_gift_of_a_login_ends_with_one(hr: Office, invite: bool, end: int, events_first: bool) -> None:
    """An employee who is there keeps the login that was made, also where its own event has linked it meanwhile; where
    none was made, or nobody was told of it, there is none, and it is given again.
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
    """Whoever is killed has told it already, as soon as Auth may know it."""
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
def test_a_creation_whose_process_is_killed_meanwhile_is_undone(
    hr: Office, settings: Settings, hook: str, invite: bool, events_first: bool
) -> None:
    """Auth has it on its way, and commits it when nobody waits for it any more, or has committed it just before."""
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
def test_an_invitation_whose_process_is_killed_meanwhile_is_finished(
    hr: Office, settings: Settings, hook: str, events_first: bool
) -> None:
    """It goes out all the same: so there is an employee who has it."""
    held = Held("/invite")
    setattr(hr.auth, hook, held)
    admin = LeavingAdmin(hr.relay.admin, Steps(), held, "invite", Killed())
    assert request(hr, settings, replace(hr.relay, admin=admin), invite=True) is None
    held.release()
    hr.rest(events_first=events_first)
    [(employee_id, user)] = pairs(hr.connection)
    assert employee_id is not None
    assert user is not None
