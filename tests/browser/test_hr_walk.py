"""A day of an HR person in Chromium: the acts of the role `hr`, with their proof in Supabase Auth and in the audit."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.auth_faults import AuthServer
from tests.auth_server import auth_server
from tests.browser.company import Company
from tests.browser.conftest import Watch, served
from tests.integration.signing_in import EMAIL, PASSWORD, admin_in_auth
from webhook_service.auth.supabase_passwords import SupabasePasswords
from webhook_service.errors import AuthRefused

ROW = "Several employees match the login frontdesk@example.com"


@pytest.fixture
def auth(database_url: str) -> Iterator[AuthServer]:
    """Supabase Auth, in which an HR person has an account."""
    admin_in_auth(database_url, role="people_team")
    with auth_server(database_url, hashes_passwords=True) as server:
        yield server


@pytest.fixture
def server(auth: AuthServer, database_url: str, tmp_path: Path) -> Iterator[str]:
    supabase = {"AUTH_ADMIN": "supabase", "SUPABASE_URL": auth.url, "SUPABASE_SERVICE_ROLE_KEY": auth.key}
    roles = {"ADMIN_ROLES": "people_team=hr", "ADMIN_KEY_SIGN_IN": "off"}
    with served(database_url, tmp_path, **supabase, **roles) as url:
        yield url


def signs_in(auth: AuthServer, email: str, password: str) -> str:
    """Whether Auth accepts the password: `yes`, or the code of its refusal."""
    try:
        SupabasePasswords(auth.url, auth.key).check_password(email, password)
    except AuthRefused as error:
        return str(error.code)
    return "yes"


def inbox(page: Page) -> None:
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Inbox").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Inbox")


def opens(page: Page, name: str) -> None:
    """Find an employee in the list, and open the page."""
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Employees").click()
    page.get_by_role("search").get_by_label("Person").fill(name)
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)


def timeline(page: Page) -> list[str]:
    """The sentences about an employee, newest first."""
    return page.get_by_role("list", name="What happened, newest first").locator("li > p:first-child").all_inner_texts()


def shown_password(page: Page) -> str:
    """The password on the page, which no other page shows."""
    password = page.get_by_label("Temporary password").input_value()
    page.get_by_role("main").get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Nia Wu")
    assert password not in page.content()
    return password


def test_the_day_of_an_hr_person(page: Page, watch: Watch, company: Company, auth: AuthServer) -> None:
    """HR resolves what the inbox shows, corrects, hires and dismisses people, and finds all of it in the audit."""
    company.ambiguous("frontdesk@example.com", "Alma Reyes", "Otto Lind")
    company.hire("Vera Lindholm", "E-7", "vera@sample.com")
    company.settle()
    page.on("dialog", lambda question: question.accept())

    page.goto("/admin/inbox")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    row = page.get_by_role("listitem").filter(has_text=ROW)
    expect(row).to_contain_text("Choose the one who owns it.")
    row.get_by_role("button", name="It is Alma Reyes").click()
    expect(page.get_by_role("status").first).to_contain_text("Login given.")
    expect(page.get_by_text("Nothing needs attention.")).to_be_visible()
    page.get_by_role("button", name="Compare now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Employees and logins, compared")

    opens(page, "Alma Reyes")
    page.get_by_role("button", name="Take this login away").click()
    expect(page.get_by_role("status").first).to_contain_text("Login taken away.")
    assert timeline(page)[0].startswith("Not applied: several employees match.")
    assert timeline(page)[1] == f"Login taken away by {EMAIL}."
    inbox(page)
    row.get_by_role("button", name="It is Otto Lind").click()
    expect(page.get_by_text("Nothing needs attention.")).to_be_visible()

    opens(page, "Vera Lindholm")
    page.get_by_role("link", name="Edit e-mail, names and number").click()
    page.get_by_label("E-mail").fill("vera@example.com")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("definition").filter(has_text="vera@example.com")).to_be_visible()

    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Employees").click()
    page.get_by_role("link", name="New employee").click()
    for label, value in (("E-mail", "nia.wu@example.com"), ("First name", "Nia"), ("Last name", "Wu")):
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Create").click()
    first = shown_password(page)
    assert signs_in(auth, "nia.wu@example.com", first) == "yes"
    page.get_by_role("button", name="New temporary password").click()
    second = shown_password(page)
    assert signs_in(auth, "nia.wu@example.com", first) == "invalid_credentials"
    assert signs_in(auth, "nia.wu@example.com", second) == "yes"

    page.get_by_role("button", name="Deactivate").click()
    expect(page.get_by_role("status").first).to_contain_text("Deactivated. The login can no longer sign in.")
    expect(page.get_by_text("The employee is inactive, and the login is banned.")).to_be_visible()
    assert signs_in(auth, "nia.wu@example.com", second) == "user_banned"
    company.settle()  # the sessions of a banned login end a second time before the action is done
    page.reload()
    sentences = timeline(page)
    assert sentences.index("Login disabled in Supabase Auth after deactivation.") < sentences.index(
        f"Deactivated by {EMAIL}."
    )
    assert sentences.index(f"Deactivated by {EMAIL}.") < sentences.index(f"New temporary password set by {EMAIL}.")
    assert f"Login nia.wu@example.com created by {EMAIL}." in sentences

    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Audit").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8-sig"))))
    nia = f"employee:{company.employee('Nia Wu')}"
    assert {row["who"] for row in rows} == {EMAIL}
    assert [(row["action"], row["target"] or row["email"]) for row in rows] == [
        ("export audit", ""),
        ("deactivate", nia),
        ("set a temporary password", nia),
        ("create an employee", "nia.wu@example.com"),
        ("edit an employee", "employee:3"),
        ("link a login", "employee:2"),
        ("take a login away", "employee:1"),
        ("compare employees and logins", ""),
        ("link a login", "employee:1"),
        ("signed in", ""),
    ]
    assert {row["result"] for row in rows[1:]} == {"done"}
