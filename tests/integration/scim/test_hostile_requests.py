"""Random filters, paths and values over HTTP: none is an error of the server."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.scim.requests import JANE, Requests, requests_of
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.scim.attributes import CORE, ENTERPRISE
from webhook_service.settings import Settings

hostile = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

NAMES = st.sampled_from(
    ["userName", "emails", "emails.value", "emails.type", "name", "name.givenName", "active", "externalId", "id"]
    + [
        "meta.created",
        "meta.lastModified",
        "meta.resourceType",
        "title",
        f"{ENTERPRISE}:employeeNumber",
        ENTERPRISE,
        CORE,
    ]
)
LITERALS = st.one_of(
    st.sampled_from(
        [
            "true",
            "null",
            "5",
            "-1.5e300",
            '"2026-01-01T00:00:00Z"',
            '"0001-01-01T00:00:00Z"',
            '"9999-12-31T23:59:59-12:00"',
        ]
    ),
    st.text(max_size=8).map(json.dumps),
    st.text(max_size=8).map(lambda text: f'"{text}"'),
)
OPERATORS = st.sampled_from(["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "EQ", "xx"])
TESTS = st.tuples(NAMES, OPERATORS, LITERALS).map(" ".join) | NAMES.map(lambda name: f"{name} pr")
FILTERS = st.recursive(
    TESTS,
    lambda inner: (
        st.tuples(inner, inner).map(" and ".join)
        | st.tuples(inner, inner).map(" or ".join)
        | inner.map(lambda part: f"not ({part})")
        | inner.map(lambda part: f"({part})")
        | inner.map(lambda part: f"emails[{part}]")
    ),
    max_leaves=8,
)
PATHS = NAMES | st.tuples(NAMES, FILTERS, st.sampled_from(["", ".value", ".type", ".", ".1"])).map(
    lambda parts: f"{parts[0]}[{parts[1]}]{parts[2]}"
)
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10)
    | st.sampled_from(["a@example.com", "True", "x" * 300, "\u212a@example.com", "2026-01-01"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(PATHS | st.sampled_from(["value", "type", "primary"]), inner, max_size=4)
    ),
    max_leaves=6,
)
OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "Replace", "remove"])},
        optional={"path": PATHS | st.text(max_size=10), "value": VALUES},
    ),
    max_size=4,
)


@pytest.fixture
def okta(settings: Settings, database: Database) -> Requests:
    return requests_of(settings, database)


@hostile
@given(filter_=FILTERS | st.text(), sort_by=NAMES | st.text(max_size=5))
def test_any_filter_is_answered(okta: Requests, filter_: str, sort_by: str) -> None:
    """Any filter is a list or a 400, in a URL and in `.search`."""
    for body in ({"filter": filter_}, {"filter": filter_, "sortBy": sort_by}):
        assert okta.send("POST", "/.search", body).status_code in (200, 400)
        headers = {"Authorization": f"Bearer {okta.directory.token}"}
        answer = okta.client.get("/scim/v2/Users", query_string=body, headers=headers)
        assert answer.status_code in (200, 400), answer.text


@hostile
@given(operations=OPERATIONS, body=VALUES)
def test_any_change_is_answered(okta: Requests, operations: list[Json], body: Json) -> None:
    """Any PATCH, PUT, POST and bulk request is performed or refused with 4xx, and the user can be read afterwards."""
    page = okta.find(count=1)["Resources"]
    id = page[0]["id"] if page else okta.add()["id"]
    members: dict[str, Json] = body if isinstance(body, dict) else {"x": body}
    answers = [
        okta.patch(id, *operations),
        okta.send("PUT", f"/Users/{id}", JANE | members),
        okta.send("PUT", f"/Users/{id}", members),
        okta.send("POST", "/Users", JANE | members),
        okta.send("POST", "/Users", members),
        okta.send("POST", "/Bulk", members),
        okta.send("POST", "/.search", members),
        okta.send(
            "POST", "/Bulk", {"Operations": [members, {"method": "PATCH", "path": f"/Users/{id}", "data": members}]}
        ),
        okta.get(f"/Users/{id}"),
    ]
    assert all(each.status_code < 500 for each in answers), [each.text for each in answers]
    results = answers[-2].get_json(force=True).get("Operations", [])  # a refusal of the whole request has none
    assert all(int(each["status"]) < 500 for each in results), results
    assert answers[-1].status_code == 200


@pytest.mark.campaign
@settings(hostile, max_examples=400)
@given(filter_=FILTERS | st.text(), sort_by=NAMES | st.text(max_size=5))
def test_many_filters_are_answered(okta: Requests, filter_: str, sort_by: str) -> None:
    """Many random filters: none is an error of the server."""
    test_any_filter_is_answered.hypothesis.inner_test(okta, filter_, sort_by)  # type: ignore[attr-defined]


@pytest.mark.campaign
@settings(hostile, max_examples=400)
@given(operations=OPERATIONS, body=VALUES)
def test_many_changes_are_answered(okta: Requests, operations: list[Json], body: Json) -> None:
    """Many random changes: none is an error of the server."""
    test_any_change_is_answered.hypothesis.inner_test(okta, operations, body)  # type: ignore[attr-defined]
