"""After PATCH /admin/api/employees/{id}, both sides are in sync, even with concurrent requests and transactions."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest

from tests.integration.hiring import Office, access, client_for, login_of, reason_of, sign_in_jane
from tests.integration.killing import Held, LeavingAdmin, Steps
from webhook_service.errors import AuthUnavailable
from webhook_service.settings import Settings

GONE = AuthUnavailable("auth_unreachable", "Auth did not answer (ReadTimeout).")


@pytest.fixture
def jane(hr: Office, database_url: str) -> int:
    return sign_in_jane(hr, database_url)


def test_a_request_does_not_wait_for_a_locked_employee(hr: Office, jane: int, database_url: str) -> None:
    """A request gets 503 and changes nothing if another transaction holds the employee's row."""
    with psycopg.connect(database_url) as importer:
        importer.execute("update employees set first_name = 'Jane'")
        answer = hr.switch(jane, False)
    assert reason_of(answer) == (503, "database_conflict")
    assert int(answer.headers["Retry-After"]) > 0
    assert access(hr, jane) == (True, True)
    assert login_of(hr.switch(jane, False)) == ("done", None)


@pytest.mark.parametrize("last", [False, True])
def test_a_second_request_waits_for_the_first(hr: Office, jane: int, last: bool) -> None:
    """A second request is queued until Auth has carried out the first, and determines the final state."""
    hr.switch(jane, last)
    held = Held("/admin/users", "PUT")
    hr.auth.before = held
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(hr.switch, jane, not last)
        held.wait()
        assert login_of(hr.switch(jane, last)) == ("queued", None)
        held.release()
        assert login_of(first.result()) == ("done", None)
    hr.rest()
    assert access(hr, jane) == (last, last)


def test_a_late_call_does_not_change_the_final_state(hr: Office, jane: int, settings: Settings) -> None:
    """A call that Auth carries out after a newer deactivation does not change the final state."""
    last = False
    hr.switch(jane, last)
    held = Held("/admin/users", "PUT")
    hr.auth.before = held
    admin = LeavingAdmin(hr.relay.admin, Steps(), held, "update", GONE)
    usual, hr.client = hr.client, client_for(settings, replace(hr.relay, admin=admin))
    assert login_of(hr.switch(jane, not last))[0] == "queued"
    hr.client = usual
    assert login_of(hr.switch(jane, last)) == ("done", None)
    held.release()
    hr.rest()
    assert access(hr, jane) == (last, last)


def test_many_concurrent_requests_end_in_sync(hr: Office, jane: int) -> None:
    """After concurrent requests and a relay, employee and login are in sync, and every request got a response."""
    over = threading.Event()

    def relay() -> None:
        while not over.is_set():
            hr.run_pass()

    with ThreadPoolExecutor(7) as threads:
        relaying = threads.submit(relay)
        answers = [
            *(answer for _ in range(4) for answer in threads.map(lambda n: hr.switch(jane, n % 2 == 0), range(6)))
        ]
        over.set()
        relaying.result()
    assert [answer.text for answer in answers if answer.status_code not in (200, 503)] == []
    hr.rest()
    is_active, is_open = access(hr, jane)
    assert is_active == is_open
