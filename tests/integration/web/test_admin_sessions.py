"""The end of the sessions of admins, and invalid cookies."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from psycopg import sql
from werkzeug.security import generate_password_hash

from tests.auth_faults import CUT
from tests.auth_traffic import JANE
from tests.employees import Connection, hire
from tests.integration.capturing import auth_on
from tests.integration.db.test_direct_database import wait_until_one_waits
from tests.integration.signing_in import (
    EMAIL,
    PAGES,
    PASSWORD,
    Browser,
    Clock,
    admin_in_auth,
    local,
    pages,
    pages_with_auth,
    recorded,
)
from webhook_service.settings import Role, Settings

REFRESH = {"X-Refresh": "1"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(settings: Settings, clock: Clock) -> Iterator[Flask]:
    with pages(settings, clock) as app:
        yield app


def signed_in(app: Flask, **form: str) -> Browser:
    browser = Browser(app)
    assert browser.signs_in(**form).status_code == 303
    assert browser.is_in()
    return browser


# Admins who lose their role


def dismissed(url: str, connection: Connection) -> None:
    connection.execute("update employees set is_active = false where auth_user_id = %s", [JANE])


def banned(url: str, connection: Connection) -> None:
    connection.execute("update auth.users set banned_until = now() + interval '1 hour' where id = %s", [JANE])


def role_taken(url: str, connection: Connection) -> None:
    with auth_on(url) as auth:
        auth.set_app_metadata(JANE, {"role": None})


def role_object(url: str, connection: Connection) -> None:
    with auth_on(url) as auth:
        auth.set_app_metadata(JANE, {"role": {"sync_admin": True}})


def soft_deleted(url: str, connection: Connection) -> None:
    with auth_on(url) as auth:
        auth.soft_delete(JANE)


def deleted(url: str, connection: Connection) -> None:
    with auth_on(url) as auth:
        auth.hard_delete(JANE)


LOSSES: list[Callable[[str, Connection], None]] = [dismissed, banned, role_taken, role_object, soft_deleted, deleted]


@pytest.mark.parametrize("lose", LOSSES)
def test_an_admin_who_loses_the_role_is_signed_out_at_once(
    settings: Settings, database_url: str, connection: Connection, lose: Callable[[str, Connection], None]
) -> None:
    """An admin who loses the admin role is signed out at the next request, with either Auth.

    The holder of the admin key and other admins stay signed in.
    """
    admin_in_auth(database_url)
    admin_in_auth(database_url, "bob@example.com", uuid4())
    hire(connection, EMAIL, auth_user_id=JANE)
    by_jane = {"email": EMAIL, "password": PASSWORD}
    with pages(local(settings)) as app, pages_with_auth(settings) as (another, _):
        browsers = [signed_in(each, **by_jane) for each in (app, another)]
        others = [signed_in(app), signed_in(app, email="bob@example.com", password=PASSWORD)]
        lose(database_url, connection)
        assert [browser.is_in() for browser in browsers] == [False, False]
        assert all(browser.is_in() for browser in others)


def test_an_outage_of_auth_keeps_its_admins_out(settings: Settings, database_url: str) -> None:
    """During an outage of Auth, its admins get 503, because their role is unknown.

    Their sessions are valid again after the outage. A session by the admin key stays valid during the outage.
    """
    admin_in_auth(database_url)
    with pages_with_auth(settings) as (app, auth):
        browser, key_holder = signed_in(app, email=EMAIL, password=PASSWORD), signed_in(app)
        auth.fail(CUT)
        response = browser.get("/admin/audit")
        assert (response.status_code, "Auth did not answer" in response.text) == (503, True)
        assert key_holder.is_in()
        auth.fail(None)
        assert browser.is_in()


def test_a_changed_setting_ends_the_sessions_of_auth(settings: Settings, database_url: str) -> None:
    """The sessions of Auth's admins end if their role is not in ADMIN_ROLES, or if Auth is no longer configured."""
    admin_in_auth(database_url)
    with pages(local(settings)) as app:
        browser = signed_in(app, email=EMAIL, password=PASSWORD)
    for changed in (
        replace(local(settings), pages=replace(PAGES, roles=frozenset())),
        replace(local(settings), pages=replace(PAGES, roles=frozenset({("admin", Role.ADMIN)}))),
        replace(local(settings), auth=None),
    ):
        with pages(changed) as app:
            again = Browser(app)
            again.cookie = browser.cookie
            assert not again.is_in()


# The end of a session


def test_a_password_change_in_auth_ends_the_sessions_of_that_user(
    settings: Settings, database_url: str, connection: Connection
) -> None:
    """A new password ends all sessions of its auth user at once, also on a copied cookie; other sessions stay valid.

    Nothing of the password is kept. A sign-in, which writes the row too, ends no session.
    """
    admin_in_auth(database_url)
    admin_in_auth(database_url, "bob@example.com", uuid4())
    by_jane = {"email": EMAIL, "password": PASSWORD}
    with pages(local(settings)) as app:
        browsers = [signed_in(app, **by_jane) for _ in range(2)]
        others = [signed_in(app), signed_in(app, email="bob@example.com", password=PASSWORD)]
        connection.execute("update auth.users set last_sign_in_at = now(), updated_at = now() where id = %s", [JANE])
        assert all(browser.is_in() for browser in browsers)
        connection.execute("update auth.users set encrypted_password = 'a-new-hash' where id = %s", [JANE])
        assert [browser.is_in() for browser in browsers] == [False, False]
        assert all(browser.is_in() for browser in others)
    assert recorded(connection)[-1] == (EMAIL, "signed out (password changed)", None)
    for table in ("integration_sync_log", "auth_sync_audit", "auth_sync_sessions", "auth_user_state"):
        query = sql.SQL("select t::text as row from {} as t").format(sql.Identifier(table))
        rows = connection.execute(query).fetchall()
        assert not [row for row in rows if "a-new-hash" in row["row"]]


def test_a_password_change_that_is_rolled_back_ends_no_session(
    settings: Settings, database_url: str, connection: Connection
) -> None:
    """Sessions end in the transaction that changes the password."""
    admin_in_auth(database_url)
    with pages(local(settings)) as app:
        browser = signed_in(app, email=EMAIL, password=PASSWORD)
        with connection.transaction(force_rollback=True):
            connection.execute("update auth.users set encrypted_password = 'new' where id = %s", [JANE])
        assert browser.is_in()


def test_a_password_change_succeeds_while_a_session_is_locked(database_url: str, connection: Connection) -> None:
    """Auth's change of a password waits only briefly for a session, and never fails because of it."""
    admin_in_auth(database_url)
    connection.execute("insert into auth_sync_sessions (who, auth_user_id) values ('jane', %s)", [JANE])
    with psycopg.connect(database_url) as another:
        another.execute("select from auth_sync_sessions for update")
        connection.execute("update auth.users set encrypted_password = 'new', email = 'x@x.com' where id = %s", [JANE])
    changed = connection.execute("select auth_user_id from auth_sync_password_changes").fetchall()
    assert changed == [{"auth_user_id": JANE}]
    user = connection.execute("select encrypted_password from auth.users where id = %s", [JANE]).fetchone()
    assert user == {"encrypted_password": "new"}
    captured = connection.execute("select request_data from integration_sync_log where auth_user_id = %s", [JANE])
    assert "x@x.com" in [row["request_data"]["record"]["email"] for row in captured]


def change_password(connection: psycopg.Connection[Any], password: str) -> None:
    """Change Jane's password as Auth does."""
    new_hash = generate_password_hash(password, "pbkdf2:sha256:10")
    connection.execute("update auth.users set encrypted_password = %s where id = %s", [new_hash, JANE])


@pytest.mark.parametrize("way", ["sign-in waits", "change is not committed"])
def test_a_password_change_during_a_sign_in_ends_its_session(
    settings: Settings, database_url: str, connection: Connection, way: str
) -> None:
    """A sign-in whose check of the old password overlaps with the change leaves no session. The new password works."""
    admin_in_auth(database_url)
    with pages(local(settings)) as app, psycopg.connect(database_url) as auth:
        browser = Browser(app)
        if way == "sign-in waits":
            with ThreadPoolExecutor(1) as pool:
                auth.execute("lock table employees in access exclusive mode")
                signing_in = pool.submit(browser.signs_in, email=EMAIL, password=PASSWORD)
                wait_until_one_waits(connection, "Lock")  # the password was checked, and the session does not exist yet
                change_password(connection, "another password")
                auth.commit()
                assert signing_in.result().status_code == 401
        else:
            change_password(auth, "another password")
            assert browser.signs_in(email=EMAIL, password=PASSWORD).status_code == 303
            assert browser.is_in()
            auth.commit()
        assert not browser.is_in()
        assert browser.signs_in(email=EMAIL, password=PASSWORD).status_code == 401
        signed_in(app, email=EMAIL, password="another password")


def test_a_password_change_before_a_sign_in_ends_no_session(
    settings: Settings, database_url: str, connection: Connection
) -> None:
    """A sign-in after a change of the password begins a session, also after a restore. Old changes are deleted."""
    admin_in_auth(database_url)
    change_password(connection, PASSWORD)
    with pages(local(settings)) as app:
        signed_in(app, email=EMAIL, password=PASSWORD)
        # A dump of another server may have transaction ids that this server has not reached.
        connection.execute("update auth_sync_password_changes set changed_by = '123456789012345'")
        signed_in(app, email=EMAIL, password=PASSWORD)
        connection.execute("update auth_sync_password_changes set changed_at = now() - interval '25 hours'")
        signed_in(app, email=EMAIL, password=PASSWORD)
    assert connection.execute("select from auth_sync_password_changes").fetchall() == []


def test_a_copied_cookie_is_invalid_after_the_sign_out(site: Flask, connection: Connection) -> None:
    """A sign-out ends the session in the database, even for a copied cookie. Other sessions of the admin stay valid."""
    browser, another, thief = signed_in(site), signed_in(site), Browser(site)
    thief.cookie = browser.cookie
    assert thief.is_in()
    thief.cookie = copied = browser.cookie
    assert browser.sends("/admin/logout").status_code == 303
    assert not browser.is_in()
    thief.cookie = copied
    assert not thief.is_in()
    assert another.is_in()
    assert [action for _, action, _ in recorded(connection)] == ["signed in", "signed in", "signed out"]


def test_a_sign_in_ends_the_browsers_earlier_session(site: Flask) -> None:
    """A sign-in ends the earlier session of the same browser, so a copy of its cookie is invalid."""
    browser, thief = signed_in(site), Browser(site)
    copied = browser.cookie
    assert browser.signs_in().status_code == 303
    thief.cookie = copied
    assert not thief.is_in()
    assert browser.is_in()


@pytest.mark.parametrize("change", ["ADMIN_API_KEY", "SECRET_KEY", "ADMIN_API_KEY without SECRET_KEY"])
def test_a_new_key_ends_all_sessions(settings: Settings, change: str) -> None:
    """A change of the admin key or of the signing key ends all sessions."""
    before = settings if "without" in change else replace(settings, pages=PAGES)
    if "ADMIN_API_KEY" in change:
        after = replace(before, admin_api_key="another-admin-key-0123456789")
    else:
        after = replace(before, pages=replace(PAGES, secret_key="another" * 8))
    with pages(before) as app, pages(before) as worker, pages(after) as restarted:
        cookie = signed_in(app).cookie
        for each, holds in ((worker, True), (restarted, False)):
            browser = Browser(each)
            browser.cookie = cookie
            assert browser.is_in() is holds


def test_an_idle_session_ends(site: Flask, clock: Clock) -> None:
    """A session ends after half an hour without a request. Automatic refreshes of a page do not count as requests."""
    browser = signed_in(site)
    for _ in range(3):
        clock.goes(minutes=29)
        assert browser.is_in()
    clock.goes(minutes=20)
    assert browser.is_in(headers=REFRESH)
    clock.goes(minutes=11)
    response = browser.get("/admin/audit", headers=REFRESH)
    assert response.status_code == 401
    assert not browser.is_in()


def test_the_idle_time_is_a_setting(settings: Settings, clock: Clock) -> None:
    """ADMIN_IDLE_MINUTES sets the idle time."""
    with pages(replace(settings, pages=replace(PAGES, idle_minutes=5)), clock) as app:
        browser = signed_in(app)
        clock.goes(minutes=5)
        assert browser.is_in()
        clock.goes(minutes=5, seconds=1)
        assert not browser.is_in()


def test_no_session_is_longer_than_half_a_day(site: Flask, connection: Connection) -> None:
    """A session ends after twelve hours, even if an admin is using it."""
    browser = signed_in(site)
    for passed, holds in (("11 hours 59 minutes", True), ("12 hours 1 second", False)):
        connection.execute("update auth_sync_sessions set signed_in_at = now() - %s::interval", [passed])
        assert browser.is_in() is holds


# Invalid cookies


def signed_cookie(app: Flask, content: Any) -> str:
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    return str(serializer.dumps(content))


def test_a_garbage_cookie_is_ignored(site: Flask) -> None:
    """A garbage cookie signs no visitor in, causes no error, and prevents no sign-in."""
    for garbage in ("", "x", ".", "...", "eyJhZG1pbiI6MX0.x.x", "%00", "Ã©", "a" * 4000, '{"admin": 1}'):
        assert not Browser(site).is_in(headers={"Cookie": f"webhook_service={garbage}"})
    browser = Browser(site)
    browser.cookie = "garbage"
    assert browser.signs_in().status_code == 303


def test_a_tampered_cookie_is_ignored(site: Flask, settings: Settings) -> None:
    """A cookie with a changed byte in any part signs no visitor in."""
    cookie = signed_in(site).cookie
    for place in (0, 10, cookie.index(".") + 1, cookie.rindex(".") + 1):
        other = "A" if cookie[place] != "A" else "B"
        browser = Browser(site)
        browser.cookie = f"{cookie[:place]}{other}{cookie[place + 1 :]}"
        assert not browser.is_in()


def test_a_signed_cookie_with_invalid_content_is_ignored(site: Flask) -> None:
    """A signed cookie with invalid content (from another version of the service) signs no visitor in."""
    browser = signed_in(site)
    with browser.client.session_transaction(path="/admin") as session:
        good = session["admin"]
    values: list[Any] = [None, "é\ud800", [], -1]
    odd: list[Any] = [None, 1, "x", [], {}, good["session"]]
    odd += [good | {name: value} for name in good for value in values]
    odd += [{name: good[name] for name in good if name != missing} for missing in good]
    odd += [good | {"session": str(uuid4())}]
    contents: list[dict[str, Any]] = [{"admin": content} for content in odd if content != good]
    contents += [{"csrf_token": 1}, {"csrf_token": "é"}, {"csrf_token": [1]}, {"_flashes": 1}, {"_flashes": [1]}]
    contents += [content | {"admin": good} for content in contents if "admin" not in content]
    for content in contents:
        other = Browser(site)
        other.cookie = signed_cookie(site, content)
        assert not other.is_in(), content
        other.cookie = signed_cookie(site, content)
        assert other.sends("/admin/logout").status_code == 303
