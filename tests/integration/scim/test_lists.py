"""A directory lists, filters and sorts users over HTTP."""

import pytest

from tests.employees import Connection
from tests.integration.scim.requests import Requests, refusal, requests_of
from webhook_service.ports import Database
from webhook_service.scim.attributes import ENTERPRISE
from webhook_service.settings import Settings

PEOPLE = (
    ("ann@example.com", "Ann", "Roe", "1"),
    ("bob@example.com", "Bob", "Doe", "2"),
    ("eve@other.com", "Eve", "", "3"),
)


@pytest.fixture
def okta(settings: Settings, database: Database) -> Requests:
    okta = requests_of(settings, database)
    for email, first_name, last_name, number in PEOPLE:
        name = {"givenName": first_name, "familyName": last_name}
        okta.add(userName=email, name=name, externalId=f"x{number}", **{ENTERPRISE: {"employeeNumber": number}})
    return okta


def test_a_list_has_pages(okta: Requests) -> None:
    """A page has its users, its first index and the number of all users. An index after the end is an empty page."""
    page = okta.find(startIndex=2, count=1)
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (3, 2, 1)
    assert [each["userName"] for each in page["Resources"]] == ["bob@example.com"]
    assert okta.find(count=0)["totalResults"] == 3
    assert okta.names(count=0) == okta.names(startIndex=4) == []
    assert len(okta.names(startIndex=-1, count=1000)) == 3


@pytest.mark.parametrize(
    ("filter_", "names"),
    [
        ('userName eq "ANN@example.com"', "a"),
        ('emails[type eq "work"].value eq "bob@example.com"', "b"),
        ('userName ew "@example.com"', "ab"),
        ('userName sw "e" or name.givenName co "O"', "be"),
        ('externalId eq "x3"', "e"),
        ('externalId eq "X3"', ""),
        (f'{ENTERPRISE}:employeeNumber eq "2"', "b"),
        ("not (name.familyName pr)", "e"),
        ("name.familyName eq null", "e"),
        ('name.familyName ne "Doe"', "ae"),
        ('active eq true and userName gt "b"', "be"),
        ("active eq false", ""),
        ('meta.created lt "2000-01-01T00:00:00Z"', ""),
        ('meta.lastModified ge "2000-01-01T00:00:00Z"', "abe"),
        ('emails.type eq "home"', ""),
        ('meta.resourceType eq "User"', "abe"),
        ('userName co "%"', ""),
        ('userName co "\'; drop table employees; --"', ""),
        (" or ".join(["active eq false"] * 38 + ['userName sw "a"']), "a"),
    ],
)
def test_a_filter_selects_users(okta: Requests, filter_: str, names: str) -> None:
    """A filter selects users by each attribute, in a list and in `.search`."""
    assert "".join(name[0] for name in okta.names(filter=filter_)) == names
    for path in ("/.search", "/Users/.search"):
        answer = okta.send("POST", path, {"filter": filter_, "attributes": ["userName"]})
        resources = answer.get_json(force=True)["Resources"]
        assert "".join(each["userName"][0] for each in resources) == names
        assert all(set(each) == {"id", "schemas", "userName"} for each in resources)


@pytest.mark.parametrize(
    "place", ["id", "userName", "externalId", "active", f"{ENTERPRISE}:employeeNumber", "meta.created"]
)
@pytest.mark.parametrize("operator", ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr"])
def test_each_operator_of_each_attribute(okta: Requests, place: str, operator: str) -> None:
    """Each operator is answered for each attribute: with a list, or with invalidFilter where it does not fit."""
    for value in ('"5"', "5", "true", '"2026-01-01T00:00:00Z"', "null"):
        text = f"{place} {operator} {value}".removesuffix(value if operator == "pr" else "\0")
        answer = okta.client.get(
            "/scim/v2/Users",
            query_string={"filter": text},
            headers={"Authorization": f"Bearer {okta.directory.token}"},
        )
        assert answer.status_code == 200 or refusal(answer) == (400, "invalidFilter")


def test_a_list_is_sorted(okta: Requests) -> None:
    """`sortBy` and `sortOrder` order the list."""
    assert okta.names(sortBy="name.familyName", count=1) == ["bob@example.com"]
    assert okta.names(sortBy="userName", sortOrder="descending") == [email for email, *_ in reversed(PEOPLE)]
    assert okta.names(sortBy="meta.created") == [email for email, *_ in PEOPLE]


def test_employees_of_other_sources_are_found(okta: Requests, connection: Connection) -> None:
    """An employee that no directory has written is in the list, so that an import finds it."""
    connection.execute("insert into employees (email) values ('Zoe@Example.com')")
    assert okta.names(filter='userName eq "zoe@example.com"') == ["Zoe@Example.com"]


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("filter=x", "invalidFilter"),
        ("filter=meta.created%20co%20%222026%22", "invalidFilter"),
        ("filter=userName%20eq%20%22%00%22", "invalidFilter"),
        ("filter=userName%20eq%20%22%ff%22%20%22", "invalidFilter"),
        ("count=x", "invalidValue"),
        ("sortBy=x", "invalidValue"),
        ("count=1&COUNT=2", "invalidSyntax"),
    ],
)
def test_a_bad_query_is_refused(okta: Requests, query: str, kind: str) -> None:
    """A bad parameter is 400 with its scimType."""
    assert refusal(okta.get(f"/Users?{query}")) == (400, kind)


def test_a_response_has_the_requested_attributes(okta: Requests) -> None:
    """`attributes` and `excludedAttributes` apply to a list and to a user."""
    user = okta.find(attributes="userName")["Resources"][0]
    assert set(user) == {"schemas", "id", "userName"}
    one = okta.get(f"/Users/{user['id']}?excludedAttributes=meta,name").get_json(force=True)
    assert set(one) == {"schemas", "id", "userName", "emails", "active", "externalId", ENTERPRISE}
