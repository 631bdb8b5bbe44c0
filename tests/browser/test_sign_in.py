"""The sign-in in a browser: with a second factor, and as a viewer, who may only read."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.auth_factors import factor, totp, wrong_totp
from tests.auth_faults import AuthServer
from tests.auth_server import auth_server
from tests.browser.axe import EVERY_RULE, RUN
from tests.browser.company import Company
from tests.browser.conftest import Watch, served, watched
from tests.integration.capturing import auth_on
from tests.integration.signing_in import EMAIL, PASSWORD, admin_in_auth
from webhook_service.web.pages.sign_in import CODE_IS_WRONG

CODE_PAGE = "/admin/login/code"


@pytest.fixture
def auth(database_url: str) -> Iterator[AuthServer]:
    """Supabase Auth, in which a viewer has an authenticator app."""
    admin_in_auth(database_url, role="viewer")
    with auth_server(database_url) as server:
        server.factors = [factor()]
        yield server


@pytest.fixture
def server(auth: AuthServer, database_url: str, tmp_path: Path) -> Iterator[str]:
    supabase = {"AUTH_ADMIN": "supabase", "SUPABASE_URL": auth.url, "SUPABASE_SERVICE_ROLE_KEY": auth.key}
    more = {"ADMIN_ROLES": "viewer sync_admin=admin", "ADMIN_KEY_SIGN_IN": "off", "RELAY": "off"}
    with served(database_url, tmp_path, **supabase, **more) as url:
        yield url


def sends_password(page: Page) -> None:
    page.goto("/admin/employees")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Enter the code")).to_be_visible()


def sends_code(page: Page, code: str) -> None:
    page.get_by_label("Code of your authenticator app").fill(code)
    page.get_by_role("button", name="Sign in").click()


def test_a_viewer_signs_in_with_a_second_factor(page: Page, watch: Watch, company: Company, database_url: str) -> None:
    """A viewer sends the password, a wrong code and then the right code. The requested page opens.

    Its only form is *Sign out*. When the viewer becomes an admin, the pages also have the forms that change data.
    """
    jane = company.hire("Jane Doe")
    watch.expected.add(CODE_PAGE)  # the answer to a wrong code is a 401
    page.goto("/admin/login")
    expect(page.get_by_label("Admin key")).to_have_count(0)
    sends_password(page)
    sends_code(page, wrong_totp())
    expect(page.get_by_role("alert")).to_have_text(CODE_IS_WRONG)
    sends_code(page, totp())
    page.wait_for_url("**/admin/employees")
    expect(page.get_by_role("link", name="Jane Doe")).to_be_visible()
    posts = page.locator("form[method=post]")
    for path in (
        "/admin/employees",
        f"/admin/employees/{jane}",
        "/admin/auth-sync",
        "/admin/comparison",
        "/admin/replays",
    ):
        page.goto(path)
        expect(posts).to_have_count(1)
        expect(posts.get_by_role("button")).to_have_text("Sign out")
    watch.expected.add("/admin/employees/new")
    page.goto("/admin/employees/new")
    expect(page.get_by_text("This needs one of these roles: hr, admin. You have: viewer.")).to_be_visible()
    with auth_on(database_url) as users:
        users.set_app_metadata(users.users.with_email(EMAIL)["id"], {"role": "sync_admin"})  # type: ignore[index]
    page.goto(f"/admin/employees/{jane}")
    expect(page.get_by_role("button", name="Deactivate")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_for_the_code_is_accessible(browser: Browser, server: str, axe: str, scheme: str) -> None:
    """The page for the code has no violation of axe's rules, and fits on a screen of 320 pixels."""
    options = {"color_scheme": scheme, "viewport": {"width": 320, "height": 700}, "bypass_csp": True}
    with watched(browser, server, **options) as (page, watch):
        watch.expected.add(CODE_PAGE)
        sends_password(page)
        sends_code(page, wrong_totp())
        expect(page.get_by_role("alert")).to_be_visible()
        page.evaluate(axe)
        assert page.evaluate(RUN, EVERY_RULE) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
