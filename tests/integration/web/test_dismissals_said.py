"""The pages say whether a dismissed employee can still sign in, and why."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask

from tests.auth_faults import CUT, AuthServer
from tests.auth_traffic import JANE
from tests.employees import Connection, hire
from tests.integration.captured import end_leases, make_due, relay_all
from tests.integration.capturing import auth_on
from tests.integration.hiring import end_pause
from tests.integration.signing_in import Browser, pages, pages_with_auth
from webhook_service.auth.local import LocalAuthAdmin
from webhook_service.events import Json
from webhook_service.ledger import comparison
from webhook_service.outbound.accounts import Accounts
from webhook_service.policy import EmailOwner, Policy
from webhook_service.ports import Database
from webhook_service.settings import Settings

STILL = "Deactivated, but <strong>the login still works</strong>"


def sign_up(database_url: str, connection: Connection, database: Database) -> int:
    """Hire Jane with a login, compare, and let a relay run. Return the employee's id."""
    jane = hire(connection, "jane@example.com", first_name="Jane", last_name="Doe")
    with auth_on(database_url) as auth:
        auth.admin_create("jane@example.com", id=JANE)
    relay_all(database)
    comparison.compare(database, Policy(), requested_by="Kim")
    connection.execute("insert into auth_sync_relays (relay) values ('r')")
    return jane


@pytest.fixture
def jane(database_url: str, connection: Connection, database: Database) -> int:
    return sign_up(database_url, connection, database)


@pytest.fixture
def with_auth(settings: Settings) -> Iterator[tuple[Browser, AuthServer, Flask]]:
    with pages_with_auth(settings) as (app, auth):
        browser = Browser(app)
        browser.signs_in()
        yield browser, auth, app


def relay_of(app: Flask) -> Accounts:
    accounts = app.extensions["accounts"]
    assert isinstance(accounts, Accounts)
    return accounts


def test_a_dismissal_without_auth_says_that_the_login_works(
    with_auth: tuple[Browser, AuthServer, Flask], connection: Connection, database: Database, jane: int
) -> None:
    """While Auth is away, a dismissal is amber, and the overview and the employee's page say that it waits for Auth.

    After the outage, they say that the login is banned.
    """
    browser, auth, app = with_auth
    assert "In sync" in browser.get(f"/admin/employees/{jane}").text
    auth.fail(CUT)
    browser.sends(f"/admin/employees/{jane}/active", is_active="false")
    text = browser.get(f"/admin/employees/{jane}").text
    assert f'<div class="alert alert-warning" role="status">{STILL}: Supabase does not answer. It is retried.' in text
    text = browser.get(f"/admin/employees/{jane}").text
    assert f"{STILL}: Supabase does not answer. It is retried." in text.replace(", but <", ", but <")
    assert "In sync" not in text
    overview = browser.get("/admin/auth-sync").text
    assert "Supabase does not answer. This has lasted for" in overview
    assert "1 login change waits" in overview
    assert "Nothing waits" not in overview
    assert "can still sign in" in overview
    assert "All in sync" not in overview
    listed = browser.get("/admin/events?open=true&direction=outbound").text
    assert "Ban the login" in listed

    auth.fail(None)
    for _ in range(2):
        end_leases(connection)
        make_due(connection)
        end_pause(connection)
        relay_of(app).run_once("relay")
    relay_all(database)
    text = browser.get(f"/admin/employees/{jane}").text
    assert "The employee is inactive, and the login is banned." in text
    assert "In sync" not in text
    overview = browser.get("/admin/auth-sync").text
    assert "It answers." in overview
    assert "can still sign in" not in overview


def test_a_refused_key_is_named(
    with_auth: tuple[Browser, AuthServer, Flask], connection: Connection, jane: int
) -> None:
    """If Supabase refuses the key of the service, the overview says that."""
    browser, _, app = with_auth
    database = relay_of(app).database
    database.call("auth_sync_note_auth_v1", p_error="auth_key_refused")
    assert "Supabase refuses the key of this service. This has lasted for" in browser.get("/admin/auth-sync").text
    connection.execute("update employees set is_active = false where employee_id = %s", [jane])
    text = browser.get(f"/admin/employees/{jane}").text
    assert f"{STILL}: Supabase refuses the key of this service. It is retried." in text
    database.call("auth_sync_note_auth_v1", p_error=None)
    assert "It answers." in browser.get("/admin/auth-sync").text


def test_a_dismissal_without_an_auth_admin_says_so(site: Flask, jane: int) -> None:
    """If no Auth Admin API is configured, a dismissal says that the login still works, and why."""
    browser = Browser(site)
    browser.signs_in()
    browser.sends(f"/admin/employees/{jane}/active", is_active="false")
    text = browser.get(f"/admin/employees/{jane}").text
    assert f"{STILL}: the Auth Admin API is not configured." in text
    assert "Not configured, so 1 login change will not be made." in browser.get("/admin/auth-sync").text


def test_a_banned_login_is_not_in_sync(
    settings: Settings, database_url: str, connection: Connection, database: Database, jane: int
) -> None:
    """The page of an active employee whose login an admin banned in Supabase says so, in the list too."""
    with auth_on(database_url) as auth:
        auth.ban(JANE, datetime(2100, 1, 1, tzinfo=UTC))
    connection.execute("delete from auth_sync_relays")
    connection.execute("insert into auth_sync_relays (relay) values ('r')")
    relay_all(database)
    with pages(settings) as app:
        browser = Browser(app)
        browser.signs_in()
        text = browser.get(f"/admin/employees/{jane}").text
        assert "Active, but <strong>the login is banned</strong> by an admin in Supabase." in text
        assert "In sync" not in text
        assert '<span class="tag tag-waiting">Banned</span>' in browser.get("/admin/employees").text


def test_an_employee_whose_ban_is_not_requested_can_be_banned(site: Flask, connection: Connection, jane: int) -> None:
    """If no ban is under way for an inactive employee, the page says so, and offers to ban the login."""
    connection.execute("alter table employees disable trigger user")
    connection.execute("update employees set is_active = false where employee_id = %s", [jane])
    connection.execute("alter table employees enable trigger user")
    browser = Browser(site)
    browser.signs_in()
    text = browser.get(f"/admin/employees/{jane}").text
    assert f"{STILL}: no ban is under way." in text
    assert "Ban this login" in text
    browser.sends(f"/admin/employees/{jane}/active", is_active="false")
    assert f"{STILL}: the change is requested" in browser.get(f"/admin/employees/{jane}").text


def auth_of(database: Database) -> Json:
    return database.call("auth_sync_auth_v1")


def test_all_processes_share_the_state_of_auth(
    database: Database, connection: Connection, database_url: str, jane: int
) -> None:
    """An action that a relay performs records that Auth answered, and a failed one since when Auth is away."""
    assert auth_of(database)["answered_seconds"] is None
    connection.execute("update employees set is_active = false where employee_id = %s", [jane])
    assert auth_of(database)["waiting"] == 1
    Accounts(database, LocalAuthAdmin(database_url), EmailOwner.AUTH, 5, lambda: datetime.now(UTC)).run_once("relay")
    assert auth_of(database)["answered_seconds"] is not None
    assert auth_of(database)["waiting"] == 0
    database.call("auth_sync_note_auth_v1", p_error="auth_unreachable")
    connection.execute("update auth_sync_rate set failing_since = failing_since - interval '1 hour'")
    database.call("auth_sync_note_auth_v1", p_error="auth_unavailable")
    known = auth_of(database)
    assert (known["failing_seconds"] >= 3600, known["failure"]) == (True, "auth_unavailable")


def test_a_locked_record_does_not_delay_an_action(database: Database, connection: Connection) -> None:
    """The record is skipped while another transaction holds it, so it can neither wait nor deadlock."""
    with connection.transaction():
        connection.execute("select from auth_sync_rate for update")
        assert database.call("auth_sync_note_auth_v1", p_error="auth_unreachable") is False
    assert database.call("auth_sync_note_auth_v1", p_error="auth_unreachable") is True


def test_a_performed_ban_does_not_wait(
    database: Database, connection: Connection, database_url: str, jane: int
) -> None:
    """A ban that was performed does not count as waiting, although the sessions end again twelve seconds later."""
    connection.execute("update employees set is_active = false where employee_id = %s", [jane])
    Accounts(database, LocalAuthAdmin(database_url), EmailOwner.AUTH, 5, lambda: datetime.now(UTC)).run_once("relay")
    row = connection.execute("select status from integration_sync_log where operation = 'disable_auth_user'").fetchone()
    assert row == {"status": "PENDING"}
    assert database.call("auth_sync_person_v1", p_employee_id=jane)["action"] is None
    assert auth_of(database)["waiting"] == 0
