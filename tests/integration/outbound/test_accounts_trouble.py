"""Actions while something is wrong with Auth: tried again, given up or done, by what kind of trouble it is."""

from collections.abc import Iterator
from uuid import UUID

import httpx
import pytest

from tests.auth_faults import BROKEN, CUT, PAGE_500, PAGE_OK, SILENT, TIMED_OUT, UNEXPECTED, Fault, throttled
from tests.integration.captured import make_due
from tests.integration.performing import HR, JANE, Company, company
from tests.integration.requested_actions import actions, dismiss, fill_bucket, linked, perform_all

FAULTS = {
    "no answer": CUT,
    "silence": SILENT,
    "504": TIMED_OUT,
    "502": BROKEN,
    "a page with 500": PAGE_500,
    "a page with 200": PAGE_OK,
    "500": UNEXPECTED,
}
KEY_REFUSED = Fault(401, "no_authorization")
PATIENCE = httpx.Timeout(0.5)

each_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


@pytest.fixture
def hr(database_url: str) -> Iterator[Company]:
    with company(database_url, timeout=PATIENCE) as hr:
        yield hr


def state(hr: Company) -> tuple[str, str | None, str | None, bool]:
    """Of the newest action: status, outcome, why it failed, and whether it is tried again."""
    found = hr.action
    return found["status"], found["outcome"], found["error_message"], found["next_attempt_at"] is not None


def failures(hr: Company) -> int:
    [found] = hr.connection.execute("select failures from auth_sync_rate").fetchall()
    return int(found["failures"])


def colleague(hr: Company, name: str) -> tuple[int, UUID]:
    return linked(hr.connection, hr.database, hr.auth, f"{name}@example.com")


@each_fault
def test_a_call_that_was_lost_is_made_again_later(hr: Company, fault: Fault) -> None:
    """It was not carried out, which reading the user again says; that is a failure, until it is due again."""
    hr.server.fail_next(fault, method="PUT")
    hr.write("is_active = false")
    hr.accounts.run_once("relay")
    assert (state(hr)[:2], state(hr)[3]) == (("FAILED", "auth_unavailable"), True)
    assert hr.accounts.run_once("relay").claimed == 0
    hr.pass_time()
    assert hr.accounts.run_once("relay").outcomes == {"disabled": 1}
    assert (hr.is_banned, hr.server.count("PUT"), hr.action["attempts"]) == (True, 2, 2)


@each_fault
def test_a_call_whose_answer_was_lost_is_not_made_again(hr: Company, fault: Fault) -> None:
    """It was carried out, which reading the user again says: that is a success."""
    hr.server.fail_next(fault.after_commit(), method="PUT")
    hr.write("is_active = false")
    assert hr.accounts.run_once("relay").outcomes == {"disabled": 1}
    assert (state(hr)[0], hr.is_banned, hr.server.count("PUT")) == ("SUCCESS", True, 1)


@each_fault
def test_a_new_e_mail_whose_answer_was_lost_is_not_sent_again(hr: Company, fault: Fault) -> None:
    """As with a ban."""
    hr.server.fail_next(fault.after_commit(), method="PUT")
    hr.write(f"email = '{HR}'")
    assert hr.accounts.run_once("relay").outcomes == {"email_updated": 1}
    assert (hr.emails, hr.server.count("PUT")) == ((HR, HR), 1)


@each_fault
def test_where_auth_cannot_be_read_nothing_is_changed(hr: Company, fault: Fault) -> None:
    """And nobody asks again before a pause is over."""
    hr.server.fail(fault)
    hr.write("is_active = false")
    assert hr.accounts.run_once("relay").outcomes == {"auth_unavailable": 1}
    assert (state(hr)[0], state(hr)[3], hr.is_paused, hr.server.count("PUT")) == ("FAILED", True, True, 0)
    hr.server.fail(None)
    hr.pass_time()
    assert hr.accounts.run_once("relay").outcomes == {"disabled": 1}


@each_fault
def test_what_cannot_be_read_back_is_no_success(hr: Company, fault: Fault) -> None:
    """Until it can; and then no second call changes anything."""
    hr.write("is_active = false")
    hr.server.after = lambda call: hr.server.fail_next(fault, method="GET") if call.method == "PUT" else None
    hr.accounts.run_once("relay")
    assert state(hr)[0] == "FAILED"
    hr.pass_time()
    assert hr.accounts.run_once("relay").outcomes == {"unchanged": 1}
    assert (state(hr)[0], hr.server.count("PUT")) == ("SUCCESS", 1)


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("retry_after", ["120", None], ids=["Retry-After", "without a word"])
def test_auth_is_left_alone_while_it_asks_for_that(hr: Company, method: str, retry_after: str | None) -> None:
    """For as long as it says; the action is given back, which is no attempt and no failure."""
    hr.server.fail_next(throttled(retry_after), method=method)
    hr.write("is_active = false")
    ran = hr.accounts.run_once("relay")
    assert (ran.claimed, ran.held) == (1, 1)
    assert (hr.action["status"], hr.action["attempts"], hr.action["lease"]) == ("PENDING", 0, None)
    next_in = hr.accounts.run_once("relay").next_in
    assert next_in is not None
    assert (60 if retry_after else 0) < next_in <= (120 if retry_after else 5)
    called = len(hr.server.calls)
    assert hr.accounts.run_once("relay").claimed == 0
    assert len(hr.server.calls) == called
    fill_bucket(hr.connection)
    assert hr.accounts.run_once("relay").outcomes == {"disabled": 1}
    assert (hr.action["attempts"], failures(hr)) == (1, 0)


def test_somebody_who_waits_is_told_nothing_while_auth_asks_for_a_pause(hr: Company) -> None:
    """It is queued."""
    hr.server.fail_next(throttled("120"))
    hr.write("is_active = false")
    assert hr.accounts.perform_now(hr.action["event_id"], "admin") is None
    assert (hr.action["status"], hr.action["attempts"], hr.is_paused) == ("PENDING", 0, True)


def test_a_key_that_is_refused_is_no_fault_of_the_action(hr: Company) -> None:
    """It is tried again when somebody has set the right one; meanwhile Auth is not asked all the time."""
    hr.server.fail(KEY_REFUSED)
    hr.write("is_active = false")
    hr.accounts.run_once("relay")
    assert state(hr) == ("FAILED", "auth_unavailable", "auth_key_refused", True)
    assert hr.is_paused
    hr.server.fail(None)
    hr.pass_time()
    assert hr.accounts.run_once("relay").outcomes == {"disabled": 1}


def test_what_auth_refuses_is_given_up(hr: Company) -> None:
    """Asking again would not help: an admin is told why."""
    hr.write("email = 'not an@address'")
    assert hr.accounts.run_once("relay").outcomes == {"auth_refused": 1}
    assert state(hr) == ("FAILED", "auth_refused", "auth_refused validation_failed", False)
    assert hr.emails == ("not an@address", JANE)
    assert not hr.is_paused


@pytest.mark.parametrize("email", ["taken@example.com", "Taken@Example.COM"])
def test_a_taken_e_mail_is_given_up_and_the_employee_keeps_it(hr: Company, email: str) -> None:
    """Auth says 500 to it, which is told apart from Auth's trouble: another auth user has that e-mail."""
    hr.auth.admin_create("taken@example.com")
    hr.write(f"email = '{email}'")
    assert hr.accounts.run_once("relay").outcomes == {"email_taken": 1}
    assert state(hr) == ("FAILED", "email_taken", "email_taken", False)
    assert hr.emails == (email, JANE)
    assert (hr.is_paused, hr.server.count("PUT")) == (False, 1)


def test_after_a_taken_e_mail_the_next_one_is_sent(hr: Company) -> None:
    """HR corrects it: what was given up has ended."""
    hr.auth.admin_create("taken@example.com")
    hr.write("email = 'taken@example.com'")
    hr.accounts.run_once("relay")
    hr.write(f"email = '{HR}'")
    assert hr.accounts.run_once("relay").outcomes == {"email_updated": 1}
    assert hr.emails == (HR, HR)
    assert {action["status"] for action in actions(hr.connection)} == {"SUCCESS"}


def test_an_outage_is_waited_out_with_ever_fewer_calls(hr: Company) -> None:
    """A first batch, then one try after each pause; what failed in it and all the rest is done when it is over."""
    colleagues = [colleague(hr, f"colleague{number}") for number in range(20)]
    hr.server.fail(CUT)
    dismiss(hr.connection, *(employee_id for employee_id, _ in colleagues))
    claimed = []
    for _ in range(5):
        fill_bucket(hr.connection)
        claimed.append(hr.accounts.run_once("relay").claimed)
        assert hr.accounts.run_once("relay").claimed == 0
    assert claimed == [8, 1, 1, 1, 1]
    hr.server.fail(None)
    fill_bucket(hr.connection)
    assert hr.accounts.run_once("relay").claimed == 1
    fill_bucket(hr.connection)
    assert perform_all(hr.accounts) == {"disabled": 19}
    assert hr.server.count("PUT") == 20


def poisoned(hr: Company) -> None:
    """All that Auth is asked about Jane breaks it, and she is dismissed."""
    hr.server.fail_next(*[UNEXPECTED] * 100, path=f"/admin/users/{hr.user}")
    hr.write("is_active = false")


def test_one_that_always_fails_does_not_stop_the_others(hr: Company) -> None:
    """Neither with it nor after it; and it is not tried again before its time."""
    others = [colleague(hr, f"colleague{number}")[0] for number in range(3)]
    poisoned(hr)
    dismiss(hr.connection, *others)
    ran = hr.accounts.run_once("relay")
    assert ran.outcomes == {"auth_unavailable": 1, "disabled": 3}
    assert not hr.is_paused
    called = hr.server.count(path=f"/admin/users/{hr.user}")
    hr.write("first_name = 'Jane'")
    assert hr.accounts.run_once("relay").claimed == 0
    assert hr.server.count(path=f"/admin/users/{hr.user}") == called


def test_one_that_always_fails_alone_is_not_tried_all_the_time(hr: Company) -> None:
    """Its failures look like an outage; others are tried as soon as there are any, and that brings it no extra tries
    without end.
    """
    poisoned(hr)
    for _ in range(3):
        make_due(hr.connection)
        fill_bucket(hr.connection)
        hr.accounts.run_once("relay")
    calls = []
    for number in range(6):
        dismiss(hr.connection, colleague(hr, f"colleague{number}")[0])
        fill_bucket(hr.connection)
        before = hr.server.count(path=f"/admin/users/{hr.user}")
        done = hr.accounts.run_once("relay").outcomes
        fill_bucket(hr.connection)
        hr.accounts.run_once("relay")
        calls.append(hr.server.count(path=f"/admin/users/{hr.user}") - before)
        assert done.get("disabled") == 1
    assert sum(calls) <= 2
