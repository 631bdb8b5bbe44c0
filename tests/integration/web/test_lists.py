"""The lists of employees and events: totals, order, filters and pages."""

import re

import pytest

from tests.employees import Connection, hire
from tests.integration.signing_in import Browser

SHOWN = re.compile(r'href="/admin/employees/(\d+)">([^<]+)</a></td>')


def names(page: str) -> list[str]:
    """Return the names of the listed employees, in order."""
    return [name for _, name in SHOWN.findall(page)]


def link(page: str, text: str) -> str:
    """Return the address of the link with this text."""
    found = re.search(rf'href="([^"]+)"[^>]*>{text}', page)
    assert found is not None, text
    return found[1].replace("&amp;", "&")


@pytest.fixture
def people(connection: Connection) -> None:
    hire(connection, "zoe@example.com", first_name="Zoë", last_name="Ångström", employee_number="E1")
    hire(connection, "bjorn@example.com", first_name="Björn", last_name="Weiß", employee_number="E3")
    hire(connection, "Ann@example.com", first_name="Ann", last_name="Łukasz", employee_number="E2")
    hire(connection, None, first_name="Paul", last_name="Müller")


def many(connection: Connection, count: int) -> None:
    connection.execute(
        "insert into employees (email, first_name, employee_number)"
        " select 'p' || lpad(n::text, 5, '0') || '@example.com', 'P' || lpad(n::text, 5, '0'), 'E' || n"
        " from generate_series(1, %s) as n",
        [count],
    )


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("", ["Zoë Ångström", "Björn Weiß", "Ann Łukasz", "Paul Müller"]),
        ("-id", ["Paul Müller", "Ann Łukasz", "Björn Weiß", "Zoë Ångström"]),
        ("name", ["Zoë Ångström", "Ann Łukasz", "Paul Müller", "Björn Weiß"]),
        ("-name", ["Björn Weiß", "Paul Müller", "Ann Łukasz", "Zoë Ångström"]),
        ("email", ["Ann Łukasz", "Björn Weiß", "Zoë Ångström", "Paul Müller"]),
        ("-email", ["Zoë Ångström", "Björn Weiß", "Ann Łukasz", "Paul Müller"]),
        ("number", ["Zoë Ångström", "Ann Łukasz", "Björn Weiß", "Paul Müller"]),
    ],
)
@pytest.mark.usefixtures("people")
@pytest.mark.every_employees_table
def test_employees_are_sorted(browser: Browser, sort: str, order: list[str]) -> None:
    """The list is sorted by last name without accents, by e-mail, by number or by id. Missing values are last."""
    assert names(browser.get(f"/admin/employees?sort={sort}").text) == order


@pytest.mark.usefixtures("people")
def test_the_header_of_the_sorted_column_says_the_order(browser: Browser) -> None:
    """Only the header of the sorted column has aria-sort, and its link reverses the order."""
    page = browser.get("/admin/employees?sort=email").text
    assert re.findall(r'aria-sort="(\w+)"', page) == ["ascending"]
    assert 'href="/admin/employees?sort=-email">E-mail' in page
    assert re.findall(r'aria-sort="(\w+)"', browser.get("/admin/employees?sort=-email").text) == ["descending"]
    assert "aria-sort" not in browser.get("/admin/employees").text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("sort=salary", "employees cannot be sorted by “salary”"),
        ("after=x", "the list has no page “x”"),
        ("before=1%3B", "the list has no page “1;”"),
        ("after=1&from=-x", "the list has no page “-x”"),
    ],
)
@pytest.mark.usefixtures("people")
def test_an_unknown_order_or_page_is_an_error(browser: Browser, query: str, message: str) -> None:
    """An unknown order or page is named as an error, and nobody is listed."""
    page = browser.get(f"/admin/employees?{query}").text
    assert f"Nothing is shown, because {message}." in page
    assert names(page) == []


def test_an_unknown_page_of_events_is_an_error(browser: Browser) -> None:
    """An unknown page of the events is named as an error."""
    assert "The list has no page “x”." in browser.get("/admin/events?below=x").text


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("bjorn", ["Björn Weiß"]),
        ("BJÖRN", ["Björn Weiß"]),
        ("paul mul", ["Paul Müller"]),
        ("Müller, Paul", ["Paul Müller"]),
        ("weiss", ["Björn Weiß"]),
        ("lukasz", ["Ann Łukasz"]),
        ("angstrom zo", ["Zoë Ångström"]),
        ("%", []),
        ("´", []),
    ],
)
@pytest.mark.usefixtures("people")
@pytest.mark.every_employees_table
def test_a_search_ignores_accents(browser: Browser, typed: str, found: list[str]) -> None:
    """A name is found with and without its accents, in both orders of first and last name."""
    assert names(browser.get("/admin/employees", query_string={"person": typed}).text) == found


def test_a_name_of_combined_characters_is_found(browser: Browser, connection: Connection) -> None:
    """A name that a Mac has written with combining accents is found like any other."""
    hire(connection, "o@example.com", first_name="O\u0308zlem")
    assert names(browser.get("/admin/employees?person=özl").text) == ["O\u0308zlem"]


@pytest.mark.parametrize("sort", ["", "-id", "name", "email", "-number"])
@pytest.mark.parametrize("count", [120, pytest.param(10_060, marks=pytest.mark.campaign)])
def test_pages_continue_in_both_directions(browser: Browser, connection: Connection, sort: str, count: int) -> None:
    """Next and Previous lead through the pages without a gap and back, in lists that are sorted here or by an index."""
    many(connection, count)
    first = browser.get(f"/admin/employees?sort={sort}").text
    second = browser.get(link(first, "Next")).text
    third = browser.get(link(second, "Next")).text
    seen = names(first) + names(second) + names(third)
    assert len(set(seen)) == len(seen) == min(count, 150)
    assert names(browser.get(link(third, "Previous")).text) == names(second)
    assert names(browser.get(link(second, "Previous")).text) == names(first)
    assert names(browser.get(link(third, "First")).text) == names(first)
    assert "51–100 of" in second
    assert "Previous" not in first


def test_the_total_is_exact_up_to_ten_thousand(browser: Browser, connection: Connection) -> None:
    """The list says how many employees there are, and with "about" if it is an estimate."""
    many(connection, 120)
    assert "1–50 of 120 employees" in browser.get("/admin/employees").text
    assert "1–2 of 2 employees" in browser.get("/admin/employees?person=e12").text
    many(connection, 10_000)
    connection.execute("analyze employees")
    page = browser.get("/admin/employees").text
    assert "1–50 of about 10,120 employees" in page


def test_a_long_list_is_not_sorted_by_name(browser: Browser, connection: Connection) -> None:
    """A list of more than 10,000 employees has no order by name, because names have no index, and says so."""
    many(connection, 10_001)
    page = browser.get("/admin/employees?sort=name").text
    assert "This list is too long to be sorted." in page
    assert "sort=name" not in page.split("<thead")[1]
    assert len(names(page)) == 50


def test_a_search_in_a_large_company_lists_a_thousand(browser: Browser, connection: Connection) -> None:
    """With more than 10,000 employees, a search that finds more than 1,000 lists 1,000 of them, and says so."""
    many(connection, 10_001)
    page = browser.get("/admin/employees?person=p0&sort=-name").text
    assert "1–50 of more than 1,000 employees" in page
    assert "Only 1,000 of the people who match “p0” were searched. Type more of the name." in page
    assert names(page)[0] == "P01000"
    exact = browser.get("/admin/employees?person=p0999").text
    assert "1–10 of 10 employees" in exact
    assert "Only the first" not in exact


def test_a_long_list_of_a_large_company_is_not_counted(browser: Browser, connection: Connection) -> None:
    """With more than 10,000 employees, a list of more than 1,000 has an estimated number and the order of creation."""
    many(connection, 10_001)
    connection.execute("update employees set is_active = false where employee_id % 5 <> 0")
    connection.execute("analyze employees")
    page = browser.get("/admin/employees?sync_status=MISSING_AUTH_UID&sort=name").text
    assert "1–50 of about 2,0" in page
    assert "This list is too long to be sorted." in page


def test_a_search_lists_all_matches(browser: Browser, connection: Connection) -> None:
    """A search has as many pages as its matches need."""
    many(connection, 120)
    first = browser.get("/admin/employees?person=p0").text
    assert "1–50 of 120 employees" in first
    assert "51–100 of 120 employees" in browser.get(link(first, "Next")).text


def test_a_filter_is_removed_by_its_chip(browser: Browser, connection: Connection) -> None:
    """Each active filter is a link that removes only this filter, and one link removes all."""
    hire(connection, "jane@example.com", first_name="Jane")
    page = browser.get("/admin/employees?sync_status=MISSING_AUTH_UID&person=jane").text
    assert (
        'href="/admin/employees?sync_status=MISSING_AUTH_UID"><span class="visually-hidden">Remove the filter' in page
    )
    assert 'href="/admin/employees?person=jane"><span class="visually-hidden">Remove the filter' in page
    assert 'href="/admin/employees">Clear filters</a>' in page
    events = browser.get("/admin/events?status=FAILED&open=true&since=2026-11-22T10:00").text
    assert 'href="/admin/events?open=true&amp;since=2026-11-22T10:00:00%2B00:00"><span' in events
    assert "From: 2026-11-22 10:00:00 UTC" in events


@pytest.mark.parametrize("query", ["", "status=SUCCESS", "employee_id=7", "operation=INSERT", "direction=inbound"])
@pytest.mark.every_employees_table
def test_pages_of_events_continue_in_both_directions(browser: Browser, connection: Connection, query: str) -> None:
    """Next and Previous lead through the events without a gap and back, with the position."""
    connection.execute(
        "insert into integration_sync_log (event_id, direction, operation, via, status, outcome, completed_at,"
        " employee_id) select 'evt-' || n, 'inbound', 'INSERT', 'relay', 'SUCCESS', 'unchanged', now(), 7"
        " from generate_series(1, 120) as n"
    )

    def ids(page: str) -> list[str]:
        return re.findall(r'href="/admin/events/(evt-\d+)"', page)

    first = browser.get(f"/admin/events?{query}").text
    second = browser.get(link(first, "Next")).text
    third = browser.get(link(second, "Next")).text
    assert ids(first) + ids(second) + ids(third) == [f"evt-{n}" for n in range(120, 0, -1)]
    assert "1–50 of 120 events" in first
    assert "101–120 of 120 events" in third
    assert ids(browser.get(link(third, "Previous")).text) == ids(second)
    assert ids(browser.get(link(second, "Previous")).text) == ids(first)


@pytest.mark.parametrize("path", ["/admin/employees", "/admin/events"])
@pytest.mark.parametrize("query", ["endpoint=x", "_method=POST", "_external=1&_scheme=x", "_anchor=x"])
def test_a_list_ignores_unknown_parameters(browser: Browser, connection: Connection, path: str, query: str) -> None:
    """A list with a parameter that it does not know is the list, and its links lead to this service."""
    hire(connection, "jane@example.com")
    page = browser.get(f"{path}?{query}")
    assert (page.status_code, "http://localhost" in page.text) == (200, False)


def test_the_pages_of_the_audit_and_the_replays(browser: Browser, connection: Connection) -> None:
    """The audit and the replays have the links Next and First, as the other lists have."""
    connection.execute(
        "insert into auth_sync_audit (who, action) select 'ann', 'act ' || n from generate_series(1, 60) as n"
    )
    connection.execute(
        "insert into auth_sync_bulk_replays (requested_by, filter, matched, up_to, position, status, ended_at)"
        " select 'ann', '{}', 0, 0, 0, 'DONE', now() from generate_series(1, 60)"
    )
    for path, row in (("/admin/audit", "<td>ann</td>"), ("/admin/replays", "<td>ann</td>")):
        first = browser.get(path).text
        assert (first.count(row), ">First</a>" in first, ">Next</a>" in first) == (50, False, True)
        second = browser.get(link(first, "Next")).text
        assert (second.count(row), ">Next</a>" in second, link(second, "First")) == (10, False, path)
