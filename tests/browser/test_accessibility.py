"""axe-core on every page, in light and dark, on a desktop and on a phone."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from tests.browser.company import company_of
from tests.browser.conftest import Watch, served, sign_in, watched
from tests.databases import dropped_afterwards
from webhook_service.ledger import bulk_replay

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
EVERY_RULE = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
CONTRAST = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
RULES: dict[Literal["light", "dark"], object] = {"light": EVERY_RULE, "dark": CONTRAST}
"""In dark mode only the colours of a page differ."""
RUN = """rules => axe.run(document, {runOnly: rules, resultTypes: ["violations"]}).then(found => found.violations.map(
  violation => `${violation.id}: ${violation.nodes.map(node => node.target.join(" ")).join(", ")}`))"""
SCREENS: dict[str, ViewportSize] = {"desk": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}

PAGES = {
    "overview": "/admin/auth-sync",
    "inbox": "/admin/inbox",
    "events": "/admin/events",
    "events, no match": "/admin/events?person=nobody@example.com",
    "events, wrong filter": "/admin/events?since=yesterday",
    "event, ambiguous": "/admin/events/{ambiguous}",
    "event, rejected": "/admin/events/{rejected}",
    "event, succeeded": "/admin/events/{linked}",
    "event of an action": "/admin/events/{disabled}",
    "replays": "/admin/replays",
    "new replay": "/admin/replays/new",
    "new replay, previewed": "/admin/replays/new?status=FAILED",
    "replay under way": "/admin/replays/{replay}",
    "everyone": "/admin/employees",
    "no login": "/admin/employees?sync_status=MISSING_AUTH_UID",
    "inactive with a login": "/admin/employees?sync_status=INACTIVE_WITH_AUTH",
    "orphaned": "/admin/employees?sync_status=ORPHANED",
    "e-mail differs": "/admin/employees?sync_status=EMAIL_MISMATCH",
    "ambiguous": "/admin/employees?sync_status=AMBIGUOUS",
    "employee": "/admin/employees/1",
    "employee who is banned": "/admin/employees/{banned}",
    "employee who can still sign in": "/admin/employees/{still_in}",
    "employee with a shared number": "/admin/employees/{same_number}",
    "employee who needs a login": "/admin/employees/{needs_login}",
    "edit an employee": "/admin/employees/{needs_login}/edit",
    "give a login": "/admin/employees/{needs_login}/login?auth_user_id=frontdesk@example.com",
    "new employee": "/admin/employees/new",
    "comparison": "/admin/comparison",
    "setup": "/admin/setup",
    "audit": "/admin/audit",
    "docs of the API": "/admin/api/docs",
    "no such page": "/admin/events/nothing",
}


@pytest.fixture(scope="module")
def axe() -> str:
    """The text of axe-core's script, because the pages load no scripts from other hosts.

    If it is missing, the test is skipped as in `browser`.
    """
    if not AXE.exists():
        skip = pytest.fail if os.environ.get("CI") else pytest.skip
        skip("needs axe-core: npm ci --prefix tests/browser")
    return AXE.read_text("utf-8")


@pytest.fixture(scope="module")
def site(
    new_database: Any, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, dict[str, str]]]:
    """The URL of a server on a company after its day, and the ids for the paths.

    No relay runs, so a bulk replay keeps running.
    """
    with dropped_afterwards(new_database(migrated_template)) as url, company_of(url) as company:
        company.live_a_day()
        rows = company.hr.execute("select outcome, min(event_id) as id from integration_sync_log group by 1").fetchall()
        places = {str(row["outcome"]): str(row["id"]) for row in rows}
        found = company.hr.execute("select min(employee_id) as id from auth_sync_ambiguous").fetchone()
        assert found is not None
        with company.before_installation():
            company.auth.sign_up("before@example.com")
        company.change("Gustav Holm", "employee_number", "E-1040")  # Nadia Rahman has this number
        company.change("Amara Okafor", "is_active", False)  # no relay performs the ban
        company.database.call("auth_sync_note_auth_v1", p_error="auth_unreachable")
        begun = bulk_replay.begin(company.database, {"status": "SUCCESS"}, requested_by="Ada")
        places |= {
            "rejected": places["employee_rejected"],
            "needs_login": str(found["id"]),
            "still_in": "1",
            "same_number": str(company.employee("Nadia Rahman")),
            "banned": str(company.employee("Hugo Marchand")),
            "replay": str(begun["id"]),
        }
        with served(url, tmp_path_factory.mktemp("site") / "server.log", RELAY="off", ADMIN_ROLES="hr") as server:
            yield server, places


@pytest.mark.parametrize("screen", SCREENS)
def test_every_page_is_accessible(browser: Browser, site: tuple[str, dict[str, str]], axe: str, screen: str) -> None:
    """axe-core finds no violation on any page, in light and dark, and no page scrolls sideways."""
    url, places = site
    violations: list[str] = []

    def check(page: Page, name: str) -> None:
        page.wait_for_load_state()
        for scheme, rules in RULES.items():
            page.emulate_media(color_scheme=scheme)
            violations.extend(f"{name}, {scheme}: {found}" for found in page.evaluate(RUN, rules))
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            violations.append(f"{name}: scrolls sideways")

    with watched(browser, url, viewport=SCREENS[screen], reduced_motion="reduce") as (page, watch):
        page.add_init_script(axe)
        page.goto("/admin/login")
        check(page, "login")
        sign_in(page)
        watch.expected.add("/admin/events/nothing")
        for name, path in PAGES.items():
            page.goto(path.format(**places))
            if name in ("overview", "event, rejected") and page.locator("summary").count():
                page.locator("summary").first.click()
            check(page, name)
        if screen == "phone":
            page.set_viewport_size({"width": 320, "height": 640})
        page.goto("/admin/inbox")
        for summary in page.locator("summary").all():
            summary.click()
        check(page, "inbox, opened")
        page.goto("/admin/employees/1")
        page.locator("summary").first.click()
        check(page, "employee, technical details")
        page.set_viewport_size(SCREENS[screen])
        page.goto("/admin/comparison")
        page.get_by_role("button", name="Compare now").click()
        page.get_by_text("not corrected yet").wait_for()
        check(page, "compared")
        page.goto("/admin/auth-sync")
        check(page, "overview, compared")
        dismiss(page, places["rejected"])
        check(page, "event, dismissed")
        create(page, watch, f"{screen}@example.com", lambda state: check(page, f"new employee, {state}"))
        check(page, "created")
        page.goto("/admin/employees/2")
        page.once("dialog", lambda question: question.accept())
        page.get_by_role("button", name="New temporary password").click()
        page.get_by_label("Temporary password").wait_for()
        check(page, "new password")
    assert not violations, "\n".join(violations)


def create(page: Page, watch: Watch, email: str, check_state: Any) -> None:
    """Submit an invalid form, one with a shared number, and then a valid one."""
    watch.expected.add("/admin/employees/new")
    page.goto("/admin/employees/new")
    page.get_by_label("E-mail").fill("amara.okafor@example.com")
    page.get_by_label("User type").fill("x")
    page.get_by_role("button", name="Create").click()
    page.get_by_text("No employee was created.").wait_for()
    check_state("wrong")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("User type").fill("")
    page.get_by_label("Employee number").fill("E-1040")
    page.get_by_role("button", name="Create").click()
    page.get_by_text("No employee was created yet.").wait_for()
    check_state("shared number")
    page.get_by_label("Employee number").fill("")
    page.get_by_role("button", name="Create").click()
    page.get_by_label("Temporary password").wait_for()


def dismiss(page: Page, event_id: str) -> None:
    """Dismiss the event, unless the test of another screen has dismissed it."""
    page.goto(f"/admin/events/{event_id}")
    if page.get_by_text("Dismiss, because it needs no attention", exact=True).count():
        page.get_by_text("Dismiss, because it needs no attention", exact=True).click()
        page.get_by_label("Reason, which the audit keeps").fill("The intern has left")
        page.get_by_role("button", name="Dismiss").click()
        page.get_by_text("It no longer needs attention.").wait_for()
