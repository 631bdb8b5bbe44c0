"""The form of a new employee warns of a shared employee number, which decides which login belongs to an employee."""

from collections.abc import Iterator

import pytest

from tests.employees import Connection, hire
from tests.integration.signing_in import Browser, local, pages
from webhook_service.settings import Settings

FORM = {"email": "new@example.com", "first_name": "Nina", "employee_number": "17", "login": "password"}


@pytest.fixture
def browser(settings: Settings) -> Iterator[Browser]:
    with pages(local(settings)) as app:
        browser = Browser(app)
        browser.signs_in()
        yield browser


@pytest.fixture
def bob(connection: Connection) -> int:
    return hire(connection, "bob@example.com", first_name="Bob", last_name="Fox", employee_number="17")


def emails(connection: Connection) -> list[str]:
    return [row["email"] for row in connection.execute("select email from employees order by employee_id")]


@pytest.mark.every_employees_table
def test_a_shared_number_is_warned_of_before_the_creation(browser: Browser, connection: Connection, bob: int) -> None:
    """If another employee has the number, nobody is created, and the form names the other with what was typed."""
    answer = browser.sends("/admin/employees/new", **FORM)
    assert answer.status_code == 422
    assert f'<a href="/admin/employees/{bob}">Bob Fox</a> has the same employee number' in answer.text
    assert 'value="Nina"' in answer.text
    assert emails(connection) == ["bob@example.com"]


@pytest.mark.every_employees_table
def test_an_admin_may_create_with_a_shared_number(browser: Browser, connection: Connection, bob: int) -> None:
    """After the warning, the same form creates the employee."""
    assert 'name="shared_number" value="17"' in browser.sends("/admin/employees/new", **FORM).text
    assert browser.sends("/admin/employees/new", **FORM, shared_number="17").status_code == 200
    assert emails(connection) == ["bob@example.com", "new@example.com"]


def test_another_shared_number_is_warned_of_again(browser: Browser, connection: Connection, bob: int) -> None:
    """If the number was changed after the warning, the form warns of the new number too."""
    hire(connection, "eve@example.com", first_name="Eve", employee_number="18")
    answer = browser.sends("/admin/employees/new", **FORM | {"employee_number": "18"}, shared_number="17")
    assert (answer.status_code, ">Eve</a> has the same employee number" in answer.text) == (422, True)


def test_a_number_of_nobody_else_needs_no_question(browser: Browser, connection: Connection, bob: int) -> None:
    """An employee with a number of their own, or without a number, is created at once."""
    for email, number in (("a@example.com", "18"), ("b@example.com", "")):
        answer = browser.sends("/admin/employees/new", **FORM | {"email": email, "employee_number": number})
        assert answer.status_code == 200
    assert emails(connection) == ["bob@example.com", "a@example.com", "b@example.com"]
