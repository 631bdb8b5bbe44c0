"""A directory finds people by each place and operator, sorted and page by page."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.employees import Connection, hire
from tests.integration.scim.directories import Directory, directory, where
from webhook_service.ports import Database
from webhook_service.scim.refusals import InvalidFilter
from webhook_service.scim.values import Condition

ANN = {"email": "Ann@Example.com", "first_name": "Ann", "last_name": "Ärger", "employee_number": "A-1"}
BOB = {
    "email": "bob_1%@example.org",
    "first_name": "bob",
    "last_name": None,
    "employee_number": "10",
    "department": "Law",
}
EVE = {"email": None, "first_name": "Eve", "last_name": "O'Neil\\", "employee_number": None, "is_active": False}

pytestmark = pytest.mark.every_employees_table


@pytest.fixture
def okta(database: Database, connection: Connection) -> Directory:
    """A directory that sees Ann (1), Bob (2) and Eve (3), and that manages Bob."""
    connection.execute("alter table public.employees add column department text")
    for person in (ANN, BOB, EVE):
        hire(connection, **person)
    made = directory(database, attributes={"department": "department"})
    made.change(2, external_id="X'1")
    return made


def both(*conditions: Condition) -> Condition:
    return {"and": list(conditions)}


def either(*conditions: Condition) -> Condition:
    return {"or": list(conditions)}


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (where("email", "eq", " aNN@example.com "), "1"),
        (where("email", "ne", "ann@example.com"), "23"),
        (where("email", "co", "EXAMPLE"), "12"),
        (where("email", "sw", "Bob_1%@"), "2"),
        (where("email", "sw", "bob__"), ""),
        (where("email", "sw", "%"), ""),
        (where("email", "ew", ".ORG"), "2"),
        (where("email", "gt", "ann@example.com"), "2"),
        (where("email", "le", "ann@example.com"), "1"),
        (where("email", "pr"), "12"),
        (where("email", "eq", None), "3"),
        (where("email", "eq", "' or true --"), ""),
        ({"not": where("email", "pr")}, "3"),
        ({"not": where("email", "eq", "ann@example.com")}, "23"),
        (where("first_name", "eq", "BOB"), "2"),
        (where("last_name", "eq", "o'neil\\"), "3"),
        (where("last_name", "co", "\\"), "3"),
        (where("last_name", "ew", "'neil\\"), "3"),
        (where("employee_number", "eq", " A-1 "), "1"),
        (where("employee_number", "eq", "a-1"), ""),
        (where("employee_number", "sw", "A"), "1"),
        (where("external_id", "eq", "X'1"), "2"),
        (where("external_id", "eq", "x'1"), ""),
        (where("external_id", "ne", "X'1"), "13"),
        (where("external_id", "co", "'"), "2"),
        (where("external_id", "pr"), "2"),
        (where("active", "eq", True), "12"),
        (where("active", "ne", True), "3"),
        (where("active", "pr"), "123"),
        (where("id", "eq", "2"), "2"),
        (where("id", "eq", "x"), ""),
        (where("id", "eq", "9" * 30), ""),
        (where("id", "ne", "2"), "13"),
        (where("department", "eq", "law"), "2"),
        (where("department", "pr"), "2"),
        (both(where("active", "eq", True), where("first_name", "sw", "a")), "1"),
        (either(where("first_name", "eq", "eve"), where("external_id", "eq", "X'1")), "23"),
        ({"not": either(where("first_name", "eq", "eve"), where("last_name", "co", "är"))}, "2"),
        (both(where("id", "pr"), either(where("id", "eq", "1"), {"not": where("active", "eq", True)})), "13"),
    ],
    ids=str,
)
def test_a_filter(okta: Directory, condition: Condition, found: str) -> None:
    """A filter finds the people that match it, and nobody else."""
    total, people = okta.store.find(okta.client, condition)
    assert ("".join(person.id for person in people), total) == (found, len(found))


def test_times(okta: Directory) -> None:
    """The times of a person are those of the writes of the directory, and can be compared."""
    now = datetime.now(UTC)
    after = (now - timedelta(minutes=1)).isoformat()
    assert [person.id for person in okta.find(where("modified", "gt", (now + timedelta(days=1)).isoformat()))] == []
    assert "2" in [person.id for person in okta.find(where("created", "ge", after))]
    [bob] = okta.find(where("id", "eq", "2"))
    assert [person.id for person in okta.find(where("modified", "eq", bob.modified.isoformat()))] == ["2"]


@pytest.mark.parametrize(
    "condition",
    [
        where("active", "eq", "true"),
        where("active", "gt", True),
        where("email", "eq", True),
        where("created", "co", "2026"),
        where("created", "eq", 5),
        where("modified", "gt", "yesterday, perhaps"),
        where("created", "eq", "2026-99-99T00:00:00Z"),
        where("id", "sw", "1"),
        where("password", "eq", "x"),
        where("is_active", "eq", True),
        where("email", "like", "x"),
        where("email", "eq", "\x00"),
        where("email", "eq", "\ud800"),
        {},
    ],
    ids=repr,
)
def test_a_filter_that_is_not_possible(okta: Directory, condition: Any) -> None:
    """A place or an operator that does not exist, or a value that does not fit, is an invalid filter."""
    with pytest.raises(InvalidFilter):
        okta.find(condition)


@pytest.mark.parametrize("kind", ["and", "not"])
def test_a_deep_filter(okta: Directory, kind: str) -> None:
    """A filter of many levels is an invalid filter."""
    condition = where("active", "eq", True)
    for _ in range(3000):
        condition = both(condition, condition) if kind == "and" else {"not": condition}
    with pytest.raises(InvalidFilter):
        okta.find(condition)


@pytest.mark.parametrize("kind", ["and", "or", "not"])
def test_a_filter_of_many_terms(okta: Directory, kind: str) -> None:
    """A filter of a hundred terms is possible, also if a parser has nested them."""
    condition = where("active", "eq", True)
    for _ in range(100):
        condition = {"not": condition} if kind == "not" else {kind: [condition, where("id", "pr")]}
    assert len(okta.find(condition)) == {"and": 2, "or": 3, "not": 2}[kind]


@pytest.mark.parametrize(
    ("sort_by", "ids"),
    [
        (None, "123"),
        ("id", "123"),
        ("email", "123"),
        ("employee_number", "213"),
        ("first_name", "123"),
        ("last_name", "132"),
        ("active", "312"),
        ("external_id", "213"),
        ("department", "213"),
    ],
)
def test_an_order(okta: Directory, sort_by: str, ids: str) -> None:
    """People are sorted without case. Those without a value are last, or first in the descending order."""
    expected = ids if sort_by != "last_name" else "".join(person.id for person in okta.find(sort_by="last_name"))
    assert "".join(person.id for person in okta.find(sort_by=sort_by)) == expected
    descending = "".join(person.id for person in okta.find(sort_by=sort_by, descending=True))
    without_value = {"email": "3", "employee_number": "3", "last_name": "2", "external_id": "31", "department": "31"}
    last = without_value.get(sort_by or "", "")
    assert descending.startswith(last)
    assert sorted(descending) == ["1", "2", "3"]


def test_pages(okta: Directory) -> None:
    """A page begins at any place, and the total is that of all matches."""
    find = okta.store.find
    pages = [find(okta.client, start=start, count=2) for start in (1, 3, 4, 0, -5)]
    assert [(total, [person.id for person in people]) for total, people in pages] == [
        (3, ["1", "2"]),
        (3, ["3"]),
        (3, []),
        (3, ["1", "2"]),
        (3, ["1", "2"]),
    ]
    assert find(okta.client, count=0) == (3, [])
    assert find(okta.client, where("active", "eq", True), "first_name", True, 2, 1)[0] == 2


def test_deleted_people_are_not_found(okta: Directory, database: Database) -> None:
    """A person that the directory has deleted is not counted or found. Another directory finds the person."""
    okta.delete(2)
    assert okta.store.find(okta.client)[0] == 2
    assert okta.find(where("first_name", "eq", "bob")) == []
    entra = directory(database, "entra")
    assert [person.id for person in entra.find(where("first_name", "eq", "bob"))] == ["2"]
