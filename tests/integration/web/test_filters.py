"""Lists whose filter has an unknown value, or matches nothing."""

import pytest

from tests.employees import Connection, hire
from tests.integration.signing_in import Browser


@pytest.mark.parametrize(
    "query", ["status=DONE", "outcome=nonsense", "since=yesterday", "employee_id=x", "needs_attention=maybe"]
)
def test_a_wrong_filter_shows_no_events(browser: Browser, connection: Connection, query: str) -> None:
    """A filter with an unknown value shows its error and no events, instead of all events."""
    connection.execute(
        "insert into integration_sync_log (event_id, direction, operation, via)"
        " values ('evt-1', 'inbound', 'INSERT', 'relay')"
    )
    page = browser.get(f"/admin/events?{query}").text
    assert "Nothing is shown, because the filter has an error" in page
    assert "/admin/events/evt-1" not in page
    assert "Replay these" not in page


def test_an_unknown_list_of_employees_is_an_error(browser: Browser, connection: Connection) -> None:
    """An unknown sync status is named as an error, instead of a list of everyone."""
    hire(connection, "jane@example.com")
    page = browser.get("/admin/employees?sync_status=GONE").text
    assert "Nothing is shown, because there is no sync status “GONE”." in page
    assert "jane@example.com" not in page


def test_an_empty_list_says_what_to_do(browser: Browser) -> None:
    """An empty list says whether there is nothing yet, or nothing matches, and links to the next step."""
    assert 'No employees yet. <a href="/admin/employees/new">Add one</a>' in browser.get("/admin/employees").text
    found = browser.get("/admin/employees?person=nobody").text
    assert 'No employees match. <a href="/admin/employees">Clear filters</a>' in found
    assert "No events yet." in browser.get("/admin/events").text
    found = browser.get("/admin/events?status=FAILED").text
    assert 'No events match. <a href="/admin/events">Clear filters</a>' in found
