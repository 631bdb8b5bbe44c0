"""The frame of the pages: the menu and the filters on a phone, the pages of a list, suggestions, and the chart."""

import re

from playwright.sync_api import Browser, Page, expect

from tests.browser.company import Company
from tests.browser.conftest import sign_in, watched

PHONE = {"width": 320, "height": 640}
ROWS = "#rows > tr"


def add_events(company: Company, count: int) -> None:
    """Add the changes of people without an employee."""
    for number in range(count):
        company.auth.admin_create(f"guest{number}@example.com")
    company.settle()


def test_another_page_replaces_the_content(page: Page, company: Company) -> None:
    """A link of the pager replaces only the content, moves the focus to it, and a reload shows the same page."""
    add_events(company, 105)
    sign_in(page)
    page.goto("/admin/events")
    newest = page.locator(f"{ROWS} a").first.get_attribute("href")
    page.evaluate("window.isStillHere = true")
    page.get_by_role("link", name="Next").press("Enter")
    expect(page.locator("#total")).to_contain_text("51–100 of")
    expect(page.locator("#content")).to_be_focused()
    expect(page.locator(ROWS).last.locator("time")).to_have_attribute("title", re.compile(" UTC, "))
    page.get_by_role("link", name="Next").press("Enter")
    expect(page.locator("#total")).to_contain_text("101–")
    expect(page.get_by_role("link", name="Next")).to_have_count(0)
    assert page.evaluate("window.isStillHere")
    page.reload()
    expect(page.locator("#total")).to_contain_text("101–")
    page.get_by_role("link", name="Previous").click()
    expect(page.locator("#total")).to_contain_text("51–100 of")
    page.get_by_role("link", name="First").click()
    expect(page.locator(f"{ROWS} a[href='{newest}']")).to_be_visible()


def test_the_back_button_shows_the_former_page(page: Page, company: Company) -> None:
    """The back button of the browser shows the former page of a list, and its buttons work."""
    add_events(company, 55)
    sign_in(page)
    page.goto("/admin/events")
    page.get_by_role("link", name="Next").click()
    expect(page.locator("#total")).to_contain_text("51–")
    page.go_back()
    expect(page.locator("#total")).to_contain_text("1–50 of")
    page.get_by_role("button", name="Times in UTC").click()
    expect(page.get_by_role("button", name="Local times")).to_be_visible()


def test_the_rows_of_another_page_are_selected(page: Page, company: Company) -> None:
    """After a link of the pager, all rows of the new page can be selected."""
    add_events(company, 55)
    sign_in(page)
    page.goto("/admin/events")
    page.get_by_role("link", name="Next").click()
    expect(page.locator("#total")).to_contain_text("51–")
    page.get_by_role("link", name="Select all on this page").click()
    expect(page.locator("input.pick:not(:checked)")).to_have_count(0)
    expect(page.get_by_role("link", name="Select none")).to_be_visible()


def test_an_error_of_another_page_is_shown(browser: Browser, server: str, company: Company) -> None:
    """If another page cannot be read, its error is shown."""
    add_events(company, 55)
    with watched(browser, server) as (page, watch):
        watch.expected.add("/admin/events/none")
        sign_in(page)
        page.goto("/admin/events")
        page.locator("a[rel=next]").evaluate(
            """link => {
                const other = document.createElement("a");
                other.href = "/admin/events/none";
                other.textContent = "None";
                link.after(other);
                htmx.process(other.parentElement);
            }"""
        )
        page.get_by_role("link", name="None").click()
        expect(page.get_by_role("heading", name="Not Found")).to_be_visible()
        [said] = watch.found  # htmx writes the error to the console
        assert "404" in said
        watch.found.clear()


def test_lists_work_without_scripts(browser: Browser, server: str, company: Company) -> None:
    """Without scripts, the pager leads to other pages, and the search finds a person."""
    add_events(company, 55)
    company.hire("Grace Lindqvist", "E-1001")
    with watched(browser, server, java_script_enabled=False) as (page, _):
        sign_in(page)
        page.goto("/admin/events")
        page.get_by_role("link", name="Next").click()
        page.get_by_role("link", name="Previous").wait_for()
        assert 1 < page.locator(ROWS).count() < 50
        page.goto("/admin/employees")
        page.get_by_label("Person").fill("grace")
        page.get_by_role("button", name="Search").click()
        expect(page.locator(ROWS)).to_have_count(1)


def test_people_are_suggested(page: Page, company: Company) -> None:
    """While a person is typed, matching employees are suggested. A suggestion finds its employee."""
    company.hire("Grace Lindqvist", "E-1001")
    company.hire("Mei Tanaka", "E-1002")
    sign_in(page)
    for path in ("/admin/employees", "/admin/events"):
        page.goto(path)
        page.get_by_label("Person").press_sequentially("grace l")
        suggested = page.locator("#suggestions option")
        expect(suggested).to_have_count(1)
        expect(suggested).to_have_attribute("value", "grace.lindqvist@example.com")
        expect(suggested).to_have_text("Grace Lindqvist · E-1001")
    page.goto("/admin/employees")
    page.get_by_label("Person").fill("grace.lindqvist@example.com")
    page.keyboard.press("Enter")
    expect(page.locator(ROWS)).to_have_count(1)


def test_an_ended_session_leads_to_the_sign_in(page: Page, company: Company) -> None:
    """If the session has ended, the link to the next page leads to the sign-in, and then back to the page."""
    add_events(company, 55)
    sign_in(page)
    page.goto("/admin/events?operation=INSERT")
    company.hr.execute("delete from public.auth_sync_sessions")
    page.get_by_role("link", name="Next").click()
    page.wait_for_url(re.compile(r"/admin/login\?next="))
    sign_in_again = page.get_by_label("Admin key")
    expect(sign_in_again).to_be_visible()
    assert "/admin/events" in page.url


def test_the_menu_and_the_filters_are_folded_on_a_phone(browser: Browser, server: str, company: Company) -> None:
    """On a phone, the menu opens by keyboard, the filters unfold, nothing scrolls sideways, and no script is needed."""
    with watched(browser, server, viewport=PHONE, java_script_enabled=False) as (page, _):
        sign_in(page)
        menu, link = page.get_by_role("button", name="Menu"), page.get_by_role("link", name="Events", exact=True)
        expect(link).to_be_hidden()
        menu.press("Enter")
        expect(link).to_be_visible()
        page.keyboard.press("Escape")
        expect(link).to_be_hidden()
        menu.click()
        link.click()
        expect(page.get_by_role("heading", name="Events")).to_be_visible()
        expect(page.get_by_label("Person")).to_be_visible()
        expect(page.get_by_label("Outcome")).to_be_hidden()
        page.get_by_text("Filters", exact=True).click()
        expect(page.get_by_label("Outcome")).to_be_visible()
        page.get_by_label("State").select_option("Failed")
        page.get_by_role("button", name="Search").click()
        expect(page.get_by_label("State")).to_be_visible()  # a filter that is set is not folded


def test_no_page_scrolls_sideways_on_the_smallest_screen(browser: Browser, server: str, company: Company) -> None:
    """At 320 pixels, no page with a list and no overview scrolls sideways."""
    company.add_unlinkable("Rita Sandoval")
    with watched(browser, server, viewport=PHONE) as (page, _):
        sign_in(page)
        for name in ("auth-sync", "events", "employees", "replays", "replays/new", "audit", "setup"):
            page.goto(f"/admin/{name}")
            assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), name


def test_an_hour_of_the_chart_leads_to_its_events(page: Page, company: Company) -> None:
    """The tooltip of an hour has its numbers. Its column and its row of the table lead to the events of the hour."""
    company.add_unlinkable("Rita Sandoval")
    sign_in(page)
    hour = page.locator(".plot a").last
    title = hour.locator("title").text_content() or ""
    assert re.fullmatch(r"\d\d \w{3} \d\d:00 to \d\d:00 UTC: .*Failed 1", title)
    hour.click()
    events = page.get_by_role("region", name="Events, newest first")
    expect(events).to_contain_text("Rita Sandoval")
    assert page.get_by_label("From (UTC)").input_value()
    page.goto("/admin/auth-sync")
    page.get_by_text("Numbers by hour and outcome").click()
    page.get_by_role("region", name="Events by hour and outcome").get_by_role(
        "link", name="Rejected by a database rule"
    ).first.click()
    expect(events).to_contain_text("Rita Sandoval")
    expect(page.locator(ROWS)).to_have_count(1)


def test_htmx_adds_no_code_and_no_styles(admin: Page) -> None:
    """htmx evaluates no text, adds no style element, requests only this site, and stores no page in the browser."""
    admin.goto("/admin/employees")
    names = ("allowEval", "includeIndicatorStyles", "selfRequestsOnly", "historyCacheSize", "allowScriptTags")
    assert admin.evaluate("names => names.map(name => htmx.config[name])", list(names)) == [
        False,
        False,
        True,
        0,
        False,
    ]
    assert admin.locator("style").count() == 0
