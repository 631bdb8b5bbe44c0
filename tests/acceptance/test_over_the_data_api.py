"""Whole trips in both directions with SUPABASE_URL alone: the real commands over a double of a Supabase project.

The double calls as `authenticator` with Supabase's settings, and refuses what safeupdate refuses.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.acceptance.command import Run, run_command, settings_for
from tests.acceptance.conftest import Post, Server, StartServer, deliver, wait_for
from tests.acceptance.provisioning import Desk
from tests.auth_faults import AuthServer
from tests.auth_stand_in import Auth
from tests.auth_traffic import CONFIRMED, JANE, insert
from tests.conftest import ADMIN_KEY
from tests.data_api_server import supabase_project
from tests.employees import Connection, employee, hire
from tests.integration.bulk_replaying import fail_many, linked_employees
from tests.integration.capturing import auth_on
from tests.integration.provisioning import hire_many
from tests.integration.requested_actions import actions
from webhook_service.ports import Database

EMAIL = "jane@example.com"


@pytest.fixture
def project(database_url: str) -> Iterator[AuthServer]:
    with supabase_project(database_url, keep_passwords=True) as project:
        yield project


@pytest.fixture
def auth(database_url: str) -> Iterator[Auth]:
    with auth_on(database_url) as auth:
        yield auth


@pytest.fixture
def data_api(project: AuthServer) -> dict[str, str]:
    """Settings that use the Data API, because DATABASE_URL is not set."""
    return {"DATABASE_URL": "", "SUPABASE_URL": project.url, "SUPABASE_SERVICE_ROLE_KEY": project.key}


@pytest.fixture
def run(database_url: str, data_api: dict[str, str], tmp_path: Path) -> Run:
    """Run the command over the Data API -> exit code, standard output, standard error."""

    def over_the_data_api(*arguments: str, **settings: str) -> tuple[int, str, str]:
        return run_command(*arguments, environment=settings_for("") | data_api | settings, folder=tmp_path)

    return over_the_data_api


@pytest.fixture
def server(start_server: StartServer, data_api: dict[str, str]) -> Server:
    """A server with a relay, over the Data API."""
    return start_server(**data_api)


def admin(server: Server, method: str, path: str, **body: Any) -> Any:
    """Call the admin API, and return the JSON of its response."""
    key = {"Authorization": f"Bearer {ADMIN_KEY}"}
    answer = httpx.request(method, f"{server.url}/admin/api{path}", json=body or None, headers=key)
    assert answer.is_success, answer.text
    return answer.json()


def is_banned(connection: Connection, user: UUID) -> bool:
    return connection.execute("select from auth.users where id = %s and banned_until > now()", [user]).rowcount == 1


def linked_to(connection: Connection, employee_id: int) -> Callable[[], UUID | None]:
    return lambda: employee(connection, employee_id)["auth_user_id"]


def test_a_webhook_reaches_employees(
    start_server: StartServer, data_api: dict[str, str], connection: Connection
) -> None:
    """A delivery is applied by the web process alone."""
    jane = hire(connection, EMAIL)
    server = start_server(RELAY="off", **data_api)
    [answer] = deliver(server.url, [Post("evt-1", insert(email=EMAIL, email_confirmed_at=CONFIRMED))])
    assert (answer.status, answer.outcome) == (200, "linked")
    assert employee(connection, jane)["auth_user_id"] == JANE


def test_a_dismissed_employee_cannot_sign_in(server: Server, connection: Connection, auth: Auth) -> None:
    """The relay links a sign-up, bans the login when the employee is dismissed, and lifts the ban when rehired."""
    jane = hire(connection, EMAIL)
    user = auth.admin_create(EMAIL)
    wait_for("the link", linked_to(connection, jane))
    for is_active, outcome in ((False, "disabled"), (True, "enabled")):
        connection.execute("update employees set is_active = %s where employee_id = %s", [is_active, jane])
        wait_for(f"the action: {outcome}", lambda: outcome_now(connection))
        assert (actions(connection)[-1]["status"], actions(connection)[-1]["outcome"]) == ("SUCCESS", outcome)
        assert is_banned(connection, user) is not is_active
    dismissed = admin(server, "PATCH", f"/employees/{jane}", is_active=False)
    assert dismissed["is_active"] is False
    wait_for("the ban", lambda: is_banned(connection, user))  # a relay may have claimed the action first
    assert "relay pass failed" not in server.log()


def outcome_now(connection: Connection) -> str | None:
    """Return the newest action's outcome, without waiting until the sessions of a banned login end a second time."""
    connection.execute("update auth_sync_session_ends set due_at = now()")
    outcome: str | None = actions(connection)[-1]["outcome"]
    return outcome


def test_an_employee_is_created_with_a_login(server: Server, connection: Connection, auth: Auth) -> None:
    """One call creates the employee and the login."""
    created = admin(server, "POST", "/employees", email=EMAIL, first_name="Jane")
    user = auth.users.with_email(EMAIL)
    assert user is not None
    assert employee(connection, created["employee_id"])["auth_user_id"] == user["id"]


def test_a_bulk_replay_ends(server: Server, connection: Connection, database: Database) -> None:
    """The relay replays all events that match a filter."""
    fail_many(connection, database, 60)
    admin(server, "POST", "/replays", filter={"status": "FAILED"}, dry_run=False)
    wait_for("the end of the replay", lambda: linked_employees(connection) == 60)


def test_relay_once(run: Run, connection: Connection, auth: Auth) -> None:
    """`relay --once` applies the events and performs the actions that are due, and says how many."""
    jane = hire(connection, EMAIL, is_active=False)
    user = auth.admin_create(EMAIL)
    assert run("relay", "--once", AUTH_RATE="1000") == (0, "1 events were due, and 1 actions.\n", "")
    assert employee(connection, jane)["auth_user_id"] == user
    assert is_banned(connection, user)


def test_provision(
    data_api: dict[str, str], project: AuthServer, database_url: str, connection: Connection, tmp_path: Path
) -> None:
    """`provision` creates a login for each employee."""
    hire_many(connection, 5)
    desk = Desk(tmp_path, database_url, connection, project)
    code, _, errors = desk.run("--yes", **data_api)
    assert (code, errors) == (0, "")
    desk.assert_each_once(5)


def test_reconcile_replay_and_doctor(run: Run, connection: Connection, auth: Auth, database: Database) -> None:
    """`reconcile` links users from before the installation, `replay` applies a failed event, `doctor` finds nothing."""
    connection.execute("alter table auth.users disable trigger auth_sync_capture")
    jane = hire(connection, EMAIL)
    user = auth.admin_create(EMAIL)
    connection.execute("alter table auth.users enable trigger auth_sync_capture")
    assert run("reconcile")[0] == 0
    assert employee(connection, jane)["auth_user_id"] == user
    fail_many(connection, database, 1)
    code, output, errors = run("replay", "--status", "FAILED", "--yes")
    assert (code, errors, linked_employees(connection)) == (0, "", 2)
    assert run("relay", "--once")[0] == 0
    code, output, errors = run("doctor", "--json")
    findings = {finding["check"]: finding["level"] for finding in json.loads(output)}
    assert [check for check, level in findings.items() if level == "wrong"] == ["drift"]  # the user is in no auth.users
    assert (findings["auth"], findings["actions"], findings["relay"]) == ("ok", "ok", "ok")


def test_a_failing_loop_is_named(
    start_server: StartServer, data_api: dict[str, str], run: Run, connection: Connection
) -> None:
    """If safeupdate refuses what the loop for actions calls, /readyz and `doctor` name the loop and the reason."""
    unsafe = "create or replace function public.auth_sync_claim_actions_v1(p_relay text, p_limit integer,"
    unsafe += " p_lease_seconds integer, p_rate numeric) returns jsonb language plpgsql security definer as $$"
    unsafe += " begin update public.auth_sync_rate set tokens = 0; return null; end $$"
    connection.execute(unsafe.encode())
    server = start_server(WEB_CONCURRENCY="1", **data_api)

    def failing() -> Any:
        return httpx.get(f"{server.url}/readyz").json()["failing_loops"]

    [loop] = wait_for("the loop is named", failing)
    assert (loop["loop"], loop["detail"]) == ("actions", "The database refused the call (21000).")
    code, output, _ = run("doctor", "--json")
    [finding] = [finding for finding in json.loads(output) if finding["check"] == "loops"]
    assert (code, finding["level"]) == (1, "wrong")
    assert finding["says"].startswith("The loop `actions` has failed for ")
