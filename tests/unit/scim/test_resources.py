"""A person becomes a SCIM user, and the body of a POST or PUT becomes values."""

import json
from typing import Any

import pytest
from scim2_models import Context, ResponseParameters

from tests.unit.scim.people import JANE, WORK, person
from webhook_service.events import Json
from webhook_service.scim.attributes import CORE, ENTERPRISE, Attributes
from webhook_service.scim.discovery import schemas
from webhook_service.scim.queries import shown_in
from webhook_service.scim.refusals import Refusal
from webhook_service.scim.resources import new_values, replaced_values, user_of
from webhook_service.scim.values import Person
from webhook_service.scim.versions import versions_in

ATTRIBUTES = Attributes(("department", "title"))
BASE = "https://example.com/scim/v2"
NAMED = {"user_name": "ann@example.com", "email": "ann@example.com"}


def shown(who: Person, parts: ResponseParameters[Any] | None = None) -> dict[str, Any]:
    user = user_of(who, ATTRIBUTES, BASE)
    return user.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=parts)


def test_a_person_is_a_user() -> None:
    """The user has each value at its place. Values that are missing are not there."""
    user = shown(person(extra={"department": "IT", "title": None}))
    assert user == {
        "schemas": [CORE, ENTERPRISE],
        "id": "5",
        "externalId": "x1",
        "userName": "Jane@example.com",
        "name": {"givenName": "Jane", "familyName": "Doe"},
        "emails": [{"value": "jane@example.com", "type": "work", "primary": True}],
        "active": True,
        ENTERPRISE: {"employeeNumber": "7", "department": "IT"},
        "meta": {
            "resourceType": "User",
            "created": "2026-12-01T12:00:00Z",
            "lastModified": "2026-12-01T12:00:00Z",
            "location": f"{BASE}/Users/5",
            "version": 'W/"abc"',
        },
    }
    bare = person(
        email=None,
        user_name=None,
        first_name=None,
        last_name=None,
        employee_number=None,
        external_id=None,
        active=False,
    )
    assert set(shown(bare)) == {"schemas", "id", "active", "meta"}


def test_a_user_that_is_sent_back_changes_nothing() -> None:
    """A PUT of the user that a GET returned has no changes."""
    odd = person(
        email="Odd Name",
        user_name="x",
        email_parts={"value": "Odd Name"},
        extra={"department": "IT", "title": "Boss"},
        active=False,
    )
    for each in (JANE, odd, person(email_parts=WORK | {"value": "JANE@Example.com", "type": "home", "primary": False})):
        assert replaced_values(shown(each), each, ATTRIBUTES) == {}


def test_a_user_that_is_sent_for_the_first_time_has_its_names() -> None:
    """A PUT of an employee that the directory has never written stores the userName and the emails as they are."""
    new = person(email="Odd Name", user_name=None, email_parts=None)
    sent = shown(new)
    assert replaced_values(sent, new, ATTRIBUTES) == {
        "user_name": "Odd Name",
        "email_parts": WORK | {"value": "Odd Name"},
    }
    assert replaced_values({"userName": "ann"}, new, ATTRIBUTES) == {"user_name": "ann"}
    assert replaced_values({"userName": "Ann@b.com"}, new, ATTRIBUTES) == {
        "user_name": "Ann@b.com",
        "email": "ann@b.com",
    }
    assert replaced_values({"userName": "Ann@b.com"}, JANE, ATTRIBUTES) == {"user_name": "Ann@b.com"}


@pytest.mark.parametrize(
    ("body", "values"),
    [
        ({"userName": " Ann@Example.COM "}, NAMED | {"user_name": "Ann@Example.COM"}),
        ({"USERNAME": "ann@example.com", "Active": "False"}, NAMED | {"active": False}),
        ({"userName": "ann@example.com", "active": None, "name": None}, NAMED),
        ({"userName": "ann@example.com", "emails": [{"type": "work"}, {"value": " "}]}, NAMED),
        (
            {"userName": "ann", "emails": [{"value": "Ann@example.com "}]},
            {"user_name": "ann", "email": "ann@example.com", "email_parts": {"value": "Ann@example.com"}},
        ),
        (
            {"userName": "a", "emails": [{"value": "h@b.com", "type": "home"}, {"value": "w@b.com", "type": "Work"}]},
            {"user_name": "a", "email": "w@b.com", "email_parts": {"value": "w@b.com", "type": "Work"}},
        ),
        (
            {"userName": "a", "emails": [{"value": "w@b.com", "type": "work"}, {"value": "p@b.com", "primary": True}]},
            {"user_name": "a", "email": "p@b.com", "email_parts": {"value": "p@b.com", "primary": True}},
        ),
        (
            {"userName": "upn@example.com", "emails": [{"value": "mail@example.com", "display": "x"}]},
            {"user_name": "upn@example.com", "email": "mail@example.com", "email_parts": {"value": "mail@example.com"}},
        ),
        (
            {"userName": "ann@example.com", f"{ENTERPRISE}:employeeNumber": 7, "title": "", "password": "secret"},
            NAMED | {"employee_number": "7"},
        ),
        ({f"{CORE}:userName": "ann@example.com", "meta": {"x": 1}, "id": "8"}, NAMED),
    ],
)
def test_a_new_user_has_values(body: dict[str, Any], values: dict[str, Any]) -> None:
    """A POST has each value under any case of its name. The primary e-mail comes first, and the userName last."""
    assert new_values(body, ATTRIBUTES) == values


def deep(levels: int) -> Json:
    return json.loads('{"a":' * levels + "1" + "}" * levels)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (None, "invalidSyntax"),
        ([], "invalidSyntax"),
        ({"userName": "a@b.com", "username": "c@b.com"}, "invalidSyntax"),
        ({"userName": "a@b.com", "x": 1, "X": 2}, "invalidSyntax"),
        ({"userName": "a@b.com", "x": deep(400)}, "invalidSyntax"),
        ({}, "invalidValue"),
        ({"userName": None}, "invalidValue"),
        ({"userName": "ann"}, "invalidValue"),
        ({"userName": "a@b.com", "emails": [{"value": "ann"}]}, "invalidValue"),
        ({"userName": "a@b.com", "active": "maybe"}, "invalidValue"),
        ({"userName": "a@b.com", "name": "Ann"}, "invalidValue"),
        ({"userName": "a@b.com", "name": {"givenName": "A\tB"}}, "invalidValue"),
        ({"userName": "a@b.com", "externalId": "x" * 256}, "invalidValue"),
        ({"userName": "a@b.com", "emails": 5}, "invalidValue"),
    ],
)
def test_a_bad_user_is_refused(body: Json, kind: str) -> None:
    """A malformed body is invalidSyntax, and a value that is not possible is invalidValue."""
    with pytest.raises(Refusal) as caught:
        new_values(body, ATTRIBUTES)
    assert (caught.value.status, caught.value.scim_type) == (400, kind)


@pytest.mark.parametrize(
    ("only", "excluded", "names"),
    [
        ("", "", {"schemas", "id", "userName", "name", "emails", "active", "externalId", "meta", ENTERPRISE}),
        ("userName", "", {"schemas", "id", "userName"}),
        ("USERNAME,name.givenName", "", {"schemas", "id", "userName", "name"}),
        (ENTERPRISE, "", {"schemas", "id", ENTERPRISE}),
        (f"{ENTERPRISE}:employeeNumber,emails.type", "", {"schemas", "id", ENTERPRISE, "emails"}),
        ("unknown", "", {"schemas", "id"}),
        ("", "id,schemas,name,emails,meta,externalId", {"schemas", "id", "userName", "active", ENTERPRISE}),
        (
            "",
            f"{ENTERPRISE},name.givenName,name.familyName",
            {"schemas", "id", "userName", "emails", "active", "externalId", "meta"},
        ),
    ],
)
def test_a_response_has_the_requested_attributes(only: str, excluded: str, names: set[str]) -> None:
    """`attributes` and `excludedAttributes` choose the attributes. `id` and `schemas` are always there."""
    user = shown(JANE)
    found = shown(JANE, shown_in({"attributes": only, "excludedAttributes": excluded}))
    assert set(found) == names
    assert found.get("name", user["name"]) in (user["name"], {"givenName": "Jane"})
    if "emails.type" in only:
        assert found["emails"] == [{"type": "work"}]


def test_the_schemas_have_each_attribute() -> None:
    """Each attribute of a user is defined in its schema, but for the common attributes."""
    user = shown(person(extra={"department": "IT", "title": "Boss"}))
    defined = {each.id: {part.name for part in each.attributes or ()} for each in schemas(ATTRIBUTES, BASE)}
    assert defined[CORE] == set(user) - {"schemas", "id", "externalId", "meta", ENTERPRISE}
    assert defined[ENTERPRISE] == set(user[ENTERPRISE])


@pytest.mark.parametrize(
    ("header", "versions"),
    [
        (None, None),
        ("*", None),
        ('W/"a"', ("a",)),
        ('"a"', ("a",)),
        ('W/"a", "b"', ("a", "b")),
        ("a", ()),
        ("", ()),
    ],
)
def test_versions_are_read(header: str | None, versions: tuple[str, ...] | None) -> None:
    """A header has ETags, or `*` for any version. A malformed header has none, so that nothing matches."""
    assert versions_in(header) == versions
