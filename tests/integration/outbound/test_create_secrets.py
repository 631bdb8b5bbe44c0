"""A temporary password is in one response and nowhere else.

The database has the extensions of a Supabase project. In all other tests of creations, `office` checks this rule when
it closes.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import UUID

import pytest

from tests.auth_faults import BROKEN, CUT, TIMED_OUT, UNEXPECTED, Fault, throttled
from tests.employees import Connection, hire
from tests.integration.canaries import lines
from tests.integration.capturing import prepared
from tests.integration.hiring import (
    AUTHORIZED,
    EMAIL,
    JANE_DOE,
    Office,
    client_for,
    office,
    passwords,
    whole_database,
    whole_log,
)
from tests.integration.killing import SteppedAdmin, Steps, give_login, request, stepped
from tests.integration.outbound.test_create_killed import STEPS
from tests.integration.sending import NEW, URL, queued, send_to
from webhook_service.errors import ServiceError
from webhook_service.events import Account
from webhook_service.outbound import logins
from webhook_service.ports import Database
from webhook_service.settings import Settings

AGAINST_LOGINS = "alter table employees add constraint no_login check (auth_user_id is null)"


@pytest.fixture
def database_url(supabase_database_url: str) -> str:
    """Provide a database with pg_net, Vault and Auth's tables."""
    return prepared(supabase_database_url)


@pytest.fixture
def hr(
    settings: Settings, database: Database, connection: Connection, caplog: pytest.LogCaptureFixture
) -> Iterator[Office]:
    with office(settings, database, connection, caplog) as made:
        send_to(connection, URL, NEW)
        yield made


def test_a_password_leaves_no_trace(hr: Office) -> None:
    """A creation, its webhooks and the relay store no password."""
    password = hr.create().get_json()["temporary_password"]
    hr.rest()
    assert len(queued(hr.connection)) == 1
    assert password not in whole_database(hr.connection)


@pytest.mark.parametrize("fault", [CUT, TIMED_OUT, BROKEN, UNEXPECTED, throttled(), Fault(400, "weak_password")])
@pytest.mark.parametrize("committed", [False, True])
def test_a_failed_call_leaves_no_trace(
    hr: Office, caplog: pytest.LogCaptureFixture, fault: Fault, committed: bool
) -> None:
    """If a call fails, the password is not in Auth's error, in the log records, or in the remaining rows."""
    hr.auth.fail_next(fault.after_commit() if committed else fault, method="POST")
    hr.create()
    hr.rest()
    [password] = passwords(hr.auth)
    assert password not in whole_database(hr.connection) + whole_log(caplog)


def test_a_refused_row_leaves_no_trace(hr: Office) -> None:
    """If the employees table refuses the row, neither the refusal nor the undo stores the password."""
    hr.connection.execute(AGAINST_LOGINS)
    answer = hr.create()
    [password] = passwords(hr.auth)
    assert answer.status_code == 422
    assert password not in answer.text + whole_database(hr.connection)


@pytest.mark.campaign
@pytest.mark.parametrize("end", range(len(STEPS[False])), ids=STEPS[False])
def test_a_kill_leaves_no_trace(hr: Office, settings: Settings, end: int) -> None:
    """A process that is killed at any step has stored no password."""
    request(hr, settings, stepped(hr.relay, Steps(end)))
    for password in passwords(hr.auth):
        assert password not in whole_database(hr.connection)
    hr.rest()


class LeakingAdmin(SteppedAdmin):
    """An Auth Admin whose unexpected errors repeat the password."""

    def create(self, auth_user_id: UUID, email: str, *, password: str | None) -> Account:
        self.admin.create(auth_user_id, email, password=password)
        raise RuntimeError(f"could not send {email} {password}") from ValueError(password)


def test_an_unexpected_error_leaves_no_trace(hr: Office, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error returns 500 without the error's text, and the creation is undone."""
    accounts = replace(hr.relay, admin=LeakingAdmin(hr.relay.admin, Steps()))
    answer = client_for(settings, accounts).post("/admin/api/employees", json=JANE_DOE, headers=AUTHORIZED)
    [password] = passwords(hr.auth)
    assert (answer.status_code, answer.get_json()["reason"]) == (500, "internal_error")
    log = lines(caplog)
    assert "RuntimeError" in log
    assert [secret for secret in (password, EMAIL) if secret in answer.text + log] == []
    caplog.clear()  # records of other libraries are not part of this test
    hr.rest()


def test_the_result_does_not_show_the_password(hr: Office) -> None:
    """The `repr` of the object that carries the password hides it."""
    hired = logins.hire(hr.relay, JANE_DOE, EMAIL, via="test", requested_by="test")
    assert hired.password == passwords(hr.auth)[0]
    assert hired.password not in f"{hired!r} {hired} {[hired]}"


def test_an_error_does_not_carry_the_password(hr: Office) -> None:
    """Neither an error nor any of its causes contains the password."""
    hr.auth.fail_next(UNEXPECTED, method="POST")
    with pytest.raises(ServiceError) as caught:
        give_login(hr.relay, hire(hr.connection, EMAIL), EMAIL, invite=False)
    [password] = passwords(hr.auth)
    error: BaseException | None = caught.value
    while error is not None:
        assert password not in f"{error!r} {error} {vars(error)}"
        error = error.__cause__ or error.__context__


def leak_into_a_table(hr: Office, password: str) -> None:
    hr.connection.execute("update employees set first_name = %s", [f"x{password}x"])


def leak_into_the_queue(hr: Office, password: str) -> None:
    body = f'"{password}"'
    hr.connection.execute("select net.http_post('http://localhost', jsonb_build_object('a', %s::jsonb))", [body])


def leak_into_the_log(hr: Office, password: str) -> None:
    logging.getLogger("somebody.else").debug("sent", extra={"body": {"password": password}})


def leak_into_an_answer(hr: Office, password: str) -> None:
    hr.answers *= 2


LEAKS = [leak_into_a_table, leak_into_the_queue, leak_into_the_log, leak_into_an_answer]


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_found(
    settings: Settings,
    database: Database,
    connection: Connection,
    caplog: pytest.LogCaptureFixture,
    leak: Callable[[Office, str], None],
) -> None:
    """When an office closes, its check finds a password that is in a table, in a log record, or in two responses."""
    with pytest.raises(AssertionError), office(settings, database, connection, caplog) as hr:
        leak(hr, hr.create().get_json()["temporary_password"])
