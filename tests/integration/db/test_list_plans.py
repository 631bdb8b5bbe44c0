"""The lists, searches and counts of a large company read a bounded number of rows."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.databases import dropped_afterwards
from tests.integration.db.test_plans import rows_read
from webhook_service.events import Json
from webhook_service.ledger.employees import SyncStatus

pytestmark = pytest.mark.campaign

COMPANY = Path(__file__).with_name("large_company.sql").read_bytes()
A_PAGE, A_SHORT_LIST = 1200, 7000
"""The number of rows that a page of 20 may read, and a list that is counted up to 1,000. The company has 12,000."""

PEOPLE = "select public.auth_sync_list_people_v1('{}', '{}', {}, {}, 20)"
LISTED = "select public.auth_sync_people_v1('{}', {}, 20)"


def people(sort: str, at: str = "null", *, is_back: bool = False, **filter: Json) -> str:
    return PEOPLE.format(json.dumps(filter, ensure_ascii=False), sort, at, str(is_back).lower())


CALLS: dict[str, tuple[str, int]] = {
    **{f"everyone by {sort}": (people(sort), A_PAGE) for sort in ("id", "-id", "name", "email", "-email", "number")},
    **{f"everyone by {sort}, far on": (people(sort, "6000"), A_PAGE) for sort in ("id", "-id", "email", "-number")},
    **{f"everyone by {sort}, back": (people(sort, "6000", is_back=True), A_PAGE) for sort in ("id", "email", "number")},
    **{f"list of {status}": (people("id", sync_status=status), A_SHORT_LIST) for status in SyncStatus},
    **{f"list of {status} by name": (people("name", sync_status=status), A_SHORT_LIST) for status in SyncStatus},
    **{f"list of {status}, far on": (people("id", "6000", sync_status=status), A_SHORT_LIST) for status in SyncStatus},
    "search for a frequent name": (people("id", person="bjorn"), A_SHORT_LIST),
    "search for an e-mail": (people("id", person="person8@example.com"), A_PAGE),
    "search for a number": (people("id", person="77"), A_PAGE),
    "search in a list": (people("id", sync_status="OK", person="paul"), A_SHORT_LIST),
    **{f"API: {status}": (LISTED.format(json.dumps({"sync_status": status}), 6000), A_PAGE) for status in SyncStatus},
    "API: inactive": (LISTED.format('{"is_active": false}', 6000), A_PAGE),
    "API: a frequent name": (LISTED.format('{"person": "bjorn"}', "null"), A_PAGE),
    "suggestions": ('select public.auth_sync_people_v1(\'{"person": "pa"}\', null, 8, 8)', A_PAGE),
    "people of a search": ("select count(*) from public.auth_sync_find_people_v1('bjorn')", A_PAGE),
    "chosen": ("select public.auth_sync_chosen_people_v1('[6001, 6002, 6003]')", A_PAGE),
    **{
        f"inbox, group {group}": (f"select public.auth_sync_inbox_group_v1({group}, null, 20)", A_PAGE)
        for group in range(1, 10)
    },
    **{
        f"inbox, group {group}, far on": (f"select public.auth_sync_inbox_group_v1({group}, {at}, 20)", A_PAGE)
        for group, at in ((2, 6000), (6, 6000), (7, 6000), (8, 6000), (9, 6000), (3, 16000), (4, 16000), (5, 14000))
    },
    "inbox": ("select public.auth_sync_inbox_v1(null, null, 20)", A_PAGE),
    "number of the inbox": ("select public.auth_sync_inbox_count_v1(100)", A_PAGE),
    "timeline": ("select public.auth_sync_timeline_v1(9, null, 20)", A_PAGE),
    "timeline of many events": ("select public.auth_sync_timeline_v1(8, null, 20)", A_SHORT_LIST),
    "person": ("select public.auth_sync_person_v1(8)", A_PAGE),
    "events": ("select public.auth_sync_search_v1('{}', null, 20)", A_PAGE),
    "events of a person": ('select public.auth_sync_search_v1(\'{"person": "bjorn"}\', null, 20)', A_PAGE),
    **{
        f"events: {filter}": (f"select public.auth_sync_search_v1('{filter}', 9000, 20)", A_PAGE)
        for filter in ('{"status": "SUCCESS"}', '{"outcome": "synced"}', '{"operation": "UPDATE"}')
    },
    "events back": ("select public.auth_sync_search_v1('{}', null, 20, 6000)", A_PAGE),
}


@pytest.fixture(scope="module")
def company(new_database: Callable[..., str], migrated_template: str) -> Iterator[str]:
    """A database with the large company, which has been compared with Auth."""
    with dropped_afterwards(new_database(migrated_template)) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute(COMPANY)
            connection.execute("vacuum analyze")
            while True:
                [(next_in,)] = connection.execute(
                    "select (auth_sync_refresh_mismatches_v1() ->> 'next_in')::float"
                ).fetchall()
                if next_in > 0:
                    break
        yield url


@pytest.mark.parametrize("call", CALLS)
def test_a_page_reads_a_bounded_number_of_rows(company: str, call: str) -> None:
    """The rows that a page reads depend on the page and on the limit of a short list, not on the company's size."""
    statement, at_most = CALLS[call]
    with psycopg.connect(company, row_factory=dict_row) as connection:
        before = rows_read(connection)
        connection.execute(statement.encode())
        assert rows_read(connection) - before <= at_most


def test_the_counts_of_problems_are_those_of_the_monitor(company: str) -> None:
    """The counts by standing, without the employees with a rarer problem, equal a count of every employee's status."""
    with psycopg.connect(company, row_factory=dict_row) as connection:
        [counted] = connection.execute("select auth_sync_problems_v1() as counts").fetchall()
        rows = connection.execute("select sync_status, count(*) as n from auth_sync_monitor group by 1").fetchall()
    expected = {row["sync_status"]: row["n"] for row in rows}
    assert set(expected) == set(SyncStatus)
    assert {status: counted["counts"].get(status, expected["OK"]) for status in SyncStatus} == expected
    assert counted["counts"]["is_capped"] is False
