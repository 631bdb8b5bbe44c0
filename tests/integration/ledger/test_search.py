"""Admins search the ledger by the fields of an event, and by a person's name, e-mail, number or id."""

from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from tests.auth_traffic import CONFIRMED, JANE, delete, insert, update
from tests.employees import Connection, hire
from tests.webhook_events import work_of
from webhook_service.events import Json
from webhook_service.inbound.processing import process_batch
from webhook_service.ledger import queries, replay
from webhook_service.ledger.queries import Filter, filter_json
from webhook_service.policy import Policy
from webhook_service.ports import Database

pytestmark = pytest.mark.every_employees_table

ALONE = UUID(int=5)


@pytest.fixture
def traffic(connection: Connection, database: Database) -> None:
    """Events of all kinds.

    Jane Doe (employee 1) is linked, and then her auth user is deleted. Employees 2 and 3 share an e-mail, so
    the event of a user with this e-mail is ambiguous. One auth user has no employee, one event is pending, and one
    action needs attention.
    """
    hire(connection, "Jane.Doe@example.com", first_name="Jane", last_name="van Doe", employee_number="E-7")
    hire(connection, "office@example.com"), hire(connection, "office@example.com")
    sent = [
        insert(at=1, email="jane.doe@example.com", email_confirmed_at=CONFIRMED),
        update(at=2, email="jane.doe@example.com", email_confirmed_at=CONFIRMED),
        insert(UUID(int=3), at=3, email="office@example.com", email_confirmed_at=CONFIRMED),
        insert(ALONE, at=4, email="alone@example.com", email_confirmed_at=CONFIRMED),
        delete(at=5, email="jane.doe@example.com"),
    ]
    for number, webhook in enumerate(sent, start=1):
        process_batch(database, [work_of(webhook, f"evt-{number}")], Policy())
    connection.execute(
        "insert into integration_sync_log"
        " (event_id, direction, operation, status, outcome, error_message, via, auth_user_id) values"
        " ('evt-6', 'inbound', 'UPDATE', 'PENDING', null, null, 'capture', gen_random_uuid()),"
        " ('act-7', 'outbound', 'disable_auth_user', 'FAILED', 'auth_refused', 'no', 'employees', gen_random_uuid())"
    )


def found(database: Database, **filter: Any) -> list[str]:
    page = queries.search(database, filter_json(Filter().load(filter)), below=None, limit=50)
    listed = [event["event_id"] for event in page["events"]]
    same = queries.events(database, filter_json(Filter().load(filter)), below=None, limit=50)
    assert [event["event_id"] for event in same["events"]] == listed
    assert queries.counts(database, filter_json(Filter().load(filter)))["matched"] == len(listed)
    return listed


FILTERS: list[tuple[dict[str, Json], str]] = [
    ({}, "act-7 evt-6 evt-5 evt-4 evt-3 evt-2 evt-1"),
    ({"status": "FAILED"}, "act-7 evt-3"),
    ({"status": "PENDING"}, "evt-6"),
    ({"status": "SUCCESS", "operation": "INSERT"}, "evt-4 evt-1"),
    ({"outcome": "unmatched"}, "evt-4"),
    ({"outcome": "unmatched", "operation": "DELETE"}, ""),
    ({"operation": "UPDATE"}, "evt-6 evt-2"),
    ({"operation": "UPDATE", "status": "PENDING"}, "evt-6"),
    ({"direction": "outbound"}, "act-7"),
    ({"needs_attention": True}, "act-7"),
    ({"needs_attention": True, "direction": "inbound"}, ""),
    ({"needs_attention": False, "status": "FAILED"}, "evt-3"),
    ({"auth_user_id": str(JANE), "operation": "DELETE"}, "evt-5"),
    ({"employee_id": 1, "outcome": "linked"}, "evt-1"),
    ({"direction": "inbound", "until": "2020-01-01T00:00:00Z"}, ""),
    ({"status": "FAILED", "since": "2020-01-01T00:00:00Z"}, "act-7 evt-3"),
]
TYPED = [
    (" JANE.DOE@Example.com ", "evt-5 evt-2 evt-1"),
    ("jane.d", "evt-5 evt-2 evt-1"),
    ("jane van", "evt-5 evt-2 evt-1"),
    ("Van Doe,  Jane", "evt-5 evt-2 evt-1"),
    ("e-7", "evt-5 evt-2 evt-1"),
    ("1", "evt-5 evt-2 evt-1"),
    (str(JANE).upper(), "evt-5 evt-2 evt-1"),
    ("alone@", "evt-4"),
    (str(ALONE), "evt-4"),
    ("nobody", ""),
    ("%", ""),
    ("_ane", ""),
    ("' or true --", ""),
    ("  ", "act-7 evt-6 evt-5 evt-4 evt-3 evt-2 evt-1"),
]


@pytest.mark.usefixtures("traffic")
def test_all_filters_must_match(database: Database) -> None:
    """A search returns the events that match all filters, newest first. The count and the API's list agree."""
    for filter, expected in FILTERS:
        assert found(database, **filter) == expected.split(), filter


@pytest.mark.usefixtures("traffic")
def test_a_person_is_found_by_typed_text(database: Database) -> None:
    """A search ignores case and spaces. It finds employees with a deleted login, and auth users without an employee."""
    for typed, expected in TYPED:
        assert found(database, person=typed) == expected.split(), typed


@pytest.mark.usefixtures("traffic")
def test_the_people_that_match_are_shown(database: Database) -> None:
    """A search by person returns the matching people with name and e-mail, and the person of each event."""
    page = queries.search(database, {"person": "jane"}, below=None, limit=1)
    [jane] = page["people"]
    assert (jane["employee_id"], jane["name"], jane["email"]) == (1, "Jane van Doe", "Jane.Doe@example.com")
    assert (page["events"][0]["person"], page["next"]) == ("Jane van Doe", page["events"][0]["id"])
    assert (
        queries.search(database, {"person": "alone"}, below=None, limit=1)["events"][0]["person"] == "alone@example.com"
    )


@pytest.mark.usefixtures("traffic")
def test_pages_continue_below_an_id(database: Database) -> None:
    """The pages of a search show each event once, whichever index PostgreSQL uses."""
    for filter in ({}, {"status": "SUCCESS"}, {"direction": "inbound"}, {"person": "jane"}):
        whole = [event["id"] for event in queries.search(database, filter, below=None, limit=50)["events"]]
        pages, below = [], None
        while page := queries.search(database, filter, below=below, limit=1):
            pages += [event["id"] for event in page["events"]]
            if (below := page["next"]) is None:
                break
        assert pages == whole


@pytest.mark.usefixtures("traffic")
def test_a_replay_takes_the_events_of_a_search(database: Database) -> None:
    """The filters of a search have the same meaning in a replay."""
    done = replay.replay_events(database, Policy(), {"person": "jane"}, requested_by="test", dry_run=True)
    assert done.matched == 3
    needs_attention = replay.replay_events(
        database, Policy(), {"needs_attention": "True"}, requested_by="test", dry_run=True
    )
    assert needs_attention.matched == 0


@pytest.mark.usefixtures("traffic")
def test_hours_count_by_outcome(database: Database) -> None:
    """The counts of an hour are by outcome. An event without an outcome counts as pending."""
    reported = queries.hours(database, 2)
    assert {(h["direction"], h["outcome"]): h["events"] for h in reported["hours"]} == {
        ("inbound", "linked"): 1,
        ("inbound", "unchanged"): 1,
        ("inbound", "ambiguous"): 1,
        ("inbound", "unmatched"): 1,
        ("inbound", "orphaned"): 1,
        ("inbound", "pending"): 1,
        ("outbound", "auth_refused"): 1,
    }
    assert reported["is_estimated"] is False


def test_a_large_ledger_is_narrowed_and_sampled(connection: Connection, database: Database) -> None:
    """In a large ledger, a search by time finds a rare outcome. The estimated counts are close to the true ones."""
    connection.execute(
        "insert into integration_sync_log"
        " (event_id, direction, operation, status, outcome, via, created_at, completed_at)"
        " select 'evt-' || n, 'inbound', 'UPDATE', 'SUCCESS',"
        "        case when n % 50000 = 0 then 'orphaned' else 'synced' end, 'relay', t, t"
        "   from generate_series(1, 120000) as n, lateral (select now() - interval '2 s' * (120000 - n) as t) as at"
    )
    connection.execute("analyze integration_sync_log")
    ago = "now() - interval '2 s' * 20000"
    [until] = connection.execute(f"select {ago} + interval '1 s' as t").fetchall()  # noqa: S608
    rare = {"outcome": "orphaned", "until": until["t"].isoformat()}
    assert [e["event_id"] for e in queries.search(database, rare, below=None, limit=50)["events"]] == [
        "evt-100000",
        "evt-50000",
    ]
    reported = queries.hours(database, 72)
    assert reported["is_estimated"]
    assert sum(hour["events"] for hour in reported["hours"]) == pytest.approx(120000, rel=0.02)
    assert queries.counts(database, {"outcome": "synced"})["matched"] == pytest.approx(119998, rel=0.1)


@pytest.mark.parametrize("filter", [{"auth_user_id": str(JANE)}, {"employee_id": "1"}, {"person": "jane"}])
def test_a_person_is_found_in_every_span_of_the_ledger(
    connection: Connection, database: Database, filter: dict[str, Json]
) -> None:
    """A search by person reads one span of ids after another. It finds each event, also after an empty span."""
    hire(connection, "jane@example.com", auth_user_id=JANE)
    span = 2**18
    ids = [5, span - 1, span, 4 * span + 1, 4 * span + 2]
    connection.execute(
        "insert into integration_sync_log (id, event_id, direction, operation, status, outcome, via, completed_at,"
        "                                  auth_user_id, employee_id) overriding system value"
        " select id, 'evt-' || id, 'inbound', 'UPDATE', 'SUCCESS', 'synced', 'relay', now(),"
        "        case when %s then %s::uuid end, 1 from unnest(%s::bigint[]) as id",
        ["employee_id" not in filter, JANE, ids],
    )
    hers = sorted(ids, reverse=True)
    assert [event["id"] for event in queries.search(database, filter, below=None, limit=50)["events"]] == hers
    assert queries.counts(database, filter)["matched"] == len(ids)
    for newer, older in pairwise(hers):
        page = queries.search(database, filter, below=newer, limit=1)["events"]
        assert [event["id"] for event in page] == [older]


def test_an_empty_ledger_has_no_span(database: Database) -> None:
    """A search by person in an empty ledger finds nothing."""
    assert queries.search(database, {"auth_user_id": str(JANE)}, below=None, limit=50)["events"] == []
