"""The pages on which an admin imports employees from a CSV file."""

import csv
import io
import re
from uuid import uuid4

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.employees import Connection, employee, hire
from tests.integration.captured import nothing_linked
from tests.integration.signing_in import Browser, redirects_to_sign_in
from webhook_service.web.api import imports

PATH = "/admin/employees/import"
FILE = "employee_number,email,last_name\n1,jane@example.com,Roe\n2,nia@example.com,Wu\n"


def upload(browser: Browser, file: str | bytes, **form: str) -> TestResponse:
    """Choose a file and submit the form."""
    content = io.BytesIO(file.encode() if isinstance(file, str) else file)
    data = form | {"csrf_token": browser.token(), "file": (content, "employees.csv")}
    return browser.client.post(PATH, data=data, content_type="multipart/form-data")


def plan_of(browser: Browser, file: str | bytes, **form: str) -> tuple[str, str]:
    """The path and the text of the plan's page after an upload."""
    answer = upload(browser, file, **form)
    assert answer.status_code == 303, answer.text
    return answer.location, browser.get(answer.location).text


def digest(page: str) -> str:
    found = re.search('name="digest" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def count(connection: Connection) -> int:
    return len(connection.execute("select from employees").fetchall())


def test_the_plan_that_is_shown_is_applied(browser: Browser, connection: Connection) -> None:
    """An upload changes nothing and shows the plan. The button applies it, and the audit has the counts."""
    jane = hire(connection, "jane@example.com", employee_number="1", last_name="Doe")
    path, page = plan_of(browser, FILE)
    assert "<td>Last name</td><td>Doe</td><td>Roe</td>" in page
    assert "nia@example.com" in page
    assert (count(connection), employee(connection, jane)["last_name"]) == (1, "Doe")
    answer = browser.sends(path, digest=digest(page))
    assert (answer.status_code, answer.location) == (303, "/admin/employees")
    assert "Imported: 1 new, 1 changed, 0 unchanged, 0 refused." in browser.get("/admin/employees").text
    assert (count(connection), employee(connection, jane)["last_name"]) == (2, "Roe")
    query = "select result, reason from auth_sync_audit where action = 'import employees'"
    [entry] = connection.execute(query).fetchall()
    assert (entry["result"], entry["reason"]) == ("done", "1 new, 1 changed, 0 unchanged, 0 refused")
    assert browser.get(path).status_code == 404


def test_a_changed_plan_is_shown_again(browser: Browser, connection: Connection) -> None:
    """If an employee has changed since the page was shown, nothing is imported, and the page has the new plan."""
    hire(connection, "jane@example.com", employee_number="1", last_name="Doe")
    path, page = plan_of(browser, FILE)
    connection.execute("update employees set last_name = 'Poe'")
    answer = browser.sends(path, digest=digest(page))
    assert (answer.status_code, count(connection)) == (422, 1)
    assert "The employees have changed since the plan was made" in answer.text
    assert "<td>Poe</td><td>Roe</td>" in answer.text
    assert browser.sends(path, digest=digest(answer.text)).status_code == 303
    assert count(connection) == 2


def test_refused_lines_are_named_and_can_be_skipped(browser: Browser, connection: Connection) -> None:
    """Refused lines are named with their reason. The others are imported only if the admin says so."""
    path, page = plan_of(browser, "email,is_active\na@example.com,maybe\nb@example.com,yes\n")
    assert "is_active: Must be true, false, yes, no, 1, 0, active or inactive." in page
    assert (browser.sends(path, digest=digest(page)).status_code, count(connection)) == (422, 0)
    assert browser.sends(path, digest=digest(page), skip_refused="yes").status_code == 303
    assert count(connection) == 1


def test_a_mass_deactivation_is_confirmed_by_typing(browser: Browser, connection: Connection) -> None:
    """A mass deactivation needs the typed word."""
    with nothing_linked(connection):
        for number in range(25):
            hire(connection, f"e{number}@example.com", auth_user_id=uuid4())
    path, page = plan_of(browser, "email\ne0@example.com\n", deactivate_missing="yes")
    assert "type “deactivate”" in page
    for typed in ("", "yes"):
        assert browser.sends(path, digest=digest(page), confirmation=typed).status_code == 422
    assert employee(connection, 2)["is_active"] is True
    assert browser.sends(path, digest=digest(page), confirmation="Deactivate ").status_code == 303
    assert employee(connection, 2)["is_active"] is False


def test_a_discarded_file_is_deleted(browser: Browser, connection: Connection) -> None:
    """The admin can discard the file, whose lines are then deleted."""
    path, _ = plan_of(browser, FILE)
    assert browser.sends(f"{path}/discard").status_code == 303
    assert connection.execute("select from auth_sync_import_lines").fetchall() == []
    assert browser.get(path).status_code == 404


def test_a_file_that_is_not_a_table_is_explained(browser: Browser) -> None:
    """A file that cannot be read is explained at its field."""
    answer = upload(browser, b"email,Salary\na@example.com,1\n")
    assert (answer.status_code, "has no such column: “salary”" in answer.text) == (422, True)
    assert upload(browser, b"").status_code == 422
    answer = browser.sends(PATH)
    assert (answer.status_code, "Choose a file first." in answer.text) == (422, True)


def test_a_file_may_be_larger_than_a_form(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may be larger than other forms, up to its own limit."""
    file = b"email\n" + b"".join(b"%d@example.com\n" % number for number in range(8000))
    assert upload(browser, file).status_code == 303
    monkeypatch.setattr("webhook_service.web.pages.employee_import.MAX_BYTES", 100_000)
    answer = upload(browser, file)
    assert (answer.status_code, "larger than 5 MB" in answer.text) == (413, True)
    assert imports.MAX_BYTES == 5_000_000


def test_only_an_admin_uploads_a_large_file(site: Flask, connection: Connection) -> None:
    """A visitor who is not signed in is led to the sign-in, and nothing is stored."""
    visitor = Browser(site)
    for size in (10, 20_000):
        file = b"email\n" + b"".join(b"%d@example.com\n" % number for number in range(size))
        assert redirects_to_sign_in(upload(visitor, file))
    assert connection.execute("select from auth_sync_imports").fetchall() == []


def test_an_export_can_be_imported_again(browser: Browser, connection: Connection) -> None:
    """The exported file changes nothing when it is imported, also with cells that a spreadsheet would execute."""
    hire(connection, "=1+1@example.com", employee_number="+49", first_name="@Jane", last_name="-Doe")
    hire(connection, "kim@example.com", first_name='Kim\n"K", Jr.', last_name="O'Hara", is_active=False)
    hire(connection, None, employee_number="7", last_name="'t Hooft")
    file = browser.get("/admin/export/employees.csv").get_data()
    assert b"'=1+1@example.com" in file
    _, page = plan_of(browser, file)
    assert "There is nothing to import." in page
    assert "<dt>Unchanged</dt><dd>3</dd>" in page
    rows = list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"), newline="")))
    rows[0]["last_name"] = "'=cmd"
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], delimiter=";")
    writer.writeheader()
    writer.writerows(rows)
    path, page = plan_of(browser, text.getvalue())
    assert browser.sends(path, digest=digest(page)).status_code == 303
    assert employee(connection, 1)["last_name"] == "=cmd"
