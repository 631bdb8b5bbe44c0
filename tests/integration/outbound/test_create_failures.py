"""If Auth or the database fails during POST /admin/api/employees, both employee and login exist, or neither."""

from contextlib import closing
from dataclasses import dataclass
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from tests.auth_faults import BROKEN, CUT, PAGE_500, TIMED_OUT, UNEXPECTED, Fault, throttled
from tests.auth_server import CONFIDENTIAL
from tests.employees import Connection
from tests.in_loop import CalledSoon
from tests.integration.auth_admins import row
from tests.integration.capturing import auth_on
from tests.integration.hiring import (
    EMAIL,
    Office,
    accounts_over,
    assert_nobody,
    assert_only,
    client_for,
    intents,
    office,
    open_rows,
    pairs,
    reason_of,
)
from webhook_service.auth.supabase import SupabaseAuthAdmin
from webhook_service.errors import Unavailable
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.settings import Settings

REFUSED = Fault(422, "weak_password")
NO_KEY = Fault(401, "bad_jwt")
LOST = {
    "cut": CUT,
    "timed out": TIMED_OUT,
    "broken": BROKEN,
    "a page": PAGE_500,
    "unexpected": UNEXPECTED,
}
"""Failures after which a call may or may not have been carried out."""
REFUSALS = {"throttled": throttled("7"), "refused": REFUSED, "no key": NO_KEY}
AGAINST_LOGINS = "alter table employees add constraint no_login check (auth_user_id is null)"


def assert_neither_or_both(hr: Office, **body: Json) -> None:
    """Check that after a relay's pass the same request succeeds, or names the employee who was created."""
    hr.rest()
    assert {status for status, _ in intents(hr.connection)} <= {"SUCCESS"}
    found = pairs(hr.connection)
    again = hr.create(**body)
    if found:
        assert (reason_of(again), again.get_json()["employee_id"]) == ((409, "email_taken"), found[0][0])
        assert len(found) == 1
        assert None not in found[0]
    else:
        assert again.status_code == 201
        assert_only(hr.connection, again)


def assert_says_when_to_retry(answer: TestResponse) -> None:
    """Check that only a 503 has Retry-After, and that Auth's text is not repeated."""
    assert ("Retry-After" in answer.headers) == (answer.status_code == 503)
    assert CONFIDENTIAL not in answer.text
    assert EMAIL not in answer.text


@pytest.mark.parametrize("invite", [False, True])
@pytest.mark.parametrize("name", LOST)
def test_a_login_that_may_still_be_created_is_left_to_the_relay(hr: Office, name: str, invite: bool) -> None:
    """A creation whose result is unknown gets 503. The relay resolves it after the lease has ended."""
    hr.auth.fail_next(LOST[name], method="POST", path="/admin/users")
    answer = hr.create(invite=invite)
    assert answer.status_code == 503
    assert_says_when_to_retry(answer)
    hr.run_pass()
    assert (intents(hr.connection), pairs(hr.connection)) == ([("PENDING", None)], [])
    assert_neither_or_both(hr, invite=invite)


@pytest.mark.parametrize("name", [name for name in LOST if name != "unexpected"])
def test_a_login_whose_response_was_lost_is_used(hr: Office, name: str) -> None:
    """A login whose response was lost is used, and the returned password is the one that Auth received."""
    hr.auth.fail_next(LOST[name].after_commit(), method="POST", path="/admin/users")
    answer = hr.create()
    assert answer.status_code == 201
    assert hr.auth.calls[0].body["password"] == answer.get_json()["temporary_password"]
    assert_only(hr.connection, answer)
    hr.rest()
    assert_only(hr.connection, answer)


@pytest.mark.parametrize("invite", [False, True])
@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_of_auth_is_undone_at_once(hr: Office, name: str, invite: bool) -> None:
    """A creation that Auth refuses is undone at once. A pause gets 503 with Auth's Retry-After, other refusals 502."""
    hr.auth.fail_next(REFUSALS[name], method="POST", path="/admin/users")
    answer = hr.create(invite=invite)
    assert answer.status_code == (503 if name == "throttled" else 502)
    assert_says_when_to_retry(answer)
    assert answer.headers.get("Retry-After") == ("7" if name == "throttled" else None)
    assert intents(hr.connection) == [("SUCCESS", "undone")]
    assert_neither_or_both(hr, invite=invite)


def test_an_e_mail_that_auth_refuses_is_the_callers_error(hr: Office) -> None:
    """An e-mail that Auth refuses gets 4xx, because Auth accepts only ASCII and a retry does not help."""
    answer = hr.create(email="jäne@example.com")
    assert answer.status_code in (400, 422)
    assert_nobody(hr.connection)


@pytest.mark.parametrize(
    "fault", [CUT, TIMED_OUT, UNEXPECTED, throttled(), NO_KEY], ids=lambda fault: str(fault.status)
)
@pytest.mark.parametrize("invite", [False, True])
def test_during_an_outage_no_employee_is_created(hr: Office, fault: Fault, invite: bool) -> None:
    """While every call to Auth fails, including those of the undo, the intent stays open."""
    hr.auth.fail(fault)
    answer = hr.create(invite=invite)
    assert answer.status_code == (502 if fault is NO_KEY else 503)
    assert_says_when_to_retry(answer)
    for _ in range(3):
        hr.run_pass()
    assert [each["status"] for each in open_rows(hr.connection)] == ["PENDING"]
    hr.auth.fail(None)
    assert_neither_or_both(hr, invite=invite)


@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", LOST | REFUSALS)
def test_an_invitation_that_fails_leaves_neither_or_both(hr: Office, name: str, committed: bool) -> None:
    """If an invitation fails before or after Auth has sent it, both employee and login exist, or neither."""
    fault = (LOST | REFUSALS)[name]
    hr.auth.fail_next(fault.after_commit() if committed else fault, method="POST", path="/invite")
    answer = hr.create(invite=True)
    assert answer.status_code == (502 if name in ("refused", "no key") else 503)
    assert_says_when_to_retry(answer)
    assert_neither_or_both(hr, invite=True)


@pytest.mark.campaign
@pytest.mark.parametrize("method", ["DELETE", "GET"])
@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", [*LOST, "throttled", "no key"])
def test_a_login_that_cannot_be_deleted_now_is_deleted_later(
    hr: Office, name: str, committed: bool, method: str
) -> None:
    """A login that cannot be deleted at once is deleted by the relay, and the response is still 422."""
    fault = (LOST | REFUSALS)[name]
    hr.connection.execute(AGAINST_LOGINS)
    hr.auth.fail_next(*[fault.after_commit() if committed else fault] * 2, method=method)
    answer = hr.create()
    assert (*reason_of(answer), answer.get_json()["constraint"]) == (422, "employee_rejected", "no_login")
    assert_says_when_to_retry(answer)
    hr.rest()
    assert_nobody(hr.connection)
    assert intents(hr.connection) == [("SUCCESS", "undone")]


def test_an_auth_that_is_too_old_is_reported(
    settings: Settings, database: Database, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """An Auth that ignores the requested id gets 502 `auth_too_old`, and no login is left."""
    with office(settings, database, connection, caplog, honours_id=False) as hr:
        assert reason_of(hr.create()) == (502, "auth_too_old")
        hr.rest()
        assert_nobody(connection)


@dataclass(frozen=True, slots=True)
class Breaking(CalledSoon):
    """A database that fails before or after it has carried out a call of this function."""

    database: Database
    function: str
    committed: bool

    def call(self, function: str, **params: Json) -> Json:
        if function == self.function and not self.committed:
            raise Unavailable("database_unreachable", "The database cannot be reached.")
        answer = self.database.call(function, **params)
        if function == self.function:
            raise Unavailable("database_slow", "The database did not answer in time.")
        return answer

    def close(self) -> None:
        self.database.close()


@pytest.mark.parametrize("invite", [False, True])
@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("function", ["auth_sync_intend_v1", "auth_sync_hire_v1"])
def test_a_failing_database_leaves_neither_or_both(
    hr: Office, settings: Settings, function: str, committed: bool, invite: bool
) -> None:
    """If the database fails, the response is 503 with Retry-After. Both employee and login exist, or neither."""
    with closing(SupabaseAuthAdmin(hr.auth.url, hr.auth.key)) as admin:
        broken = Breaking(hr.database, function, committed)
        client, hr.client = hr.client, client_for(settings, accounts_over(broken, admin, settings))
        answer = hr.create(invite=invite)
        hr.client = client
    assert answer.status_code == 503
    assert_says_when_to_retry(answer)
    if function == "auth_sync_hire_v1" and committed:
        assert len(pairs(hr.connection)) == 1
    assert_neither_or_both(hr, invite=invite)


def test_a_login_whose_response_was_lost_can_sign_in(hr: Office, database_url: str) -> None:
    """If the response to a creation was lost, the user can still sign in at once."""
    hr.auth.fail_next(TIMED_OUT.after_commit(), method="POST")
    user = UUID(hr.create().get_json()["auth_user_id"])
    with auth_on(database_url) as auth:
        auth.sign_in(user)
    assert row(hr.connection, user)["last_sign_in_at"] is not None
