"""The operations of PATCH become the values that change."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.scim.people import WORK as WORK_PARTS
from tests.unit.scim.people import person
from webhook_service.events import Json
from webhook_service.scim.attributes import CORE, ENTERPRISE, Attributes
from webhook_service.scim.refusals import Refusal
from webhook_service.scim.resources import patched_values
from webhook_service.scim.values import Person

ATTRIBUTES = Attributes(("department", "title"))
WORK = 'emails[type eq "work"]'
PARTS = {"value": "new@example.com", "type": "work", "primary": True}
NEW = {"email": "new@example.com", "email_parts": PARTS}


def patched(*operations: Json, of: Person | None = None) -> dict[str, Any]:
    return patched_values({"Operations": list(operations)}, of or person(), ATTRIBUTES)


def op(kind: str, path: str | None = None, *value: Json) -> dict[str, Json]:
    return {"op": kind} | ({"path": path} if path is not None else {}) | ({"value": value[0]} if value else {})


def refused(*operations: Json) -> str | None:
    with pytest.raises(Refusal) as caught:
        patched(*operations)
    return caught.value.scim_type


@pytest.mark.parametrize("kind", ["add", "replace", "Add", "REPLACE"])
@pytest.mark.parametrize(
    ("path", "value", "changed"),
    [
        ("active", False, {"active": False}),
        ("active", "False", {"active": False}),  # Entra
        ("active", [{"value": "false"}], {"active": False}),  # an old form of Entra
        ("active", "True", {}),
        ("ACTIVE", False, {"active": False}),
        (None, {"active": False}, {"active": False}),  # Okta
        ("", {"active": False}, {"active": False}),
        (None, {"name.givenName": "Ann", "Name.FamilyName": "Roe"}, {"first_name": "Ann", "last_name": "Roe"}),
        (None, {"name": {"givenName": "Ann"}, "active": True}, {"first_name": "Ann"}),
        ("name", {"givenname": "Ann", "formatted": "Ann Doe"}, {"first_name": "Ann"}),
        ("name.familyName", None, {"last_name": None}),
        ("name.familyName", "  ", {"last_name": None}),
        ("name", None, {"first_name": None, "last_name": None}),
        ("externalId", "x2", {"external_id": "x2"}),
        (f"{ENTERPRISE}:employeeNumber", " 8 ", {"employee_number": "8"}),
        (f"{ENTERPRISE}:employeeNumber", 8, {"employee_number": "8"}),
        (None, {f"{ENTERPRISE.upper()}:department": "IT"}, {"department": "IT"}),
        (None, {ENTERPRISE: {"department": "IT", "manager": {"value": "3"}}}, {"department": "IT"}),
        (ENTERPRISE, {"department": "IT", "employeeNumber": None}, {"department": "IT", "employee_number": None}),
        (CORE, {"active": False}, {"active": False}),
        (f"{CORE}:name.givenName", "Ann", {"first_name": "Ann"}),
        ("title", "Boss", {"title": "Boss"}),
        ("userName", " NEW@example.com", {"user_name": "NEW@example.com"}),
        ("userName", "JANE@example.com", {"user_name": "JANE@example.com"}),
        ("userName", "jane", {"user_name": "jane"}),
        (f"{WORK}.value", "new@example.com", NEW),
        (WORK, {"value": "new@example.com", "type": "work"}, NEW),
        (None, {f"{WORK}.value": "new@example.com"}, NEW),
        ("emails.value", "new@example.com", NEW),
        ("emails[primary eq true].value", "new@example.com", NEW),
        ('emails[value co "JANE"].value', "new@example.com", NEW),
        ("emails", [{"value": "new@example.com", "type": "work", "primary": True}], NEW),
        (
            "emails",
            {"value": "new@example.com", "primary": "True"},
            NEW | {"email_parts": {"value": "new@example.com", "primary": True}},
        ),
        ("emails.type", "home", {"email_parts": WORK_PARTS | {"type": "home"}}),
        (f"{WORK}.value", "JANE@Example.com", {"email_parts": WORK_PARTS | {"value": "JANE@Example.com"}}),
        ('emails[type eq "home"].value', "new@example.com", {}),  # not kept
        ('phoneNumbers[type eq "mobile"].value', "123", {}),
        ('addresses[type eq "work" and primary eq true].locality', "Bern", {}),
        ("displayName", "Jane", {}),
        ("urn:example:own:2.0:User:shoe", "42", {}),
        (None, {"displayName": "J", "nickName": None, "password": "x", "id": "9", "a b": 1, "": 2}, {}),
        ("schemas", [CORE], {}),
    ],
)
def test_values_are_written(kind: str, path: str | None, value: Json, changed: dict[str, Any]) -> None:
    """`add` and `replace` write an attribute in each form that directories send, and unknown attributes are ignored."""
    assert patched(op(kind, path, value)) == changed


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("name.givenName", {"first_name": None}),
        ("name", {"first_name": None, "last_name": None}),
        ("externalId", {"external_id": None}),
        (ENTERPRISE, {"employee_number": None}),
        (f"{ENTERPRISE}:employeeNumber", {"employee_number": None}),
        ("title", {}),
        ("emails", {}),
        (f"{WORK}.display", {}),
        ('emails[type eq "home"]', {}),
        ('emails[value eq "x"]', {}),
        ("displayName", {}),
        ('phoneNumbers[type eq "mobile"]', {}),
    ],
)
def test_values_are_removed(path: str, changed: dict[str, Any]) -> None:
    """`remove` erases a value. The e-mail stays, because an employee needs one."""
    assert patched(op("Remove", path)) == patched(op("Remove", path, "x")) == changed


def test_operations_have_an_order() -> None:
    """A later operation writes over an earlier one."""
    assert patched(op("replace", "active", False), op("replace", "active", True)) == {}
    assert patched(op("remove", "title"), op("add", "title", "Boss")) == {"title": "Boss"}
    anew = patched(op("remove", "emails"), op("add", f"{WORK}.value", "new@example.com"))
    assert anew == NEW | {"email_parts": {"value": "new@example.com", "type": "work"}}


def test_an_added_primary_email_is_the_only_primary_one() -> None:
    """A new primary e-mail replaces the old one, and another e-mail does not."""
    assert patched(op("add", "emails", [{"value": "new@example.com", "type": "work", "primary": True}])) == NEW
    assert patched(op("add", "emails", [{"value": "new@example.com", "type": "home"}])) == {}


def test_the_user_name_is_the_email_of_a_directory_without_emails() -> None:
    """A new userName changes the e-mail if it is an address and the directory has never sent emails."""
    for known in (person(email_parts=None), person(user_name=None, email_parts=None)):
        new = {"user_name": "New@example.com", "email": "new@example.com"}
        assert patched(op("replace", "userName", "New@example.com"), of=known) == new
        assert patched(op("replace", "userName", "new"), of=known) == {"user_name": "new"}
        assert patched(op("replace", "userName", "JANE@example.com"), of=known) == {"user_name": "JANE@example.com"}
        both = (op("replace", "userName", "upn@example.com"), op("add", f"{WORK}.value", "new@example.com"))
        assert patched(*both, of=known) == NEW | {"user_name": "upn@example.com"}
    stale = person(email="other@example.com", email_parts=None)
    assert patched(op("replace", "userName", "Jane@example.com"), of=stale) == {}


def test_equal_emails_are_sent_too() -> None:
    """E-mails that are equal to the present one count as sent, and ignored ones do not."""
    known = person(email_parts=None)
    assert patched(op("replace", f"{WORK}.value", "jane@example.com"), of=known) == {"email_parts": WORK_PARTS}
    for ignored in (op("add", 'emails[type eq "home"].value', "a@b.com"), op("remove", 'emails[type eq "home"]')):
        assert patched(ignored, of=known) == {}


def test_an_employee_without_email_gets_one() -> None:
    """An e-mail with the type work is created."""
    for kind in ("add", "replace"):
        found = patched(op(kind, f"{WORK}.value", "new@example.com"), of=person(email=None, email_parts=None))
        assert found == NEW | {"email_parts": {"value": "new@example.com", "type": "work"}}


def test_unchanged_values_are_not_checked() -> None:
    """A long name and an odd e-mail are no obstacle to a deactivation."""
    odd = person(email="No Address", user_name="No Address", first_name="x" * 300)
    whole = {"userName": "No Address", "name": {"givenName": "x" * 300}, "active": False}
    assert patched(op("replace", None, whole), of=odd) == {"active": False}


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ({}, "invalidSyntax"),
        ("x", "invalidSyntax"),
        (op("move", "active", True), "invalidValue"),
        ({"op": 5}, "invalidValue"),
        ({"op": "add", "OP": "add", "path": "title", "value": "x"}, "invalidSyntax"),
        (op("add", None, "x"), "invalidValue"),
        (op("add", None, [{"active": True}]), "invalidValue"),
        (op("replace", None, {"active": True, "Active": False}), "invalidSyntax"),
        (op("replace", None, {"active": True, f"{CORE}:active": False}), "invalidSyntax"),
        (op("replace", None, {"active": False, CORE: {"active": True}}), "invalidSyntax"),
        (op("replace", None, {CORE.upper(): {"Active": True}, f"{CORE}:active": False}), "invalidSyntax"),
        (op("replace", None, {"name.familyName": "Roe", "Name": {"FamilyName": "Doe"}}), "invalidSyntax"),
        (op("replace", None, {CORE: {"name": {"givenName": "Ann"}}, "name": {"givenName": "Eve"}}), "invalidSyntax"),
        (op("add", "active"), "invalidValue"),
        (op("add", "active", "yes"), "invalidValue"),
        (op("add", "active", None), "mutability"),
        (op("add", "active", 0), "invalidValue"),
        (op("remove", "active"), "mutability"),
        (op("add", "title", ["a", "b"]), "invalidValue"),
        (op("add", "title", True), "invalidValue"),
        (op("add", "title", 1.5), "invalidValue"),
        (op("add", "title", {"a": 1}), "invalidValue"),
        (op("add", "title", "a\nb"), "invalidValue"),
        (op("add", "title", "\ud800"), "invalidValue"),
        (op("add", "name.givenName", "x" * 201), "invalidValue"),
        (op("add", "name", "Jane"), "invalidValue"),
        (op("add", ENTERPRISE, "x"), "invalidValue"),
        (op("add", "userName", ""), "mutability"),
        (op("add", "userName", "x" * 256), "invalidValue"),
        (op("add", "emails", [{"value": "a@b.com", "type": "x" * 101}]), "invalidValue"),
        (op("replace", "emails", [{"value": "a@b.com", "type": " x\n"}]), "invalidValue"),
        (op("replace", "emails", "no address"), "invalidValue"),
        (op("add", "emails", [5]), "invalidValue"),
        (op("add", "emails", [{"value": 5}]), "invalidValue"),
        (op("add", "emails", [{"value": "a", "primary": 1}]), "invalidValue"),
        (op("add", "emails", [{"value": "a", "Value": "b"}]), "invalidSyntax"),
        (
            op("add", "emails", [{"value": "a@b.com", "primary": True}, {"value": "c@b.com", "primary": True}]),
            "invalidValue",
        ),
        (op("add", WORK, "x"), "invalidValue"),
        (op("add", f"{WORK}.value", "a\x00b@example.com"), "invalidValue"),
        (op("remove"), "noTarget"),
        (op("replace", 'emails[value eq "x"].value', "new@example.com"), "invalidValue"),
        (op("remove", "userName"), "mutability"),
        (op("replace", "id", "9"), "mutability"),
        (op("remove", "meta"), "mutability"),
        (op("add", "groups", []), "mutability"),
        ({"op": "add", "path": 5, "value": 1}, "invalidPath"),
        (op("add", "emails[type eq", "a"), "invalidPath"),
        (op("add", "emails[]", "a"), "invalidPath"),
        (op("add", "a b", "a"), "invalidPath"),
        (op("add", "active[value eq true]", True), "invalidFilter"),
        (op("remove", "title[value pr]"), "invalidFilter"),
        (op("add", 'emails[name.x eq "a"].value', "a@b.com"), "invalidFilter"),
        (op("add", "emails" + "[type eq (" * 600, "a"), "invalidPath"),
    ],
)
def test_a_bad_operation_is_refused(operation: Json, kind: str) -> None:
    """Each malformed operation has the scimType of its fault."""
    assert refused(operation) == kind


@pytest.mark.parametrize("body", [None, [], 5, {}, {"Operations": []}, {"Operations": {}}, {"operations": "x"}])
def test_a_body_needs_operations(body: Json) -> None:
    """A body without operations is refused."""
    with pytest.raises(Refusal) as caught:
        patched_values(body, person(), ATTRIBUTES)
    assert (caught.value.status, caught.value.scim_type) == (400, "invalidSyntax")


@pytest.mark.parametrize(
    "operation",
    [
        op("replace", "active.value", False),
        op("replace", f"{ENTERPRISE}:active", False),
        *(op("replace", f"{CORE}.active", value) for value in ({"active": False}, 0, "no", None, False)),
        op("replace", f"{CORE.removesuffix('User')}active", False),
        op("remove", f"{CORE}:User.Active"),
        op("replace", None, {f"{CORE.upper()}.ACTIVE": False}),
        op("replace", None, {"active.value": False}),
        op("replace", None, {ENTERPRISE: {"active": False}}),
    ],
)
def test_active_under_another_name_is_refused(operation: Json) -> None:
    """A deactivation that names another attribute is refused, so that the directory knows that it was not done."""
    assert refused(operation) == "invalidPath"


@pytest.mark.parametrize("key", ["roles[", "emails[", "emails[type eq work]", "emails[type eq work].value", "x[]"])
def test_a_malformed_key_is_no_obstacle_to_a_deactivation(key: str) -> None:
    """A malformed key is ignored, in the body of a PUT too, unless it is one of active."""
    assert patched(op("replace", None, {key: "a@b.com", "active": False})) == {"active": False}
    assert refused(op("replace", None, {f"active[{key}": False})) == "invalidPath"


def test_too_many_operations_are_refused() -> None:
    """More than 1,000 operations are 413."""
    with pytest.raises(Refusal) as caught:
        patched(*[op("replace", "active", False)] * 1001)
    assert caught.value.status == 413


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "type", "primary", "givenName", "active", "emails", ENTERPRISE]), inner
        )
    ),
    max_leaves=8,
)
PATHS = st.lists(
    st.sampled_from(
        ["emails", "name", "active", "userName", "[", "]", ".value", ".givenName", " eq ", '"work"', "type", ENTERPRISE]
        + [":department", " and ", "not (", ")", "true", "(", "phoneNumbers", ".", "id", "primary", " pr"]
    ),
    max_size=8,
).map("".join)


@settings(deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"op": st.sampled_from(["add", "replace", "remove"])}, optional={"path": PATHS | st.text(), "value": VALUES}
        )
    )
)
def test_any_operations_are_applied_or_refused(operations: list[Json]) -> None:
    """Any paths and values change only known columns, or are refused."""
    try:
        changed = patched(*operations)
    except Refusal:
        return
    assert set(changed) <= {
        "email",
        "first_name",
        "last_name",
        "employee_number",
        "active",
        "external_id",
        "user_name",
        "email_parts",
        "department",
        "title",
    }
