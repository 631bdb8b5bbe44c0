"""Forms in a browser: a session that ends before a form is sent, and a shared employee number."""

from playwright.sync_api import Page, expect

from tests.browser.company import Company
from tests.browser.conftest import Watch
from tests.conftest import ADMIN_KEY
from webhook_service.web.pages.interrupted import ENDED, NOT_MADE


def signs_in_again(page: Page, company: Company, button: str) -> None:
    """End all sessions, press the button, and sign in."""
    company.hr.execute("update auth_sync_sessions set ended_at = now()")
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_text(ENDED)).to_be_visible()
    page.get_by_label("Admin key").fill(ADMIN_KEY)
    page.get_by_role("button", name="Sign in with the key").click()
    expect(page.get_by_text(NOT_MADE)).to_be_visible()


def test_a_form_survives_the_end_of_the_session(admin: Page, company: Company) -> None:
    """An admin who signs in again is on the page of the form, with the typed values or the same button."""
    nadia = f"/admin/employees/{company.hire('Nadia Rahman')}"
    admin.goto(f"{nadia}/edit")
    admin.get_by_label("First name").fill("Nadja")
    signs_in_again(admin, company, "Save")
    admin.wait_for_url(f"**{nadia}/edit")
    expect(admin.get_by_label("First name")).to_have_value("Nadja")
    admin.on("dialog", lambda dialog: dialog.accept())
    admin.goto(nadia)
    signs_in_again(admin, company, "Deactivate")
    admin.wait_for_url(f"**{nadia}")
    expect(admin.get_by_role("button", name="Deactivate", exact=True)).to_be_visible()


def test_a_shared_number_is_confirmed(admin: Page, company: Company, watch: Watch) -> None:
    """An admin who has read that another employee has the number may create the employee with it."""
    watch.expected.add("/admin/employees/new")
    company.hire("Nadia Rahman", "E-17")
    admin.goto("/admin/employees/new")
    admin.get_by_label("E-mail").fill("lena.fox@example.com")
    admin.get_by_label("Employee number").fill("E-17")
    admin.get_by_role("button", name="Create", exact=True).click()
    expect(admin.get_by_role("link", name="Nadia Rahman")).to_be_visible()
    admin.get_by_role("button", name="Create anyway").click()
    expect(admin.get_by_label("Temporary password")).to_be_visible()
