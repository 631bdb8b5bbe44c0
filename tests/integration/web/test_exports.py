"""The lists of the dashboard as CSV files."""

import csv
import io

import pytest
from flask import Flask

from tests.employees import Connection, hire
from tests.integration.signing_in import Browser
from webhook_service.web.pages import exports


def rows(browser: Browser, path: str) -> list[dict[str, str]]:
    response = browser.get(f"/admin/export/{path}")
    assert response.status_code == 200
    assert response.content_type == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"].startswith("attachment")
    return list(csv.DictReader(io.StringIO(response.data.decode("utf-8-sig"))))


def test_employees_are_exported_with_the_filter_of_the_page(browser: Browser, connection: Connection) -> None:
    """The file has all employees that match, on any number of pages, with the columns of the list."""
    for number in range(exports.PAGE_SIZE + 3):
        hire(connection, f"e{number}@example.com", first_name="Jörg")
    hire(connection, "other@", first_name="Ann")
    found = rows(browser, "employees.csv?sync_status=MISSING_AUTH_UID")
    assert len({row["employee_id"] for row in found}) == len(found) == exports.PAGE_SIZE + 3
    assert (found[0]["first_name"], found[0]["sync_status"], found[0]["auth_user_id"]) == (
        *("Jörg", "MISSING_AUTH_UID"),
        "",
    )


@pytest.mark.parametrize("text", ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(1)", "\t=1", "\r=1"])
def test_a_formula_is_exported_as_text(browser: Browser, connection: Connection, text: str) -> None:
    """A name that a spreadsheet would execute as a formula has an apostrophe before it."""
    hire(connection, "jane@example.com", first_name=text)
    assert [row["first_name"] for row in rows(browser, "employees.csv")] == [f"'{text}"]


def test_events_and_the_audit_are_exported(browser: Browser, connection: Connection) -> None:
    """Both files have their rows, newest first, and each export is an entry of the audit with its result."""
    connection.execute(
        "insert into integration_sync_log (event_id, direction, operation, via)"
        " values ('evt-1', 'inbound', 'INSERT', 'relay'), ('evt-2', 'inbound', 'INSERT', 'relay')"
    )
    assert [row["event_id"] for row in rows(browser, "events.csv?status=PENDING")] == ["evt-2", "evt-1"]
    assert rows(browser, "events.csv?status=FAILED") == []
    found = [(row["action"], row["result"], row["reason"]) for row in rows(browser, "audit.csv")]
    assert found[1:3] == [("export events", "done", "0 rows"), ("export events", "done", "2 rows")]


def test_a_large_file_says_that_it_is_not_complete(
    browser: Browser, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file ends at the largest number of rows with a line that says so."""
    monkeypatch.setattr(exports, "PAGE_SIZE", 2)
    monkeypatch.setattr(exports, "MAX_ROWS", 4)
    for number in range(5):
        hire(connection, f"e{number}@example.com")
    text = browser.get("/admin/export/employees.csv").data.decode("utf-8-sig")
    assert text.splitlines()[-1] == "Only the first 4 rows are here. Use a filter to export the others."
    assert len(text.splitlines()) == 6


@pytest.mark.parametrize("path", ["employees.csv?sync_status=GONE", "events.csv?status=DONE"])
def test_a_wrong_filter_exports_nothing(browser: Browser, path: str) -> None:
    """A filter with an unknown value is refused, so that no file has all rows by mistake."""
    response = browser.get(f"/admin/export/{path}")
    assert response.status_code == 422
    assert response.content_type.startswith("text/html")


@pytest.mark.parametrize("name", ["employees", "events", "audit"])
def test_only_admins_export(site: Flask, name: str) -> None:
    """Without a session, an export leads to the sign-in."""
    assert Browser(site).get(f"/admin/export/{name}.csv").status_code == 303
