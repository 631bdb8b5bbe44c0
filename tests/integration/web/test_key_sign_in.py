"""The switch that takes the admin key from the dashboard's sign-in."""

from dataclasses import replace

import pytest

from tests.auth_faults import CUT
from tests.auth_server import auth_server
from tests.conftest import ADMIN_KEY
from tests.employees import Connection
from tests.integration.signing_in import EMAIL, PAGES, PASSWORD, Browser, admin_in_auth, local, pages, recorded
from webhook_service.settings import Settings, SupabaseConnection
from webhook_service.web.pages.sign_in import KEY_WORKS, NO_KEY_SIGN_IN


def without_key(settings: Settings) -> Settings:
    return replace(local(settings), pages=replace(PAGES, key_sign_in=False))


def test_the_admin_key_can_be_switched_off(settings: Settings, database_url: str, connection: Connection) -> None:
    """With ADMIN_KEY_SIGN_IN=off, the page has no form for a key, and the right key is refused like a wrong one."""
    admin_in_auth(database_url)
    with pages(without_key(settings)) as app:
        browser = Browser(app)
        assert 'name="key"' not in browser.get("/admin/login").text
        for key in (ADMIN_KEY, "wrong", ""):
            response = browser.signs_in(key=key, name="Kim")
            assert (response.status_code, NO_KEY_SIGN_IN in response.text) == (401, True)
            assert not browser.is_in()
        assert recorded(connection) == []
        assert browser.signs_in(email=EMAIL, password=PASSWORD).status_code == 303


def test_sessions_of_key_holders_end_with_the_switch(settings: Settings) -> None:
    """If the key is switched off, the sessions that it began end."""
    with pages(local(settings)) as app:
        browser = Browser(app)
        browser.signs_in()
        assert browser.is_in()
    with pages(without_key(settings)) as app:
        again = Browser(app)
        again.cookie = browser.cookie
        assert not again.is_in()


def test_the_api_keeps_its_key(settings: Settings) -> None:
    """The admin API, which has no other sign-in, accepts the key as before."""
    with pages(without_key(settings)) as app:
        key = {"Authorization": f"Bearer {ADMIN_KEY}"}
        assert app.test_client().get("/admin/api/summary", headers=key).status_code == 200


@pytest.mark.parametrize("with_key", [True, False])
def test_an_outage_does_not_recommend_a_key_that_is_off(settings: Settings, database_url: str, with_key: bool) -> None:
    """During an outage of Auth, the page recommends the admin key only if it signs in."""
    with auth_server(database_url) as auth:
        changed = replace(PAGES, key_sign_in=with_key)
        with pages(replace(settings, auth=SupabaseConnection(auth.url, auth.key), pages=changed)) as app:
            auth.fail(CUT)
            response = Browser(app).signs_in(email=EMAIL, password=PASSWORD)
            assert (response.status_code, KEY_WORKS in response.text) == (503, with_key)
