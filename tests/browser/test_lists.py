"""The lists in a browser: the keyboard, and the choice of rows."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import EVERY_RULE, RUN
from tests.browser.company import Company


@pytest.mark.parametrize("path", ["/admin/employees", "/admin/events"])
def test_a_slash_moves_the_focus_to_the_search(admin: Page, path: str) -> None:
    """The key / moves the focus to the search field. In a field it is typed. Escape clears nothing."""
    admin.goto(path)
    field = admin.get_by_role("search").get_by_label("Person")
    admin.keyboard.press("/")
    expect(field).to_be_focused()
    expect(field).to_have_value("")
    admin.keyboard.type("a/b")
    admin.keyboard.press("Escape")
    expect(field).to_have_value("a/b")


def test_all_rows_are_selected_and_deactivated(admin: Page, company: Company) -> None:
    """An admin selects all rows of a search, sees who is meant, confirms, and sees the results."""
    company.hire("Amara Okafor")
    admin.goto("/admin/employees?person=amara")
    admin.get_by_role("link", name="Select all on this page").click()
    expect(admin.get_by_role("checkbox", name="Select Amara Okafor")).to_be_checked()
    admin.get_by_role("link", name="Select none").click()
    box = admin.get_by_role("checkbox", name="Select Amara Okafor")
    expect(box).not_to_be_checked()
    box.focus()
    admin.keyboard.press("Space")
    admin.get_by_role("button", name="Deactivate…").click()
    expect(admin.get_by_role("heading", level=1)).to_contain_text("Deactivate 1 employee?")
    expect(admin.get_by_role("listitem").filter(has_text="Amara Okafor")).to_be_visible()
    admin.get_by_role("button", name="Deactivate").click()
    expect(admin.get_by_role("heading", level=1)).to_contain_text("Deactivate: 1 of 1 done")


HOLD_FORMS = """() => {
  window.refused = [];
  addEventListener("submit", (event) => { refused.push(event.defaultPrevented); event.preventDefault(); });
}"""
"""Keeps the browser from sending forms, and records for each submission whether the page had refused it."""


@pytest.mark.parametrize(
    ("path", "choose", "perform", "says"),
    [
        ("employees", "Create logins…", "Create logins", "Creating logins for 2 employees…"),
        ("events?outcome=unmatched", "Replay selected…", "Replay 2 events", "Replaying 2 events…"),
    ],
)
def test_a_change_of_selected_rows_shows_that_it_is_under_way(
    admin: Page, company: Company, axe: str, path: str, choose: str, perform: str, says: str
) -> None:
    """While selected rows are changed, the page says so with a progress bar, and a second click sends nothing."""
    for name in ("Amara Okafor", "Anton Bauer"):
        company.hire(name)
        company.auth.admin_create(f"guest.{name.split()[0]}@example.com")
    company.settle()
    admin.goto(f"/admin/{path}{'&' if '?' in path else '?'}select=page")
    admin.get_by_role("button", name=choose).click()
    admin.evaluate(HOLD_FORMS)
    button, progress = admin.get_by_role("button", name=perform), admin.get_by_role("progressbar")
    expect(progress).to_have_count(0)
    button.click()
    expect(admin.get_by_role("status")).to_have_text(says)
    expect(progress).to_have_accessible_name(says)
    expect(button).to_be_disabled()
    button.press("Enter")
    assert admin.evaluate("refused") == [False, True]
    admin.evaluate(axe)
    assert admin.evaluate(RUN, EVERY_RULE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_lists_are_accessible_on_a_small_phone(admin: Page, company: Company, axe: str, scheme: str) -> None:
    """The lists and previews follow WCAG 2 AA at a width of 320 px, without horizontal scrolling."""
    company.hire("Amara Okafor", "E-17")
    company.hire("Anton Bauer")
    company.sign_up("Amara Okafor")
    company.settle()
    admin.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    admin.set_viewport_size({"width": 320, "height": 700})

    def check(where: str) -> None:
        admin.evaluate(axe)
        assert admin.evaluate(RUN, EVERY_RULE) == [], where
        assert admin.evaluate("document.documentElement.scrollWidth") <= 320, where

    admin.goto("/admin/employees?sort=name&person=a&select=page")
    check("employees")
    admin.get_by_role("button", name="Create logins…").click()
    check("preview of employees")
    admin.goto("/admin/employees?sort=salary")
    check("error")
    admin.goto("/admin/events?status=SUCCESS&select=page")
    check("events")
    admin.get_by_role("button", name="Replay selected…").click()
    check("preview of events")
