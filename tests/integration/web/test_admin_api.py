"""The reads of admins by GET /admin/api/..."""

import json
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.auth_traffic import CONFIRMED, JANE, insert, post, update
from tests.conftest import ADMIN_KEY
from tests.employees import Connection, hire

pytestmark = pytest.mark.every_employees_table

AUTHORIZED = {"Authorization": f"Bearer {ADMIN_KEY}"}


@pytest.fixture
def three_events(client: FlaskClient, connection: Connection) -> int:
    """Three events, and the id of the linked employee.

    evt-1 is unconfirmed, evt-2 is linked, and evt-3 is ambiguous and belongs to another user.
    """
    jane = hire(connection, "jane@example.com")
    hire(connection, "office@example.com"), hire(connection, "office@example.com")
    post(client, insert(at=1, email="jane@example.com"), "evt-1")
    post(client, update(at=2, email="jane@example.com", email_confirmed_at=CONFIRMED), "evt-2")
    other = UUID(int=3)
    post(client, insert(other, at=3, email="office@example.com", email_confirmed_at=CONFIRMED), "evt-3")
    return jane


def get(client: FlaskClient, path: str) -> Any:
    response = client.get(f"/admin/api{path}", headers=AUTHORIZED)
    assert response.status_code == 200, response.text
    return response.get_json()


def ids(page: Any) -> list[str]:
    return [event["event_id"] for event in page["events"]]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {ADMIN_KEY}"}, {"Authorization": "Bearer \xe4"}],
    ids=["none", "wrong", "other scheme", "not ASCII"],
)
@pytest.mark.parametrize("path", ["/summary", "/events", "/events/evt-1"])
def test_without_the_admin_key_nothing_is_shown(client: FlaskClient, path: str, headers: dict[str, str]) -> None:
    """A request without the admin key gets a 401 with the authentication scheme that it must use."""
    response = client.get(f"/admin/api{path}", headers=headers)
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("header", [f"bearer {ADMIN_KEY}", f"BEARER {ADMIN_KEY}", f"Bearer  {ADMIN_KEY}"])
def test_the_scheme_is_read_in_any_case(client: FlaskClient, header: str) -> None:
    """The name of the scheme has no case (RFC 9110), and several spaces may follow it."""
    assert client.get("/admin/api/summary", headers={"Authorization": header}).status_code == 200


def test_the_summary_counts_events_and_employees(client: FlaskClient, three_events: int) -> None:
    """The summary counts events by status and by outcome, and employees by the state of their link."""
    summary = get(client, "/summary")
    assert summary["events"] == {"PENDING": 0, "SUCCESS": 2, "FAILED": 1}
    assert summary["outcomes"] == {"unconfirmed": 1, "linked": 1, "ambiguous": 1}
    counts = {"all": 3, "linked": 1, "orphaned": 0, "inactive_and_linked": 0, "is_estimated": False}
    assert summary["employees"] == counts


def test_the_summary_of_an_empty_ledger_is_all_zero(client: FlaskClient) -> None:
    """The summary of an empty ledger has only zeros."""
    assert get(client, "/summary")["events"] == {"PENDING": 0, "SUCCESS": 0, "FAILED": 0}


def test_events_are_listed_newest_first(client: FlaskClient, three_events: int) -> None:
    """Without a filter, the list has all events, the newest first."""
    assert ids(get(client, "/events")) == ["evt-3", "evt-2", "evt-1"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=FAILED", ["evt-3"]),
        ("outcome=linked", ["evt-2"]),
        ("operation=UPDATE", ["evt-2"]),
        (f"auth_user_id={JANE}", ["evt-2", "evt-1"]),
        (f"auth_user_id={JANE}&status=SUCCESS&outcome=unconfirmed", ["evt-1"]),
        ("since=2020-01-01T00:00:00Z&until=2021-01-01T00:00:00Z", []),
        ("since=2020-01-01T00:00:00Z", ["evt-3", "evt-2", "evt-1"]),
    ],
)
def test_filters_narrow_the_list(client: FlaskClient, three_events: int, query: str, expected: list[str]) -> None:
    """An event is listed only if all filters match it."""
    assert ids(get(client, f"/events?{query}")) == expected


def test_events_of_an_employee(client: FlaskClient, three_events: int) -> None:
    """The filter `employee_id` lists the events of that employee."""
    assert ids(get(client, f"/events?employee_id={three_events}")) == ["evt-2"]


def test_pages_follow_each_other_by_cursor(client: FlaskClient, three_events: int) -> None:
    """The cursor of a page leads to the next page, and the last page has no cursor."""
    first = get(client, "/events?limit=2")
    second = get(client, f"/events?limit=2&cursor={first['next_cursor']}")
    assert (ids(first), ids(second), second["next_cursor"]) == (["evt-3", "evt-2"], ["evt-1"], None)


@pytest.mark.parametrize(
    "query",
    [
        "status=DONE",
        "auth_user_id=1",
        "since=yesterday",
        "since=2026-11-22T12:00:00%2B20:00",
        "limit=0",
        "limit=1000",
        "cursor=x",
        "colour=red",
        "employee_id=99999999999999999999",
        "employee_id=1_000",
    ],
)
def test_an_invalid_filter_is_refused_by_name(client: FlaskClient, query: str) -> None:
    """An invalid parameter gets 422 with its name."""
    response = client.get(f"/admin/api/events?{query}", headers=AUTHORIZED)
    assert response.status_code == 422
    assert list(response.get_json()["fields"]) == [query.split("=")[0]]


def test_an_event_shows_its_received_data_and_its_changes(client: FlaskClient, three_events: int) -> None:
    """An event shows the redacted state of the user, the changes and the replays."""
    event = get(client, "/events/evt-2")
    assert event["request_data"]["email"] == "jane@example.com"
    assert event["changes"] == {"auth_user_id": {"from": None, "to": str(JANE)}}
    assert (event["employee_id"], event["replays"]) == (three_events, [])


def test_an_unknown_event_is_not_found(client: FlaskClient) -> None:
    """An unknown event gets 404 as a problem document."""
    response = client.get("/admin/api/events/nope", headers=AUTHORIZED)
    assert (response.status_code, response.get_json()["reason"]) == (404, "event_not_found")


@pytest.mark.parametrize("event_id", ["%00", "%F0%9F%92%A9", "a%20b", "x" * 201])
def test_an_id_that_no_event_can_have_is_not_found(client: FlaskClient, event_id: str) -> None:
    """An impossible event id gets 404 without a database call, because the database could not store the id."""
    assert client.get(f"/admin/api/events/{event_id}", headers=AUTHORIZED).status_code == 404
    assert client.post(f"/admin/api/events/{event_id}/replay", headers=AUTHORIZED).status_code == 404


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b"{", b'{"requested_by": "\\u0000"}', b'{"limit": NaN}', b"\xff"],
    ids=["deep", "broken", "NUL", "NaN", "not UTF-8"],
)
def test_a_body_that_is_not_json_is_refused(client: FlaskClient, body: bytes) -> None:
    """A body that is not valid JSON gets 400."""
    assert client.post("/admin/api/replays", data=body, headers=AUTHORIZED).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        '{"dry_run": "off"}',
        '{"dry_run": 0}',
        '{"limit": 5.9}',
        '{"limit": 1e400}',
        '{"cursor": 17}',
        '{"filter": {"employee_id": 5.9}}',
    ],
)
def test_a_value_of_a_similar_type_is_refused(client: FlaskClient, body: str) -> None:
    """A value of a similar type gets a 422 that names the field.

    A caller who sends "off" for false, or 5.9 for an integer, may have meant another value.
    """
    response = client.post("/admin/api/replays", data=body, headers=AUTHORIZED)
    assert (response.status_code, list(response.get_json()["fields"])) == (422, list(json.loads(body)))


def test_a_body_over_the_limit_is_too_large(client: FlaskClient, app: Flask) -> None:
    """A body over the limit gets 413 with the webhook's reason, on every version of Python."""
    app.config["MAX_CONTENT_LENGTH"] = 10
    response = client.post("/admin/api/replays", json={"requested_by": "Ann"}, headers=AUTHORIZED)
    assert (response.status_code, response.get_json()["reason"]) == (413, "too_large")
