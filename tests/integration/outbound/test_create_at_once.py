"""Concurrent requests for one person create one employee and one login, even if other transactions use the e-mail."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import psycopg
import pytest
from werkzeug.test import TestResponse

from tests.acceptance.conftest import has_waiting_calls, wait_for
from tests.auth_faults import AuthServer, Call
from tests.auth_traffic import JANE
from tests.employees import hire
from tests.integration.captured import inbound, relay_all
from tests.integration.capturing import auth_on
from tests.integration.hiring import EMAIL, Office, assert_only, intents, pairs, reason_of
from webhook_service.events import Json

GATE = 8151
"""An advisory lock at which a creation waits, with its employee written and not committed."""
GATED = f"""
create function stop() returns trigger language plpgsql set lock_timeout = '0' as $$ begin
  perform pg_advisory_xact_lock_shared({GATE});
  return null;
end $$;
create trigger stop after insert on employees for each row when (new.auth_user_id is not null) execute function stop();
"""


def is_new_login(call: Call) -> bool:
    return (call.method, call.path) == ("POST", "/admin/users")


def at_once(hr: Office, *bodies: dict[str, Json], meanwhile: Callable[[], object] = lambda: None) -> list[TestResponse]:
    """Send requests in parallel threads, and call `meanwhile` while they run."""
    with ThreadPoolExecutor(len(bodies)) as threads:
        answers = [threads.submit(hr.create, **body) for body in bodies]
        meanwhile()
        return [answer.result() for answer in answers]


def commit_when_waited_for(
    hr: Office, other: psycopg.Connection, calls: int = 1, first: Callable[[], object] = lambda: None
) -> None:
    """Call `first`, and commit the other transaction as soon as `calls` calls wait for it."""
    wait_for("the calls", lambda: has_waiting_calls(hr.connection, calls))
    first()
    other.commit()


def meet_in(auth: AuthServer, number: int, *, in_turn: bool) -> None:
    """Hold new logins until `number` of them are requested. With `in_turn`, Auth creates them one after the other."""
    together, turn = threading.Barrier(number), threading.Lock()

    def before(call: Call) -> None:
        if is_new_login(call):
            together.wait(20)
            if in_turn:
                turn.acquire(timeout=20)

    def after(call: Call) -> None:
        if is_new_login(call) and in_turn:
            turn.release()

    auth.before, auth.after = before, after


def assert_one_wins(hr: Office, answers: list[TestResponse], *lost: tuple[int, str]) -> None:
    """Check for one 201, for the other responses in `lost`, and for one employee with one login."""
    won = [answer for answer in answers if answer.status_code == 201]
    assert [reason_of(answer) for answer in answers if answer.status_code != 201] == list(lost)
    hr.rest()
    [winner] = won
    assert_only(hr.connection, winner)
    assert {status for status, _ in intents(hr.connection)} == {"SUCCESS"}


@pytest.mark.parametrize("invite", [False, True])
def test_one_of_two_requests_for_one_e_mail_wins(hr: Office, invite: bool) -> None:
    """If Auth has created the first of two logins with the same e-mail, the second request gets 409.

    Both requests have passed this service's own check of the e-mail.
    """
    meet_in(hr.auth, 2, in_turn=True)
    answers = at_once(hr, {"invite": invite}, {"invite": invite})
    assert_one_wins(hr, answers, (409, "email_taken"))


@pytest.mark.parametrize("invite", [False, True])
def test_one_of_two_simultaneous_logins_wins(hr: Office, database_url: str, invite: bool) -> None:
    """If Auth answers 500 to the second of two logins with the same e-mail, its request gets 409.

    Both logins have passed Auth's check of the e-mail, too.
    """
    with psycopg.connect(database_url) as other:
        other.execute("lock table auth.users in share mode")
        answers = at_once(
            hr,
            *[{"invite": invite}] * 2,
            meanwhile=lambda: commit_when_waited_for(hr, other, 2),
        )
    assert_one_wins(hr, answers, (409, "email_taken"))


def test_one_of_many_requests_for_one_e_mail_wins(hr: Office) -> None:
    """Only one of many concurrent requests for an e-mail wins. A later request is refused with the employee's id."""
    answers = at_once(hr, *[{}] * 6)
    assert_one_wins(hr, answers, *[(409, "email_taken")] * 5)
    assert hr.create().get_json()["side"] == "employees"


def test_one_of_two_requests_for_one_number_wins(hr: Office) -> None:
    """One of two requests with the same employee number gets 422, and its login is undone."""
    hr.connection.execute("alter table employees add constraint one_number unique (employee_number)")
    meet_in(hr.auth, 2, in_turn=False)
    answers = at_once(hr, {}, {"email": "other@example.com"})
    assert_one_wins(hr, answers, (422, "employee_rejected"))
    assert {answer.get_json().get("constraint") for answer in answers} == {None, "one_number"}


def test_one_of_many_requests_for_one_login_wins(hr: Office, database_url: str) -> None:
    """Only one of many requests takes over an existing login."""
    with auth_on(database_url) as auth:
        auth.admin_create(EMAIL, id=JANE)
    answers = at_once(hr, *[{"auth_user_id": str(JANE)}] * 6)
    assert_one_wins(hr, answers, *[(409, "email_taken")] * 5)


def test_a_login_that_is_being_linked_is_not_taken_over(hr: Office, database_url: str) -> None:
    """A request for a login that another transaction is linking gets 409."""
    with auth_on(database_url) as auth:
        auth.admin_create(EMAIL, id=JANE)
    with psycopg.connect(database_url) as other:
        other.execute("insert into employees (email, auth_user_id) values ('other@example.com', %s)", [JANE])
        [answer] = at_once(
            hr,
            {"auth_user_id": str(JANE)},
            meanwhile=lambda: commit_when_waited_for(hr, other),
        )
    assert reason_of(answer) == (409, "email_taken")
    assert [user for _, user in pairs(hr.connection)] == [JANE]


@pytest.mark.parametrize("invite", [False, True])
def test_the_users_own_event_arrives_while_its_employee_is_written(hr: Office, database_url: str, invite: bool) -> None:
    """A new user's event that is applied while the employee is written does not wait. The employee ends linked once."""
    hr.connection.execute(GATED)
    with psycopg.connect(database_url) as other:
        other.execute("select pg_advisory_xact_lock(%s)", [GATE])
        [answer] = at_once(
            hr,
            {"invite": invite},
            meanwhile=lambda: commit_when_waited_for(hr, other, first=lambda: relay_all(hr.database)),
        )
    assert answer.status_code == 201, answer.text
    assert {event["outcome"] for event in inbound(hr.connection)} <= {"unmatched", "unconfirmed"}
    hr.rest()
    assert_only(hr.connection, answer)


MEANWHILE = pytest.mark.parametrize("known", [True, False], ids=["known", "not yet"])
"""Whether the new auth user's event is applied before the import."""


def importing(hr: Office, hook: str, *, known: bool) -> None:
    """Let an import insert an employee with the e-mail while Auth creates the login."""

    def import_jane(call: Call) -> None:
        if is_new_login(call):
            if known:
                relay_all(hr.database)
            hire(hr.connection, EMAIL)

    setattr(hr.auth, hook, import_jane)


@pytest.mark.parametrize("invite", [False, True])
@MEANWHILE
@pytest.mark.parametrize("hook", ["before", "after"])
def test_a_concurrent_import_of_the_same_person_loses_nothing(hr: Office, hook: str, known: bool, invite: bool) -> None:
    """A concurrent import of the same person leaves no login without an employee, and no orphan.

    If the imported employee is linked at once, the login belongs to that employee and is not deleted.
    """
    importing(hr, hook, known=known)
    answer = hr.create(invite=invite)
    hr.rest()
    found = pairs(hr.connection)
    assert None not in [employee_id for employee_id, _ in found]
    if answer.status_code == 201:
        created = answer.get_json()
        assert (created["employee_id"], UUID(created["auth_user_id"])) in found
    else:
        assert answer.status_code in (409, 422)
    assert {status for status, _ in intents(hr.connection)} == {"SUCCESS"}


@MEANWHILE
@pytest.mark.parametrize("hook", ["before", "after"])
def test_a_concurrent_import_of_the_same_person_is_noticed(hr: Office, hook: str, known: bool) -> None:
    """If a creation meets an import of the same person, the request gets 409 with the employee's id."""
    importing(hr, hook, known=known)
    answer = hr.create()
    [(imported, _)] = pairs(hr.connection)
    assert (reason_of(answer), answer.get_json()["side"]) == ((409, "email_taken"), "employees")
    assert answer.get_json()["employee_id"] == imported
