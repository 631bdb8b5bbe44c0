"""A filter reaches the database as data: no text of a client is part of a statement."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as choose
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from tests.employees import Connection
from tests.integration.scim.directories import where
from tests.integration.scim.requests import Requests, requests_of
from webhook_service.ports import Database
from webhook_service.scim.attributes import ENTERPRISE
from webhook_service.scim.values import OPERATORS, Condition
from webhook_service.settings import Settings

MARK = "Zq7'\"\\$1;--%_ or 1=1"
"""A value of a filter that quotation marks, comments or patterns would change if it were part of a statement."""

ATTRIBUTES = {"department": "department", "title": "job"}
PLACES = ("user_name", "email", "first_name", "last_name", "employee_number", "external_id", *ATTRIBUTES)
SHAPES: st.SearchStrategy[Condition] = st.recursive(
    st.tuples(st.sampled_from(PLACES), st.sampled_from(OPERATORS), st.just(MARK)).map(lambda parts: where(*parts)),
    lambda inner: (
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: {"and": parts})
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: {"or": parts})
        | inner.map(lambda part: {"not": part})
    ),
    max_leaves=6,
)


def with_value(condition: Any, value: str) -> Any:
    """The condition with another value in each comparison."""
    if isinstance(condition, list):
        return [with_value(part, value) for part in condition]
    if "place" in condition:
        return condition | {"value": value}
    return {name: with_value(part, value) for name, part in condition.items()}


def statement_of(connection: Connection, condition: Condition) -> str:
    """The SQL that the database makes of a condition."""
    row = connection.execute(
        "select auth_sync_scim_condition_v1(%s, '{}', %s) as sql", [Jsonb(condition), Jsonb(ATTRIBUTES)]
    ).fetchone()
    assert row is not None
    return str(row["sql"])


@choose(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(condition=SHAPES, value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_the_statement_of_a_filter_has_no_value(connection: Connection, condition: Condition, value: str) -> None:
    """The SQL of a filter is the same for any values, so it contains none."""
    made = statement_of(connection, condition)
    assert MARK not in made
    assert made == statement_of(connection, with_value(condition, value))


@pytest.mark.parametrize("place", ["user_name; drop table employees", "e.email", 'department" or true', ""])
def test_the_statement_of_a_filter_has_no_name(connection: Connection, place: str) -> None:
    """A place or operator that is not in the fixed list is refused, before any SQL is made."""
    for condition in (where(place, "eq", "x"), where("email", place, "x")):
        row = connection.execute(
            "select auth_sync_scim_find_v1(1, %s, null, false, 1, 9, '{}') as found", [Jsonb(condition)]
        )
        assert row.fetchone() == {"found": {"refused": "invalid_filter"}}


def test_the_calls_of_the_service_have_parameters(
    settings: Settings, database: Database, connection: Connection
) -> None:
    """The statements that the service sends have no value of a filter, a sort order or a PATCH path."""
    okta: Requests = requests_of(settings, database)
    made = okta.add()
    text = MARK.replace("\\", "\\\\").replace('"', '\\"')
    for filter_ in (f'userName eq "{text}"', f'{ENTERPRISE}:employeeNumber sw "{text}" or emails[value co "{text}"]'):
        assert okta.find(filter=filter_)["totalResults"] == 0
        assert last_statement(connection, "auth_sync_scim_request_v1")
    assert okta.directory.find(where("employee_number", "sw", MARK)) == []
    assert last_statement(connection, "auth_sync_scim_find_v1")
    assert okta.send("POST", "/.search", {"sortBy": MARK}).status_code == 400
    changes = [
        {"op": "replace", "path": "name.givenName", "value": MARK},
        {"op": "add", "path": f'x[y eq "{text}"].z', "value": 1},
    ]
    assert okta.patch(made["id"], *changes).status_code == 200
    assert last_statement(connection, "auth_sync_scim_change_v1")
    assert okta.get(f"/Users/{made['id']}").get_json(force=True)["name"]["givenName"] == MARK


def last_statement(connection: Connection, function: str) -> bool:
    """Return whether a connection of the service has called the function last. Its statement must have no value."""
    rows = connection.execute(
        "select query from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    ).fetchall()
    assert not any("Zq7" in row["query"] for row in rows)
    return any(f"{function}(" in row["query"] and "$1" in row["query"] for row in rows)
