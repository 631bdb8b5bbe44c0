"""A sign-in that is under way when a ban is set leaves no session that works after the ban."""

from collections.abc import Iterator

import httpx
import pytest
from werkzeug.security import generate_password_hash

from tests.integration.auth_actions import BAN_END
from tests.integration.captured import relay_all
from tests.integration.migrating import execute
from tests.integration.performing import JANE, Company, company
from tests.integration.requested_actions import DISABLE, ENABLE, end_sessions_again, outcomes
from webhook_service.errors import Unavailable
from webhook_service.ledger import employees
from webhook_service.ledger.standing import standing_of

PASSWORD = "correct horse battery"  # noqa: S105


@pytest.fixture
def hr(database_url: str) -> Iterator[Company]:
    with company(database_url) as hr:
        yield hr


def make_endings_due(hr: Company) -> None:
    """Let the twelve seconds pass after each ban."""
    hr.connection.execute("update auth_sync_session_ends set due_at = now()")
    hr.connection.execute("update integration_sync_log set next_attempt_at = now() where status = 'PENDING'")


def sign_in_during_the_ban(hr: Company) -> None:
    """Ban Jane while her sign-in is under way. It leaves a session, as in Auth."""
    hr.connection.execute("update auth.users set encrypted_password = %s", [generate_password_hash(PASSWORD)])
    hr.write("is_active = false")
    hr.server.during_sign_in = lambda: hr.accounts.run_once("relay")
    response = httpx.post(
        f"{hr.server.url}/auth/v1/token?grant_type=password",
        json={"email": JANE, "password": PASSWORD},
        headers={"apikey": hr.server.key},
    )
    assert (response.status_code, hr.is_banned, hr.sessions) == (200, True, 1)


def test_a_session_of_the_ban_ends_twelve_seconds_later(hr: Company) -> None:
    """The action is PENDING until the sessions have ended again. The next claim does this without a call to Auth."""
    sign_in_during_the_ban(hr)
    waiting = hr.action
    assert (waiting["status"], waiting["outcome"], waiting["attempts"]) == ("PENDING", None, 1)
    assert waiting["changes"].keys() == {"sessions_ended", "sessions_end_again_at", "outcome"}
    assert hr.accounts.run_once("relay").claimed == 0
    assert (hr.action["status"], hr.sessions) == ("PENDING", 1)
    calls = len(hr.server.calls)
    make_endings_due(hr)
    assert hr.accounts.run_once("relay").claimed == 0
    assert (hr.action["status"], hr.action["outcome"], hr.sessions) == ("SUCCESS", "disabled", 0)
    assert hr.action["changes"] == {"sessions_ended": 1}
    assert len(hr.server.calls) == calls


def title_of(hr: Company) -> str:
    return standing_of(employees.person(hr.database, hr.jane), is_compared=True).title


def test_a_confirmed_ban_is_known_before_its_event_is_applied(hr: Company) -> None:
    """The employee's page does not say that the login works after Auth has confirmed the ban. If Auth then lifts the
    ban, and this is applied, the page says so.
    """
    relay_all(hr.database)
    sign_in_during_the_ban(hr)
    assert title_of(hr) == "Deactivated"
    hr.connection.execute("update auth.users set banned_until = null")
    relay_all(hr.database)
    assert title_of(hr) == "Can still sign in"


def test_the_wait_is_longer_than_a_request_of_auth(hr: Company) -> None:
    """The sessions end again after Auth has ended each request that was under way, which takes ten seconds."""
    hr.write("is_active = false")
    hr.accounts.run_once("relay")
    assert 10 < (hr.accounts.run_once("relay").next_in or 0) <= 12


def test_lifting_a_ban_ends_sessions_first(hr: Company) -> None:
    """A quick activation ends the sessions before it lifts the ban, and the ban's action ends as disabled."""
    sign_in_during_the_ban(hr)
    hr.write("is_active = true")
    left: list[int] = []
    hr.server.before = lambda call: left.append(hr.sessions) if call.method == "PUT" else None
    assert hr.accounts.run_once("relay").outcomes == {"enabled": 1}
    assert (left, hr.sessions, hr.is_banned) == ([0], 0, False)
    assert outcomes(hr.connection) == [(DISABLE, "SUCCESS", "disabled"), (ENABLE, "SUCCESS", "enabled")]
    hr.auth.sign_in(hr.user)
    make_endings_due(hr)
    hr.accounts.run_once("relay")
    assert hr.sessions == 1


def test_an_activation_without_a_ban_keeps_the_sessions(hr: Company) -> None:
    """An enable action for a user who is not banned ends no session."""
    hr.write("is_active = false")
    hr.write("is_active = true")
    hr.auth.sign_in(hr.user)
    assert hr.accounts.run_once("relay").outcomes == {"unchanged": 1}
    assert hr.sessions == 1


def test_a_user_who_was_banned_already_is_treated_alike(hr: Company) -> None:
    """The sessions of a user who was banned in Auth end twice, too."""
    hr.auth.ban(hr.user, BAN_END)
    hr.write("is_active = false")
    assert hr.accounts.run_once("relay").outcomes == {"unchanged": 1}
    hr.auth.sign_in(hr.user)
    assert hr.action["status"] == "PENDING"
    assert end_sessions_again(hr.database) == 1
    assert (hr.action["outcome"], hr.sessions) == ("unchanged", 0)


def test_a_relay_may_perform_the_action_instead(hr: Company) -> None:
    """If the sessions were locked at the claim, a relay performs the whole action, which then ends as SUCCESS."""
    sign_in_during_the_ban(hr)
    make_endings_due(hr)
    with hr.connection.transaction():
        hr.connection.execute("lock table auth.sessions in access exclusive mode")
        with pytest.raises(Unavailable):
            hr.accounts.run_once("relay")
    assert (hr.action["status"], hr.sessions) == ("PENDING", 1)
    hr.pass_time()
    hr.accounts.run_once("other")
    assert (hr.action["status"], hr.action["outcome"], hr.sessions) == ("SUCCESS", "disabled", 0)


def test_the_end_of_sessions_takes_no_token(hr: Company) -> None:
    """The second end of the sessions takes no token of the rate, so a bulk of bans is not slower."""
    sign_in_during_the_ban(hr)
    make_endings_due(hr)
    hr.connection.execute("update auth_sync_rate set tokens = -1000000, refilled_at = clock_timestamp()")
    hr.accounts.run_once("relay")
    assert (hr.action["status"], hr.sessions) == ("SUCCESS", 0)
    left = hr.connection.execute("select tokens < -900000 as is_empty from auth_sync_rate").fetchall()
    assert left == [{"is_empty": True}]


def test_a_waiting_ban_is_not_performed_at_once(hr: Company) -> None:
    """A ban that waits for the second end of the sessions is not performed by a replay."""
    hr.write("is_active = false")
    hr.accounts.run_once("relay")
    assert hr.accounts.perform_now(hr.action["event_id"], "admin") is None


def test_without_a_table_of_sessions_the_ban_is_a_success_at_once(database_url: str, hr: Company) -> None:
    """If Auth's tables are in another database, the sessions cannot end, and the action does not wait."""
    execute(database_url, "alter table auth.sessions rename to hidden")
    hr.write("is_active = false")
    hr.accounts.run_once("relay")
    execute(database_url, "alter table auth.hidden rename to sessions")
    assert hr.action["status"] == "SUCCESS"


def test_a_ban_that_is_lifted_before_the_sessions_end_again_is_set_again(hr: Company) -> None:
    """An admin of Auth who lifts the ban within the twelve seconds does not leave the login usable."""
    hr.write("is_active = false")
    hr.accounts.run_once("relay")
    assert (hr.action["status"], hr.is_banned) == ("PENDING", True)
    hr.auth.unban(hr.user)
    relay_all(hr.database)
    hr.accounts.run_once("relay")
    assert hr.is_banned
