"""The relay performs actions in Auth, and counts one as SUCCESS only when Auth confirms it."""

from collections.abc import Iterator

import pytest

from tests.auth_faults import Call
from tests.integration.auth_actions import BAN_END
from tests.integration.captured import end_leases, relay_all
from tests.integration.migrating import execute
from tests.integration.performing import Company, company
from tests.integration.requested_actions import (
    DISABLE,
    ENABLE,
    actions,
    end_sessions_again,
    outcomes,
    requested_operations,
)
from webhook_service.errors import Unavailable
from webhook_service.events import ActionOutcome


@pytest.fixture
def hr(database_url: str) -> Iterator[Company]:
    with company(database_url) as hr:
        yield hr


def once(hr: Company, method: str, does: object, *, number: int = 1) -> None:
    """Call `does` just before Auth carries out the call with this number, counted among the calls of the method."""
    seen = 0

    def before(call: Call) -> None:
        nonlocal seen
        seen += call.method == method
        if call.method == method and seen == number:
            assert callable(does)
            does()

    hr.server.before = before


def test_a_dismissed_employee_cannot_sign_in(hr: Company) -> None:
    """The ban of a dismissed employee lasts a hundred years, and takes one call that changes and two that read."""
    hr.write("is_active = false")
    assert hr.accounts.run_once("relay").outcomes == {"disabled": 1}
    assert hr.is_banned
    assert [(call.method, dict(call.body)) for call in hr.server.calls] == [
        ("GET", {}),
        ("PUT", {"ban_duration": "876000h"}),
        ("GET", {}),
    ]
    end_sessions_again(hr.database)
    assert (hr.action["status"], hr.action["outcome"], hr.action["attempts"]) == ("SUCCESS", "disabled", 1)


def test_an_activated_employee_can_sign_in(hr: Company) -> None:
    """A banned employee who is activated can sign in, even if an admin set the ban."""
    hr.write("is_active = false")
    hr.rest()
    hr.write("is_active = true")
    assert hr.accounts.run_once("relay").outcomes == {"enabled": 1}
    assert not hr.is_banned


def test_the_events_of_our_own_calls_change_nothing(hr: Company) -> None:
    """The events that follow a ban, its end and a new e-mail end as unchanged, and request no action."""
    for assignment in ("is_active = false", "is_active = true", "email = 'smith@example.com'"):
        hr.write(assignment)
        hr.accounts.run_once("relay")
        entered = len(actions(hr.connection))
        assert set(relay_all(hr.database)) == {"unchanged"}
        assert len(actions(hr.connection)) == entered
    assert hr.accounts.run_once("relay").claimed == 0


def test_several_quick_changes_make_one_call(hr: Company) -> None:
    """The relay performs only the last of several quick changes."""
    for value in ("false", "true", "false"):
        hr.write(f"is_active = {value}")
    hr.rest()
    assert hr.is_banned
    assert hr.server.count("PUT") == 1
    assert [outcome for _, _, outcome in outcomes(hr.connection)] == ["stale", "stale", "disabled"]


def test_the_last_state_of_the_employee_counts(hr: Company) -> None:
    """An employee who is activated while the ban is performed ends as active on both sides."""
    hr.write("is_active = false")
    once(hr, "PUT", lambda: hr.write("is_active = true"))
    hr.rest()
    assert not hr.is_banned
    assert [outcome for _, _, outcome in outcomes(hr.connection)] == ["disabled", "enabled"]


def test_both_actions_of_one_statement_are_performed(hr: Company) -> None:
    """A dismissal and a new e-mail in one statement are performed one after the other."""
    hr.write("is_active = false, email = 'former-jane@example.com'")
    hr.rest()
    assert hr.is_banned
    assert hr.emails == ("former-jane@example.com", "former-jane@example.com")


def test_sessions_end_before_a_ban_is_a_success(hr: Company) -> None:
    """A dismissed employee's sessions have ended when the ban is read back, and the ledger records their number."""
    hr.auth.sign_in(hr.user)
    hr.auth.sign_in(hr.user)
    left: list[int] = []
    once(hr, "GET", lambda: left.append(hr.sessions), number=2)
    hr.write("is_active = false")
    hr.accounts.run_once("relay")
    assert left == [0]
    end_sessions_again(hr.database)
    assert (hr.action["status"], hr.action["changes"]) == ("SUCCESS", {"sessions_ended": 2})


def test_a_dismissal_ends_the_sessions_of_a_banned_user(hr: Company) -> None:
    """A dismissal ends the sessions of a user who is already banned, without a call that changes the user.

    A ban by an admin in Supabase ends no session.
    """
    hr.auth.sign_in(hr.user)
    hr.auth.ban(hr.user, BAN_END)
    hr.write("is_active = false")
    assert hr.accounts.run_once("relay").outcomes == {"unchanged": 1}
    assert (hr.sessions, hr.server.count("PUT")) == (0, 0)


def test_an_action_whose_sessions_cannot_be_ended_is_not_a_success(hr: Company) -> None:
    """An action whose sessions cannot be ended is performed later, without a second call that changes the user.

    Another transaction holds the lock of the sessions table.
    """
    hr.auth.sign_in(hr.user)
    hr.write("is_active = false")
    with hr.connection.transaction():
        hr.connection.execute("lock table auth.sessions in access exclusive mode")
        with pytest.raises(Unavailable):
            hr.accounts.run_once("relay")
    assert (hr.action["status"], hr.sessions) == ("PENDING", 1)
    hr.pass_time()
    assert hr.accounts.run_once("other").outcomes == {"unchanged": 1}
    assert (hr.sessions, hr.server.count("PUT")) == (0, 1)


def test_without_a_table_of_sessions_no_ended_session_is_recorded(database_url: str, hr: Company) -> None:
    """An action records no ended sessions if Auth's tables are in another database."""
    execute(database_url, "alter table auth.sessions rename to hidden")
    hr.write("is_active = false")
    hr.accounts.run_once("relay")
    execute(database_url, "alter table auth.hidden rename to sessions")
    assert (hr.action["status"], hr.action["changes"]) == ("SUCCESS", {"sessions_ended": None})


@pytest.mark.parametrize("assignment", ["is_active = false", "email = 'smith@example.com'"])
def test_a_change_that_auth_does_not_keep_is_not_a_success(hr: Company, assignment: str) -> None:
    """An action fails and is retried if Auth accepts the change but does not keep it."""
    hr.write(assignment)

    def after(call: Call) -> None:
        if call.method == "PUT":
            hr.auth.unban(hr.user)
            hr.auth.admin_change_email(hr.user, "jane@example.com", confirmed=True)

    hr.server.after = after
    assert hr.accounts.run_once("relay").outcomes == {"not_performed": 1}
    assert (hr.action["status"], hr.action["error_message"]) == ("FAILED", "auth_did_not_keep_it")
    assert hr.action["next_attempt_at"] is not None
    hr.server.after = None
    hr.pass_time()
    hr.rest()
    assert hr.action["status"] == "SUCCESS"
    assert hr.is_banned is (assignment == "is_active = false")


@pytest.mark.parametrize("soft", [True, False], ids=["soft", "hard"])
@pytest.mark.parametrize("when", ["before it is read", "before it is changed"])
def test_a_deleted_auth_user_cannot_sign_in(hr: Company, soft: bool, when: str) -> None:
    """Disabling a deleted auth user succeeds. Enabling it fails and is not retried."""
    once(hr, "GET" if when == "before it is read" else "PUT", lambda: delete(hr, soft=soft))
    hr.write("is_active = false")
    assert hr.accounts.run_once("relay").outcomes == {"gone": 1}
    assert hr.action["status"] == "SUCCESS"
    hr.write("is_active = true")
    assert hr.accounts.run_once("relay").outcomes == {"user_not_found": 1}
    assert (hr.action["operation"], hr.action["status"], hr.action["next_attempt_at"]) == (ENABLE, "FAILED", None)


def delete(hr: Company, *, soft: bool) -> None:
    (hr.auth.soft_delete if soft else hr.auth.hard_delete)(hr.user)


def test_a_slow_relay_changes_nothing_after_its_lease(hr: Company) -> None:
    """The result of a relay does not count if its lease ended while Auth was slow.

    Another relay claims the action and performs it.
    """

    def follow() -> None:
        end_leases(hr.connection)
        with hr.other_relay() as other:
            assert other.run_once("second").outcomes == {"disabled": 1}

    once(hr, "PUT", follow)
    hr.write("is_active = false")
    ran = hr.accounts.run_once("first")
    assert (ran.claimed, ran.held, dict(ran.outcomes)) == (1, 1, {})
    assert hr.is_banned
    end_sessions_again(hr.database)
    assert (hr.action["status"], hr.action["outcome"], hr.action["attempts"]) == ("SUCCESS", "disabled", 1)


def test_a_slow_relay_does_not_undo_a_newer_action(hr: Company) -> None:
    """A relay that hangs before a ban does not undo a newer activation by another relay."""

    def follow() -> None:
        end_leases(hr.connection)
        hr.write("is_active = true")
        with hr.other_relay() as other:
            other.run_once("second")

    once(hr, "PUT", follow)
    hr.write("is_active = false")
    hr.accounts.run_once("first")
    hr.rest()
    assert not hr.is_banned


def test_the_ledger_fails_after_auth_made_the_change(database_url: str, hr: Company) -> None:
    """If a result is lost, the next relay reads that Auth made the change, and changes nothing."""
    hr.write("is_active = false")
    once(hr, "GET", lambda: execute(database_url, "alter table auth_user_state rename to hidden"), number=2)
    with pytest.raises(Unavailable):
        hr.accounts.run_once("relay")
    execute(database_url, "alter table hidden rename to auth_user_state")
    assert hr.action["status"] == "PENDING"
    hr.pass_time()
    assert hr.accounts.run_once("other").outcomes == {"unchanged": 1}
    assert hr.server.count("PUT") == 1


def test_an_action_is_performed_now_despite_the_rate(hr: Company) -> None:
    """`perform_now` ignores the rate. It returns None if the action has succeeded or is being performed."""
    hr.write("is_active = false")
    hr.connection.execute("update auth_sync_rate set tokens = -60, refilled_at = clock_timestamp()")
    assert hr.accounts.run_once("relay").claimed == 0
    performed = hr.accounts.perform_now(hr.action["event_id"], "admin")
    assert performed is not None
    assert (performed.outcome, performed.error) == (ActionOutcome.DISABLED, None)
    assert hr.accounts.perform_now(hr.action["event_id"], "admin") is None
    assert requested_operations(hr.connection) == [DISABLE]
