"""If Auth fails, an action succeeds, is retried or needs attention, depending on the error."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from tests.auth_faults import BROKEN, CUT, PAGE_500, PAGE_OK, SILENT, TIMED_OUT, UNEXPECTED, Fault, throttled
from tests.integration.captured import make_due
from tests.integration.performing import HR, JANE, Company, company
from tests.integration.requested_actions import actions, dismiss, end_sessions_again, fill_bucket, linked, perform_all

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
TIMEOUT = httpx.Timeout(0.5)

each_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


@pytest.fixture
def hr(database_url: str) -> Iterator[Company]:
    with company(database_url, timeout=TIMEOUT) as hr:
        yield hr


def state(hr: Company) -> tuple[str, str | None, str | None, bool]:
    """Return the newest action's status, outcome and error, and whether the action is due again."""
    found = hr.action
    return found["status"], found["outcome"], found["error_message"], found["next_attempt_at"] is not None


def failures(hr: Company) -> int:
    [found] = hr.connection.execute("select failures from auth_sync_rate").fetchall()
    return int(found["failures"])


def colleague(hr: Company, name: str) -> tuple[int, UUID]:
    return linked(hr.connection, hr.database, hr.auth, f"{name}@example.com")


@each_fault
def test_a_lost_call_is_retried_later(hr: Company, fault: Fault) -> None:
    """A call that Auth did not carry out fails, and is retried when the action is due again."""
    hr.server.fail_next(fault, method="PUT")
    hr.write("is_active = false")
    hr.accounts.run_once("relay")
    assert (state(hr)[:2], state(hr)[3]) == (("FAILED", "auth_unavailable"), True)
    assert hr.accounts.run_once("relay").claimed == 0
    hr.pass_time()
    assert hr.accounts.run_once("relay").outcomes == {"disabled": 1}
    assert (hr.is_banned, hr.server.count("PUT"), hr.action["attempts"]) == (True, 2, 2)


@each_fault
def test_a_call_whose_response_was_lost_is_not_retried(hr: Company, fault: Fault) -> None:
    """An action whose response was lost succeeds without a second call, because the relay reads the user again."""
    hr.server.fail_next(fault.after_commit(), method="PUT")
    hr.write("is_active = false")
    assert hr.accounts.run_once("relay").outcomes == {"disabled": 1}
    end_sessions_again(hr.database)
    assert (state(hr)[0], hr.is_banned, hr.server.count("PUT")) == ("SUCCESS", True, 1)


@each_fault
def test_a_new_e_mail_whose_response_was_lost_is_not_sent_again(hr: Company, fault: Fault) -> None:
    """An e-mail change whose response was lost needs no second call, because the relay reads the user again."""
    hr.server.fail_next(fault.after_commit(), method="PUT")
    hr.write(f"email = '{HR}'")
    assert hr.accounts.run_once("relay").outcomes == {"email_updated": 1}
    assert (hr.emails, hr.server.count("PUT")) == ((HR, HR), 1)


@each_fault
def test_a_late_event_does_not_undo_a_new_e_mail_whose_response_was_lost(hr: Company, fault: Fault) -> None:
    """An event from before an e-mail change, which is applied after it, leaves the new e-mail on both sides."""
    hr.auth.ban(hr.user, datetime.now(UTC) + timedelta(hours=1))
    hr.write(f"email = '{HR}'")
    hr.server.after = lambda call: hr.server.fail_next(fault, method="GET") if call.method == "PUT" else None
    hr.accounts.run_once("relay")
    assert state(hr)[0] == "FAILED"
    hr.pass_time()
    assert hr.accounts.run_once("relay").outcomes == {"unchanged": 1}
    hr.rest()
    assert hr.emails == (HR, HR)


@each_fault
def test_an_action_changes_nothing_if_auth_cannot_be_read(hr: Company, fault: Fault) -> None:
    """If the user cannot be read, an action changes nothing, and a pause follows."""
    hr.server.fail(fault)
    hr.write("is_active = false")
    assert hr.accounts.run_once("relay").outcomes == {"auth_unavailable": 1}
    assert (state(hr)[0], state(hr)[3], hr.is_paused, hr.server.count("PUT")) == ("FAILED", True, True, 0)
    hr.server.fail(None)
    hr.pass_time()
    assert hr.accounts.run_once("relay").outcomes == {"disabled": 1}


@each_fault
def test_a_change_that_cannot_be_read_back_is_not_a_success(hr: Company, fault: Fault) -> None:
    """An action fails if the user cannot be read back. It succeeds at the next read, without a second change."""
    hr.write("is_active = false")
    hr.server.after = lambda call: hr.server.fail_next(fault, method="GET") if call.method == "PUT" else None
    hr.accounts.run_once("relay")
    assert state(hr)[0] == "FAILED"
    hr.pass_time()
    assert hr.accounts.run_once("relay").outcomes == {"unchanged": 1}
    end_sessions_again(hr.database)
    assert (state(hr)[0], hr.server.count("PUT")) == ("SUCCESS", 1)


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("retry_after", ["120", None], ids=["Retry-After", "without a time"])
def test_auth_gets_the_pause_that_it_requests(hr: Company, method: str, retry_after: str | None) -> None:
    """The relay pauses as long as Auth requests, and gives the action back without an attempt or a failure."""
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


def test_an_action_stays_queued_while_auth_requests_a_pause(hr: Company) -> None:
    """`perform_now` leaves the action in the queue if Auth requests a pause."""
    hr.server.fail_next(throttled("120"))
    hr.write("is_active = false")
    assert hr.accounts.perform_now(hr.action["event_id"], "admin") is None
    assert (hr.action["status"], hr.action["attempts"], hr.is_paused) == ("PENDING", 0, True)


def test_an_action_is_retried_after_a_refused_key(hr: Company) -> None:
    """An action is retried, with pauses, as long as Auth refuses the API key."""
    hr.server.fail(KEY_REFUSED)
    hr.write("is_active = false")
    hr.accounts.run_once("relay")
    assert state(hr) == ("FAILED", "auth_unavailable", "auth_key_refused", True)
    assert hr.is_paused
    hr.server.fail(None)
    hr.pass_time()
    assert hr.accounts.run_once("relay").outcomes == {"disabled": 1}


def test_an_action_that_auth_refuses_needs_attention(hr: Company) -> None:
    """An action that Auth refuses needs attention, and the ledger records the reason."""
    hr.write("email = 'not an@address'")
    assert hr.accounts.run_once("relay").outcomes == {"auth_refused": 1}
    assert state(hr) == ("FAILED", "auth_refused", "auth_refused validation_failed", False)
    assert hr.emails == ("not an@address", JANE)
    assert not hr.is_paused


@pytest.mark.parametrize("email", ["taken@example.com", "Taken@Example.COM"])
def test_a_taken_e_mail_needs_attention_and_the_employee_keeps_it(hr: Company, email: str) -> None:
    """An e-mail change to a taken e-mail needs attention, and the employee keeps the e-mail.

    Auth answers 500 to a taken e-mail. The relay distinguishes it from an outage, because another auth user has the
    e-mail.
    """
    hr.auth.admin_create("taken@example.com")
    hr.write(f"email = '{email}'")
    assert hr.accounts.run_once("relay").outcomes == {"email_taken": 1}
    assert state(hr) == ("FAILED", "email_taken", "email_taken", False)
    assert hr.emails == (email, JANE)
    assert (hr.is_paused, hr.server.count("PUT")) == (False, 1)


def test_after_a_taken_e_mail_the_next_e_mail_is_sent(hr: Company) -> None:
    """After an e-mail change failed for a taken e-mail, a corrected e-mail is sent and ends the failed action."""
    hr.auth.admin_create("taken@example.com")
    hr.write("email = 'taken@example.com'")
    hr.accounts.run_once("relay")
    hr.write(f"email = '{HR}'")
    assert hr.accounts.run_once("relay").outcomes == {"email_updated": 1}
    assert hr.emails == (HR, HR)
    assert {action["status"] for action in actions(hr.connection)} == {"SUCCESS"}


def test_an_outage_costs_one_attempt_per_pause(hr: Company) -> None:
    """An outage costs one batch and then one attempt per pause. All actions are performed after the outage."""
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


def break_calls_about_jane(hr: Company) -> None:
    """Dismiss Jane, and let every call about her break Auth."""
    hr.server.fail_next(*[UNEXPECTED] * 100, path=f"/admin/users/{hr.user}")
    hr.write("is_active = false")


def test_an_action_that_always_fails_does_not_stop_other_actions(hr: Company) -> None:
    """An action that always fails does not stop other actions, and is not retried early."""
    others = [colleague(hr, f"colleague{number}")[0] for number in range(3)]
    break_calls_about_jane(hr)
    dismiss(hr.connection, *others)
    ran = hr.accounts.run_once("relay")
    assert ran.outcomes == {"auth_unavailable": 1, "disabled": 3}
    assert not hr.is_paused
    called = hr.server.count(path=f"/admin/users/{hr.user}")
    hr.write("first_name = 'Jane'")
    assert hr.accounts.run_once("relay").claimed == 0
    assert hr.server.count(path=f"/admin/users/{hr.user}") == called


def test_an_action_that_always_fails_gets_no_extra_attempts(hr: Company) -> None:
    """An action that always fails gets no extra attempts when other actions arrive.

    If it is the only action, its failures count as an outage. A new action is therefore tried at once.
    """
    break_calls_about_jane(hr)
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
