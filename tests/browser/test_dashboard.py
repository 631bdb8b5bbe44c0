"""The actions of admins in a browser, from the sign-in to their results in the database."""

import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Dialog, Error, Page, expect

from tests.browser.company import Company
from tests.browser.conftest import Watch, served, sign_in, watched
from tests.conftest import ADMIN_KEY
from webhook_service.wording import employees, outcomes

OVERVIEW = "/admin/auth-sync"
NEEDS_ATTENTION = outcomes.state({"status": "FAILED", "next_attempt_at": None})
IN_SYNC = employees.SYNC_STATUSES["OK"][0]


def test_a_failure_is_found_and_replayed(page: Page, company: Company) -> None:
    """An admin signs in, finds a failure, reads its reason, and replays it successfully after the cause is fixed."""
    company.add_unlinkable("Rita Sandoval")
    sign_in(page)
    failures = page.get_by_role("region", name="Failures, newest first")
    failures.locator("tbody tr").first.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(NEEDS_ATTENTION)
    expect(page.get_by_text("What to do:")).to_be_visible()
    company.fix_constraint()
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Replayed: Linked.")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Done")
    page.get_by_role("link", name="Rita Sandoval").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(IN_SYNC)
    page.goto(OVERVIEW)
    expect(page.locator("#failures")).to_contain_text("No failures.")


def test_the_temporary_password_is_shown_once(admin: Page, company: Company, watch: Watch) -> None:
    """An admin can copy a temporary password. A reload or a step back does not show it again."""
    admin.goto("/admin/employees/new")
    admin.get_by_label("E-mail").fill("lena.fox@example.com")
    admin.get_by_label("First name").fill("Lena")
    admin.get_by_role("button", name="Create").click()
    password = admin.get_by_label("Temporary password").input_value()
    assert len(password) >= 12
    admin.get_by_role("button", name="Copy").click()
    expect(admin.get_by_text("Copied.")).to_be_visible()
    assert admin.evaluate("navigator.clipboard.readText()") == password
    watch.expected.add("/admin/employees/new")  # the reload posts again, which is refused because the employee exists
    admin.reload()
    assert password not in admin.content()
    expect(admin.get_by_text("No employee was created.")).to_be_visible()
    admin.goto("/admin/employees")
    with pytest.raises(Error, match="ERR_CACHE_MISS"):  # the browser asks whether to send the form again
        admin.go_back()
    hired = company.hr.execute("select count(*) as n from employees where email = 'lena.fox@example.com'").fetchone()
    assert hired == {"n": 1}


def test_a_command_of_the_setup_is_copied(admin: Page) -> None:
    """An admin of a new installation opens the setup from the overview, and copies the command of a finding."""
    admin.goto(OVERVIEW)
    admin.get_by_role("link", name="Show what is missing").click()
    admin.get_by_role("button", name="Copy the command: Comparison").click()
    expect(admin.get_by_text("Copied.")).to_be_visible()
    assert admin.evaluate("navigator.clipboard.readText()") == "webhook-service reconcile"


def test_an_ambiguous_login_is_given_to_the_right_employee(page: Page, company: Company) -> None:
    """An admin links an ambiguous login on the event's page or on the employee's page.

    A question has both names, and a wrong choice can be taken back.
    """
    company.ambiguous("frontdesk@example.com", "Alma Reyes", "Otto Lind")
    company.ambiguous("desk@example.com", "Ida Berg", "Paul Roth")
    company.settle()
    sign_in(page)
    page.goto("/admin/events?status=FAILED&person=frontdesk@example.com")
    page.get_by_role("region", name="Events, newest first").get_by_role("link").first.click()
    choices = page.get_by_role("region", name="Whose login is this?")
    questions: list[str] = []

    def refuse(question: Dialog) -> None:
        questions.append(question.message)
        question.dismiss()

    page.once("dialog", refuse)
    choices.locator("form", has_text="Alma Reyes").get_by_role("button").click()
    assert questions[0].startswith("Does the login frontdesk@example.com belong to Alma Reyes?")
    page.on("dialog", lambda question: question.accept())
    choices.locator("form", has_text="Alma Reyes").get_by_role("button").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Alma Reyes {IN_SYNC}")
    page.get_by_role("button", name="Take this login away").click()
    expect(page.get_by_role("status")).to_have_text("Login taken away.")
    page.goto("/admin/events?status=FAILED&person=frontdesk@example.com")
    page.get_by_role("region", name="Events, newest first").get_by_role("link").first.click()
    choices.locator("form", has_text="Otto Lind").get_by_role("button").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Otto Lind {IN_SYNC}")

    page.goto(OVERVIEW)
    page.get_by_role("link", name="Several matches", exact=True).click()
    page.get_by_role("link", name="Ida Berg").click()
    page.get_by_role("button", name="Give this login desk@example.com").click()
    expect(page.get_by_role("status")).to_contain_text("Login given.")
    expect(page.get_by_role("heading", level=1)).to_contain_text(IN_SYNC)
    page.goto("/admin/events?status=FAILED")
    expect(page.get_by_text("No events match.")).to_be_visible()


def test_many_events_are_replayed(page: Page, company: Company) -> None:
    """An admin previews, confirms and watches a bulk replay, and can cancel it. Its page refreshes automatically."""
    names = [f"Newcomer Number{n}" for n in range(100)]
    company.add_unlinkable(*names)
    company.fix_constraint()
    sign_in(page)
    page.goto("/admin/events?status=FAILED")
    page.get_by_role("link", name="Replay these…").click()
    preview = page.get_by_role("region", name="Preview")
    expect(preview).to_contain_text("100 events match. Preview: 100 events would change an employee.")
    expect(page.get_by_role("region", name="What would change").locator("tbody tr").first).to_contain_text("Linked")
    preview.get_by_role("button", name="Replay 100 events").click()
    page.evaluate("window.isStillHere = true")
    expect(page.locator("#progress-title")).to_have_text("Done: 100 of 100 replayed. Employees changed: 100.")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    assert page.evaluate("window.isStillHere")

    page.goto("/admin/replays/new?status=SUCCESS")
    page.get_by_role("region", name="Preview").get_by_role("button").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#progress-title")).to_have_text(re.compile(r"^Cancelled after \d+ of 200"))


def test_an_employee_is_deactivated_and_activated(page: Page, company: Company) -> None:
    """A confirmed deactivation bans the login, and an activation lifts the ban."""
    company.hire("Jane Doe")
    user = company.sign_up("Jane Doe")
    company.settle()
    sign_in(page)
    page.goto("/admin/employees?person=jane.doe@example.com")
    page.get_by_role("link", name="Jane Doe").click()
    page.once("dialog", lambda question: question.dismiss())
    page.get_by_role("button", name="Deactivate").click()
    assert company.auth.users.row(user)["banned_until"] is None
    page.once("dialog", lambda question: question.accept())
    page.get_by_role("button", name="Deactivate").click()
    expect(page.get_by_role("status")).to_have_text("Deactivated. The login can no longer sign in.")
    assert company.auth.users.row(user)["banned_until"] is not None
    page.once("dialog", lambda question: question.accept())
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_role("status")).to_have_text("Activated. The login is not banned any more.")
    assert company.auth.users.row(user)["banned_until"] is None


def test_an_installation_is_compared(page: Page, company: Company) -> None:
    """After an installation, the overview does not say that all is well. The admin compares, and sees the result."""
    with company.before_installation():
        company.hire("Jane Doe")
        company.sign_up("Jane Doe")
        company.change("Jane Doe", "is_active", False)
    sign_in(page)
    health = page.locator("#health")
    expect(health).to_contain_text("Not compared yet.")
    expect(health).not_to_contain_text("Dismissed employees cannot sign in")
    health.get_by_role("button", name="Compare now").click()
    expect(page.get_by_role("status")).to_have_text("Compared: 1 difference.")
    expect(page.get_by_role("region", name="What a run would do")).to_contain_text("jane.doe@example.com")
    expect(page.get_by_role("main")).to_contain_text("Login is banned: 1")
    page.goto(OVERVIEW)
    expect(page.locator("#health")).to_contain_text("1 difference, not corrected yet.")


def test_a_dismissal_waits_for_auth(browser: Browser, database_url: str, tmp_path: Path, company: Company) -> None:
    """While Supabase does not answer, a dismissed employee is shown as able to sign in, on every page that shows it."""
    company.hire("Jane Doe")
    company.sign_up("Jane Doe")
    company.settle()
    away = {"AUTH_ADMIN": "", "SUPABASE_URL": "http://127.0.0.1:9", "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_x"}
    with (
        served(database_url, tmp_path, **away) as url,
        watched(browser, url) as (page, _),
    ):
        sign_in(page)
        page.goto("/admin/employees")
        page.get_by_role("link", name="Jane Doe").click()
        page.once("dialog", lambda question: question.accept())
        page.get_by_role("button", name="Deactivate").click()
        message = "Deactivated, but the login still works: Supabase does not answer. It is retried."
        expect(page.get_by_role("status")).to_have_text(message)
        page.reload()
        expect(page.get_by_role("main")).to_contain_text("Deactivated, but the login still works")
        expect(page.get_by_role("heading", level=1)).to_contain_text("Can still sign in")
        page.goto(OVERVIEW)
        expect(page.locator("#health")).to_contain_text("Supabase does not answer. This has lasted for")
        page.get_by_role("link", name="Show what waits").click()
        expect(page.get_by_role("region", name="Events, newest first")).to_contain_text("Ban the login")


def test_an_event_is_dismissed(page: Page, company: Company) -> None:
    """An admin dismisses a failure with a reason. It no longer needs attention, and its page keeps the reason."""
    company.add_unlinkable("Rita Sandoval")
    sign_in(page)
    page.locator("#health").get_by_role("link", name="Show failures").click()
    page.get_by_role("region", name="Events, newest first").get_by_role("link").first.click()
    page.get_by_text("Dismiss, because it needs no attention").click()
    page.get_by_label("Reason, which the audit keeps").fill("The intern has left")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Dismissed")
    expect(page.get_by_role("main")).to_contain_text("The intern has left")
    page.goto(OVERVIEW)
    expect(page.locator("#failures")).to_contain_text("No failures.")
    page.goto("/admin/audit")
    expect(page.get_by_role("main")).to_contain_text("Dismiss")


def test_held_bans_are_released(page: Page, company: Company) -> None:
    """The overview asks for a decision about a mass deactivation, and bans the logins after a confirmation."""
    company.hire("Jane Doe")
    user = company.sign_up("Jane Doe")
    company.settle()
    company.hr.execute("select auth_sync_limit_deactivations_v1('0')")
    company.hr.execute("update employees set is_active = false")
    company.settle()
    assert company.auth.users.row(user)["banned_until"] is None
    sign_in(page)
    expect(page.locator("#held")).to_contain_text("1 ban waits for your decision")
    page.once("dialog", lambda question: question.accept())
    page.get_by_role("button", name="They have left").click()
    expect(page.get_by_role("status")).to_have_text("Bans requested: 1. The relay performs them.")
    expect(page.locator("#held")).to_be_empty()
    company.settle()
    assert company.auth.users.row(user)["banned_until"] is not None


def test_the_overview_refreshes_itself(page: Page, company: Company) -> None:
    """A refresh shows new data and keeps the scroll position, the focus and open parts. An admin can stop it."""
    page.clock.install()
    page.set_viewport_size({"width": 800, "height": 400})
    sign_in(page)
    page.get_by_text("Numbers by hour and outcome").click()
    link = page.get_by_role("link", name="All failures")
    link.focus()
    page.evaluate("scrollTo(0, 500)")
    before = page.evaluate("scrollY")
    company.add_unlinkable("Rita Sandoval")
    page.clock.fast_forward(11_000)
    expect(page.locator("#failures")).to_contain_text("Rita Sandoval")
    assert page.locator("main details").get_attribute("open") is not None
    expect(link).to_be_focused()
    assert page.evaluate("scrollY") == before
    page.evaluate("document.querySelector('#failures button').isTheSame = true")
    company.hire("Ida Berg")
    page.clock.fast_forward(11_000)
    expect(page.locator("#people dd").first).to_have_text("2")
    assert page.evaluate("document.querySelector('#failures button').isTheSame")

    page.get_by_role("button", name="Stop refreshing").click()
    company.fix_constraint()
    company.add_unlinkable("Theo Blanc")
    with page.expect_request("**/admin/auth-sync") as refresh:
        page.clock.fast_forward(60_000)
        page.get_by_role("button", name="Refresh again").click()
        expect(page.locator("#failures")).not_to_contain_text("Theo Blanc")
        page.clock.fast_forward(11_000)
    assert refresh.value.headers["x-refresh"] == "1"
    expect(page.locator("#failures")).to_contain_text("Theo Blanc")


def test_the_keyboard_is_enough(page: Page, company: Company) -> None:
    """An admin reaches a replay from the sign-in by Tab and Enter, past the menu, and the focus is always visible."""
    company.add_unlinkable("Rita Sandoval")
    company.fix_constraint()
    page.goto(OVERVIEW)
    tab_to(page, "Admin key")
    page.keyboard.type(ADMIN_KEY)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Sync status")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport(ratio=1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    tab_to(page, "Replay the event")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Replayed: Linked.")


FOCUSED = """() => {
  const at = document.activeElement, style = getComputedStyle(at);
  const name = at.getAttribute("aria-label") || (at.labels && at.labels[0] || at).textContent.trim();
  return [name, style.outlineStyle !== "none" || style.boxShadow !== "none"];
}"""


def tab_to(page: Page, beginning: str) -> None:
    """Press Tab until an element whose name starts with `beginning` has the focus. Fail if the focus is invisible."""
    for _ in range(40):
        page.keyboard.press("Tab")
        name, is_seen = page.evaluate(FOCUSED)
        assert is_seen, name
        if name.startswith(beginning):
            return
    raise AssertionError(f"Tab does not lead to {beginning}")


def test_the_theme_can_be_chosen(page: Page, company: Company) -> None:
    """The button at the end of each page switches between the light and the dark theme, and the choice stays."""
    page.emulate_media(color_scheme="light")
    page.goto("/admin/login")
    document = page.locator("html")
    expect(document).to_have_attribute("data-bs-theme", "light")
    page.get_by_role("button", name="Dark theme").click()
    expect(document).to_have_attribute("data-bs-theme", "dark")
    sign_in(page)
    expect(document).to_have_attribute("data-bs-theme", "dark")
    expect(page.get_by_role("contentinfo")).to_contain_text(f"Auth sync {version('webhook-service')}")
    page.get_by_role("button", name="Light theme").click()
    expect(document).to_have_attribute("data-bs-theme", "light")


def test_times_are_in_the_zone_of_the_browser(browser: Browser, server: str, company: Company) -> None:
    """Times are shown in the browser's zone, with UTC in the tooltip. The button at the end of a page shows UTC."""
    with watched(browser, server, timezone_id="Asia/Kolkata") as (page, _):
        sign_in(page)
        page.goto("/admin/audit")
        time, zone = page.locator("main time").first, page.locator("main [data-zone]").first
        utc = datetime.fromisoformat(time.get_attribute("datetime") or "").astimezone(UTC)
        local = utc.astimezone(ZoneInfo("Asia/Kolkata"))
        expect(zone).to_have_text("GMT+5:30")
        expect(time).to_have_text(f"{local:%Y-%m-%d %H:%M:%S}")
        expect(time).to_have_attribute("title", re.compile(f"^{utc:%Y-%m-%d %H:%M:%S} UTC, .*(ago|now)$"))
        page.get_by_role("button", name="Times in UTC").click()
        page.reload()
        expect(zone).to_have_text("UTC")
        expect(time).to_have_text(f"{utc:%Y-%m-%d %H:%M:%S}")
        page.get_by_role("button", name="Local times").click()
        expect(zone).to_have_text("GMT+5:30")
