"""An admin sets a new temporary password, or lets Auth send another invitation."""

import re
from collections.abc import Iterator
from uuid import UUID

import pytest
from flask import Flask

from tests.auth_faults import CUT, AuthServer
from tests.auth_traffic import JANE
from tests.employees import Connection, hire
from tests.integration.captured import relay_all
from tests.integration.capturing import auth_on
from tests.integration.signing_in import Browser, local, pages, pages_with_auth
from webhook_service.errors import AuthRefused
from webhook_service.outbound.credentials import REQUESTS
from webhook_service.ports import Database
from webhook_service.settings import Settings
from webhook_service.web import Wiring

EMAIL = "jane@example.com"
SHOWN = re.compile(r'id="temporary-password" value="([^"]+)"')


@pytest.fixture(params=["supabase", "stand-in"])
def site_with_auth(settings: Settings, request: pytest.FixtureRequest) -> Iterator[Flask]:
    """The pages with Supabase Auth over supabase-py, and with the stand-in."""
    if request.param == "supabase":
        with pages_with_auth(settings) as (app, _):
            yield app
    else:
        with pages(local(settings)) as app:
            yield app


def jane_of(connection: Connection, database: Database, database_url: str, *, confirmed: bool = True) -> int:
    jane = hire(connection, EMAIL, first_name="Jane", auth_user_id=None if confirmed else JANE)
    with auth_on(database_url) as auth:
        auth.admin_create(EMAIL, id=JANE, confirmed=confirmed)
    relay_all(database)
    return jane


def signs_in(app: Flask, password: str) -> bool:
    wiring: Wiring = app.extensions["wiring"]
    assert wiring.passwords is not None
    try:
        return wiring.passwords.check_password(EMAIL, password) is not None
    except AuthRefused:
        return False


def audited(connection: Connection) -> list[tuple[str, str]]:
    rows = connection.execute("select action, result from auth_sync_audit where target is not null order by id")
    return [(row["action"], row["result"]) for row in rows.fetchall()]


def test_a_new_temporary_password(
    site_with_auth: Flask, connection: Connection, database: Database, database_url: str
) -> None:
    """The new password works, is shown once, and is stored nowhere. The open sessions have ended."""
    jane = jane_of(connection, database, database_url)
    with auth_on(database_url) as auth:
        auth.sign_in(JANE)
    browser = Browser(site_with_auth)
    browser.signs_in()
    answer = browser.sends(f"/admin/employees/{jane}/password", auth_user_id=str(JANE))
    shown = SHOWN.search(answer.text)
    assert shown is not None
    assert connection.execute("select from auth.sessions").rowcount == 0
    assert signs_in(site_with_auth, shown[1])
    assert shown[1] not in browser.get(f"/admin/employees/{jane}").text
    for table in ("auth_sync_audit", "integration_sync_log"):
        rows = connection.execute(f"select t::text as row from {table} t".encode()).fetchall()  # noqa: S608
        assert [row for row in rows if shown[1] in row["row"]] == []
    assert audited(connection) == [("set a temporary password", "done")]


def test_requests_are_limited(
    site_with_auth: Flask, connection: Connection, database: Database, database_url: str
) -> None:
    """After a few new passwords for a login, the page asks the admin to wait. Nothing is changed in Auth."""
    jane = jane_of(connection, database, database_url)
    browser = Browser(site_with_auth)
    browser.signs_in()
    answers = [browser.sends(f"/admin/employees/{jane}/password", auth_user_id=str(JANE)) for _ in range(REQUESTS + 1)]
    assert [answer.status_code for answer in answers] == [*[200] * REQUESTS, 303]
    assert "Password not set: Too many requests for this login: wait" in browser.get(f"/admin/employees/{jane}").text
    assert [result for _, result in audited(connection)] == [*["done"] * REQUESTS, "refused"]
    shown = SHOWN.search(answers[-2].text)
    assert shown is not None
    assert signs_in(site_with_auth, shown[1])


def test_another_invitation(
    site_with_auth: Flask, connection: Connection, database: Database, database_url: str
) -> None:
    """An unconfirmed login gets another invitation. A confirmed one needs none."""
    jane = jane_of(connection, database, database_url, confirmed=False)
    browser = Browser(site_with_auth)
    browser.signs_in()
    browser.sends(f"/admin/employees/{jane}/invitation", auth_user_id=str(JANE))
    assert "Supabase was asked to send another invitation." in browser.get(f"/admin/employees/{jane}").text
    [row] = connection.execute("select invited_at from auth.users").fetchall()
    assert row["invited_at"] is not None
    with auth_on(database_url) as auth:
        auth.confirm(JANE)
    browser.sends(f"/admin/employees/{jane}/invitation", auth_user_id=str(JANE))
    assert "Set a temporary password instead." in browser.get(f"/admin/employees/{jane}").text
    assert audited(connection) == [("send an invitation", "done"), ("send an invitation", "refused")]


def test_only_the_login_of_an_active_employee(
    site_with_auth: Flask, connection: Connection, database: Database, database_url: str
) -> None:
    """An inactive employee, and a login that the employee no longer has, get no password."""
    jane = jane_of(connection, database, database_url)
    browser = Browser(site_with_auth)
    browser.signs_in()
    answer = browser.sends(f"/admin/employees/{jane}/password", auth_user_id=str(UUID(int=3)))
    assert answer.status_code == 303
    connection.execute("update employees set is_active = false")
    assert browser.sends(f"/admin/employees/{jane}/password", auth_user_id=str(JANE)).status_code == 303
    assert "cannot sign in</h2>" not in browser.get(f"/admin/employees/{jane}").text
    assert [result for _, result in audited(connection)] == ["refused", "refused"]


def test_auth_is_away(settings: Settings, connection: Connection, database: Database, database_url: str) -> None:
    """While Auth is away, no password is shown, and the page says why."""
    jane = jane_of(connection, database, database_url)
    found: tuple[Flask, AuthServer]
    with pages_with_auth(settings) as found:
        app, auth = found
        browser = Browser(app)
        browser.signs_in()
        auth.fail(CUT)
        assert browser.sends(f"/admin/employees/{jane}/password", auth_user_id=str(JANE)).status_code == 303
        text = browser.get(f"/admin/employees/{jane}").text
        assert "Auth did not answer" in text
        assert "The old password may no longer work." in text
    assert audited(connection) == [("set a temporary password", "unknown")]
