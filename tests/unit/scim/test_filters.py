"""Filters become conditions on the values of a person."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webhook_service.scim.attributes import ENTERPRISE, Attributes
from webhook_service.scim.filters import FALSE, TRUE, condition_of, place_of
from webhook_service.scim.grammar import MOST_TESTS
from webhook_service.scim.refusals import InvalidFilter, InvalidValue

ATTRIBUTES = Attributes(("department", "title"))
HAS_EMAIL = {"place": "email", "operator": "pr"}


def is_(place: str, value: Any, operator: str = "eq") -> dict[str, Any]:
    return {"place": place, "operator": operator, "value": value}


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ('userName eq "jane@example.com"', is_("user_name", "jane@example.com")),
        ('USERNAME EQ "Jane"', is_("user_name", "Jane")),
        ('urn:ietf:params:scim:schemas:core:2.0:User:userName sw "j"', is_("user_name", "j", "sw")),
        ('emails eq "a@b.com"', is_("email", "a@b.com")),
        ('emails.value co "a"', is_("email", "a", "co")),
        ('name.familyName ew "\\u0041\\"\\\\"', is_("last_name", 'A"\\', "ew")),
        (f'{ENTERPRISE}:employeeNumber eq "7"', is_("employee_number", "7")),
        ('employeeNumber eq "7"', is_("employee_number", "7")),
        (f'{ENTERPRISE.lower()}:department eq "IT"', is_("department", "IT")),
        ('title gt "B"', is_("title", "B", "gt")),
        ('id eq "5"', is_("id", "5")),
        ("active eq true", is_("active", True)),
        ('active ne "False"', is_("active", False, "ne")),
        ("externalId pr", {"place": "external_id", "operator": "pr"}),
        ("title eq null", {"not": {"place": "title", "operator": "pr"}}),
        ("title ne null", {"place": "title", "operator": "pr"}),
        ('meta.created gt "2026-01-02T03:04:05Z"', is_("created", "2026-01-02T03:04:05+00:00", "gt")),
        ('meta.lastModified le "2026-01-02T03:04:05+02:00"', is_("modified", "2026-01-02T01:04:05+00:00", "le")),
        ('meta.resourceType eq "User"', TRUE),
        ('meta.resourceType eq "Group"', FALSE),
        ('emails.type eq "work"', HAS_EMAIL),
        ("emails[primary eq true]", HAS_EMAIL),
        ('emails[type eq "work" and value eq "a"]', {"and": [HAS_EMAIL, is_("email", "a")]}),
        ('emails[type eq "home" or value co "a"]', {"or": [FALSE, is_("email", "a", "co")]}),
        ('emails[type eq "work"].value eq "a"', {"and": [HAS_EMAIL, is_("email", "a")]}),
        ('name[givenName eq "Jane"]', is_("first_name", "Jane")),
        ("not (active eq true)", {"not": is_("active", True)}),
        ("not(active eq true)", {"not": is_("active", True)}),
        ("(" * 600 + "active eq true" + ")" * 600, is_("active", True)),
    ],
)
def test_a_filter_becomes_a_condition(text: str, condition: dict[str, Any]) -> None:
    """Names and operators may have any case, and an attribute has one place."""
    assert condition_of(text, ATTRIBUTES) == condition


def test_and_binds_before_or() -> None:
    """`and` binds before `or`, and parentheses bind first."""
    a, b, c = (is_("title", each) for each in "abc")
    assert condition_of('title eq "a" or title eq "b" and title eq "c"', ATTRIBUTES) == {"or": [a, {"and": [b, c]}]}
    assert condition_of('(title eq "a" or title eq "b") and title eq "c"', ATTRIBUTES) == {"and": [{"or": [a, b]}, c]}


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "userName", "userName eq", 'eq "a"', 'userName xx "a"', 'userName eq "a', "userName eq a"),
        *('userName eq "a" and', 'userName eq "a" "b"', '(userName eq "a"', 'userName eq "a")', "not userName pr"),
        *('unknown eq "a"', 'emails.display eq "a"', 'name eq "a"', "urn:x:y:userName pr", "meta.version pr"),
        *('meta.created co "2026"', 'meta.created sw "2026"', 'meta.lastModified ew "Z"', "meta.created eq 5"),
        *('meta.created eq "yesterday"', 'meta.created eq ""', 'meta.created gt "0001-01-01T00:00:00+23:00"'),
        *("active gt true", 'active co "t"', "active eq 1", 'active eq "yes"', "userName eq 5", "userName gt null"),
        *('userName eq "\\u0000"', 'userName eq "a\nb"', 'userName eq "\\ud800"', 'userName eq "\\x"', "emails[]"),
        *('emails[type eq "work"', 'emails[name.givenName eq "a"]', 'emails[value[type eq "a"]]', "userName[value pr]"),
        *("1a pr", "a..b pr", "a. pr", "[ pr", "userName pr]", 'emails[type eq "work"].va-"l eq "a"'),
        "not (" * 600 + "userName pr" + ")" * 600,
        "emails[" * 600 + "value pr" + "]" * 600,
        " or ".join(["userName pr"] * (MOST_TESTS + 1)),
        'userName eq "' + "a" * 5000 + '"',
        "userName eq " + "9" * 100,
    ],
)
def test_a_bad_filter_is_refused(text: str) -> None:
    """A malformed filter, an unknown attribute, and an operator or a value that does not fit are invalidFilter."""
    with pytest.raises(InvalidFilter):
        condition_of(text, ATTRIBUTES)


def test_a_refusal_does_not_quote_the_filter() -> None:
    """The error does not contain a value, because values are personal data."""
    with pytest.raises(InvalidFilter) as caught:
        condition_of('meta.created eq "canary"', ATTRIBUTES)
    assert "canary" not in str(caught.value)


TOKENS = (
    *("userName", "active", "meta.created", "emails[", "]", "(", ")", "and", "or", "not"),
    *("eq", "co", "pr", '"a"', "true", "5", "."),
)


@settings(deadline=None)
@given(st.lists(st.sampled_from(TOKENS)))
def test_any_tokens_are_a_filter_or_refused(tokens: list[str]) -> None:
    """Each order of the tokens of a filter is a condition or invalidFilter."""
    try:
        condition = condition_of(" ".join(tokens), ATTRIBUTES)
    except InvalidFilter:
        return
    assert set(condition) <= {"and", "or", "not", "place", "operator", "value"}


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    """Each text is a condition or invalidFilter, also as a value."""
    for filter_ in (text, f'userName eq "{text}"', f"userName {text}", f"{text} pr"):
        try:
            condition_of(filter_, ATTRIBUTES)
        except InvalidFilter:
            continue


@pytest.mark.parametrize(
    ("text", "place"),
    [("userName", "user_name"), ("NAME.givenname", "first_name"), ("emails", "email"), ("meta.created", "created")],
)
def test_an_attribute_is_a_place_to_sort_by(text: str, place: str) -> None:
    """`sortBy` names an attribute as a filter does."""
    assert place_of(text, ATTRIBUTES) == place


@pytest.mark.parametrize("text", ["", "unknown", "name", 'emails[type eq "work"]', "a b", "'"])
def test_a_bad_sort_is_refused(text: str) -> None:
    """Another text as `sortBy` is invalidValue."""
    with pytest.raises(InvalidValue):
        place_of(text, ATTRIBUTES)
