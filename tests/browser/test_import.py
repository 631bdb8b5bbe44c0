"""An admin imports employees in Chromium. axe-core finds no violation on the pages."""

from uuid import uuid4

import pytest
from playwright.sync_api import Page

from tests.browser.axe import RULES, RUN
from tests.browser.conftest import Watch
from tests.employees import Connection, employee, hire
from tests.integration.captured import nothing_linked

FILE = """Employee Number;E-mail;Last name;is_active
1;jane@example.com;Roe;
2;nia@example.com;Wu;yes
3;kim@example.com;Oh;perhaps
"""


@pytest.fixture
def check(axe: str) -> object:
    """Check the page with axe-core, in light and dark, and on screens down to 320 pixels."""

    def run(page: Page) -> None:
        page.evaluate(axe)
        for scheme, rules in RULES.items():
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert page.evaluate(RUN, rules) == []
        page.set_viewport_size({"width": 320, "height": 700})
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
        page.set_viewport_size({"width": 1280, "height": 800})

    return run


def choose(page: Page, text: str) -> None:
    page.get_by_label("CSV file").set_input_files({"name": "e.csv", "mimeType": "text/csv", "buffer": text.encode()})
    page.get_by_role("button", name="Show what would change").click()


def test_an_admin_imports_a_file(admin: Page, watch: Watch, connection: Connection, check: object) -> None:
    """The admin chooses a file, reads the plan, skips the refused line, and imports the others."""
    assert callable(check)
    jane = hire(connection, "jane@example.com", employee_number="1", first_name="Jane", last_name="Doe")
    watch.expected.add("/admin/employees/import")
    admin.goto("/admin/employees")
    admin.get_by_role("link", name="Import").click()
    check(admin)
    choose(admin, "Salary\n1\n")
    admin.get_by_text("has no such column").wait_for()
    check(admin)
    choose(admin, FILE)
    admin.get_by_role("heading", name="What the import would change").wait_for()
    assert admin.get_by_role("row").filter(has_text="Last name").all_inner_texts() == [
        "2\tJane Roe\tLast name\tDoe\tRoe"
    ]
    assert admin.get_by_role("row").filter(has_text="Line 4").count() == 1
    check(admin)
    admin.get_by_label("Import the other lines").check()
    admin.get_by_role("button", name="Import").click()
    admin.get_by_text("Imported: 1 new, 1 changed, 0 unchanged, 1 refused.").wait_for()
    assert employee(connection, jane)["last_name"] == "Roe"


def test_a_mass_deactivation_is_confirmed(admin: Page, watch: Watch, connection: Connection, check: object) -> None:
    """Employees who are missing in the file leave only if the admin says so, and types the word if they are many."""
    assert callable(check)
    with nothing_linked(connection):
        for number in range(25):
            hire(connection, f"e{number}@example.com", auth_user_id=uuid4())
    admin.goto("/admin/employees/import")
    admin.get_by_label("The file has all employees").check()
    choose(admin, "email\ne0@example.com\n")
    admin.get_by_role("heading", name="Missing in the file").wait_for()
    watch.expected.add(admin.url.removeprefix(watch.url))
    check(admin)
    admin.get_by_role("button", name="Import").click()
    admin.get_by_text("would deactivate an unusual share").wait_for()
    check(admin)
    admin.get_by_label("If they have left").fill("deactivate")
    admin.get_by_role("button", name="Import").click()
    admin.get_by_text("Imported:").wait_for()
    assert len(connection.execute("select from employees where not is_active").fetchall()) == 24
