"""The requests that Microsoft documents for Entra ID's provisioning, in their order.

Source, unless a test names another:
https://learn.microsoft.com/en-us/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups and
https://learn.microsoft.com/en-us/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
"""

from typing import Any

import pytest

from tests.employees import Connection, employee
from tests.integration.scim.requests import Requests, refusal, requests_of
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.scim.attributes import CORE, ENTERPRISE
from webhook_service.settings import ScimSettings, Settings

USER: dict[str, Json] = {
    "schemas": [CORE, ENTERPRISE],
    "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
    "userName": "Test_User_ab6490ee@testuser.com",
    "active": True,
    "displayName": "Test User",
    "emails": [{"primary": True, "type": "work", "value": "Test_User_ab6490ee@testuser.com"}],
    "meta": {"resourceType": "User"},
    "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
    "roles": [],
    "phoneNumbers": [{"type": "mobile", "value": "123"}],
    ENTERPRISE: {"employeeNumber": "9", "department": "Sales", "manager": {"value": "22"}},
}


@pytest.fixture
def entra(settings: Settings, database: Database, connection: Connection) -> Requests:
    connection.execute("alter table employees add column department text")
    scim = ScimSettings(attributes={"department": "department"}, rate=1000)
    return requests_of(settings, database, "entra", scim)


def changed(entra: Requests, id: str, *operations: dict[str, Json]) -> Any:
    """The user after a PATCH."""
    answer = entra.patch(id, *operations)
    assert answer.status_code == 200, answer.text
    return answer.get_json(force=True)


def test_a_life(entra: Requests, connection: Connection) -> None:
    """Entra misses a user, creates it, changes it in its forms of PATCH, disables it, restores it and deletes it."""
    assert entra.find(filter='userName eq "Test_User_ab6490ee@testuser.com"')["totalResults"] == 0
    assert entra.find(filter=f'externalId eq "{USER["externalId"]}"')["totalResults"] == 0
    made = entra.send("POST", "/Users", USER).get_json(force=True)
    id = made["id"]
    assert made[ENTERPRISE] == {"employeeNumber": "9", "department": "Sales"}
    found = entra.find(filter='emails[type eq "work"].value eq "test_user_ab6490ee@testuser.com"')
    assert [each["id"] for each in found["Resources"]] == [id]

    multi_valued = changed(
        entra,
        id,
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "updatedEmail@microsoft.com"},
        {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"},
        {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "456"},
        {"op": "Add", "path": 'addresses[type eq "work"].country', "value": "CH"},
    )
    assert (multi_valued["emails"][0]["value"], multi_valued["name"]["familyName"]) == (
        "updatedEmail@microsoft.com",
        "updatedFamilyName",
    )
    without_path = {
        "name.givenName": "Ann",
        f"{ENTERPRISE}:department": "IT",
        f"{ENTERPRISE}:manager": "23",
        "displayName": "Ann",
        'emails[type eq "work"].value': "ann@example.com",
    }
    user = changed(entra, id, {"op": "Add", "value": without_path})
    assert (user["emails"][0]["value"], user["name"]["givenName"]) == ("ann@example.com", "Ann")
    assert user[ENTERPRISE] == {"employeeNumber": "9", "department": "IT"}
    user = changed(entra, id, {"op": "Replace", "path": "userName", "value": "5b50642d-79fc-4410@testuser.com"})
    assert (user["userName"], user["emails"][0]["value"]) == ("5b50642d-79fc-4410@testuser.com", "ann@example.com")
    user = changed(entra, id, {"op": "Remove", "path": f"{ENTERPRISE}:department"})
    assert "department" not in user[ENTERPRISE]

    for value, is_active in (("False", False), ("True", True), (False, False)):
        assert changed(entra, id, {"op": "Replace", "path": "active", "value": value})["active"] is is_active
        assert employee(connection, int(id))["is_active"] is is_active
    assert entra.send("DELETE", f"/Users/{id}").status_code == 204
    assert refusal(entra.get(f"/Users/{id}")) == (404, None)
    assert entra.find(filter=f'externalId eq "{USER["externalId"]}"')["totalResults"] == 0


def test_an_unknown_email_does_not_stop_a_deactivation(entra: Requests) -> None:
    """A change of an e-mail that this server does not keep is ignored, and the user is disabled nevertheless."""
    id = entra.send("POST", "/Users", USER).get_json(force=True)["id"]
    user = changed(
        entra,
        id,
        {"op": "Replace", "path": 'emails[type eq "home"].value', "value": "home@example.com"},
        {"op": "Replace", "path": "active", "value": "False"},
    )
    assert (user["active"], len(user["emails"])) == (False, 1)


def test_the_test_of_the_connection(entra: Requests) -> None:
    """Entra tests a connection with a filter that matches nothing, which must be an empty list and not an error."""
    answer = entra.get("/Users?filter=userName+eq+%22e6c8e1f5-77bc-4a5e%22&aadOptscim062020")
    assert (answer.status_code, answer.get_json(force=True)["Resources"]) == (200, [])


def test_the_samples_of_the_tutorial(entra: Requests) -> None:
    """The requests of the tutorial have its responses: the userName is not an address, and e-mails keep their case."""
    name = "Test_User_00aa00aa-bb11-cc22-dd33-44ee44ee44ee"
    emails = [{"primary": True, "type": "work", "value": "Test_User_11bb11bb@testuser.com"}]
    user = {part: USER[part] for part in ("schemas", "externalId", "active", "meta", "name", "roles")}
    answer = entra.send("POST", "/Users", user | {"userName": name, "emails": emails})
    made = answer.get_json(force=True)
    assert (answer.status_code, made["userName"], made["emails"]) == (201, name, emails)
    assert entra.get(f"/Users/{made['id']}").get_json(force=True) == made
    assert refusal(entra.get("/Users/5171a35d82074e068ce2")) == (404, None)
    assert entra.find(filter=f'userName eq "{name}"')["Resources"] == [made]
    empty = entra.find(filter='userName eq "non-existent user"')
    assert (empty["totalResults"], empty["Resources"], empty["startIndex"]) == (0, [], 1)
    user = changed(
        entra,
        made["id"],
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "updatedEmail@microsoft.com"},
        {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"},
    )
    assert user["emails"] == [{"value": "updatedEmail@microsoft.com", "type": "work", "primary": True}]
    assert (user["userName"], user["name"]["familyName"]) == (name, "updatedFamilyName")
    new_name = "5b50642d-79fc-4410-9e90-4c077cdd1a59@testuser.com"
    renamed = changed(entra, made["id"], {"op": "Replace", "path": "userName", "value": new_name})
    assert (renamed["userName"], renamed["emails"]) == (new_name, user["emails"])
    assert changed(entra, made["id"], {"op": "Replace", "path": "active", "value": False})["active"] is False
    assert entra.send("DELETE", f"/Users/{made['id']}").status_code == 204


@pytest.mark.parametrize("with_flag", [False, True])
def test_multiple_attributes_are_replaced(entra: Requests, with_flag: bool) -> None:
    """A PATCH of several attributes is read in both forms: with the flag aadOptscim062020, and without it."""
    id = entra.send("POST", "/Users", USER).get_json(force=True)["id"]
    values = {"displayName": "Pvlo", "name.givenName": "Gtfd", "name.familyName": "Pkqf"}
    values |= {"externalId": "Eqpj", f"{ENTERPRISE}:employeeNumber": "Eqpj"}
    email = {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "TestBcwqnm@test.microsoft.com"}
    operations: list[dict[str, Json]]
    if with_flag:
        operations = [email | {"op": "replace"}, {"op": "replace", "value": values}]
    else:
        operations = [email, *({"op": "Replace", "path": path, "value": value} for path, value in values.items())]
    user = changed(entra, id, *operations)
    assert user["emails"][0]["value"] == "TestBcwqnm@test.microsoft.com"
    assert (user["name"], user["externalId"]) == ({"givenName": "Gtfd", "familyName": "Pkqf"}, "Eqpj")
    assert (user[ENTERPRISE]["employeeNumber"], user["userName"]) == ("Eqpj", USER["userName"])


def test_the_validator(entra: Requests) -> None:
    """The kinds of requests of the SCIM Validator succeed: the e-mail has another address than the userName.

    Source: https://learn.microsoft.com/en-us/entra/identity/app-provisioning/scim-validator-tutorial, and requests in
    https://learn.microsoft.com/en-us/answers/questions/2238842/microsoft-entra-id-scim-validator-test-failing-pat and
    https://learn.microsoft.com/en-us/answers/questions/1665068/
    """
    user = {
        "active": True,
        "displayName": "XKWLCONOGMVT",
        "emails": [{"type": "work", "value": "aric@prohaska.example"}],
        "externalId": "9950b140-90a0-4201-9d65-b5f209fb4cd0",
        "name": {"formatted": "Aric", "familyName": "Nia", "givenName": "Sandy"},
        "schemas": [CORE],
        "userName": "dale.mohr@romaguera.example",
    }
    made = entra.send("POST", "/Users", user).get_json(force=True)
    assert (made["userName"], made["emails"]) == (user["userName"], user["emails"])
    assert refusal(entra.send("POST", "/Users", user)) == (409, "uniqueness")
    for filter_ in (
        'userName eq "DALE.MOHR@romaguera.example"',
        'emails[type eq "work"].value eq "aric@prohaska.example"',
    ):
        assert [each["id"] for each in entra.find(filter=filter_)["Resources"]] == [made["id"]]
    other = user | {
        "userName": "joe@romaguera.example",
        "externalId": "x",
        "emails": [{"type": "work", "value": "joe@b.example"}],
    }
    assert entra.send("POST", "/Users", other).status_code == 201
    taken = {"op": "replace", "path": "userName", "value": other["userName"]}
    assert refusal(entra.patch(made["id"], taken)) == (409, "uniqueness")

    names = {"name.givenName": "Oswaldo", "name.familyName": "Rylan"}
    assert changed(entra, made["id"], {"op": "replace", "value": names})["name"] == {
        "givenName": "Oswaldo",
        "familyName": "Rylan",
    }
    removed = changed(
        entra,
        made["id"],
        {"op": "remove", "path": "name.givenName"},
        {"op": "remove", "path": "displayName"},
        {"op": "remove", "path": 'emails[type eq "work"].value'},
    )
    assert (removed["name"], removed["emails"]) == ({"familyName": "Rylan"}, user["emails"])
    added = {"op": "add", "value": {"name.givenName": "Sandy", 'emails[type eq "work"].value': "new@b.example"}}
    user = changed(entra, made["id"], added, {"op": "add", "path": f"{ENTERPRISE}:department", "value": "Sales"})
    assert (user["name"]["givenName"], user["emails"][0]["value"]) == ("Sandy", "new@b.example")
    assert user[ENTERPRISE]["department"] == "Sales"
    changed(entra, made["id"], {"op": "replace", "path": "active", "value": False})
    [found] = entra.find(filter='userName eq "dale.mohr@romaguera.example"')["Resources"]
    assert found["active"] is False
    assert entra.send("DELETE", f"/Users/{made['id']}").status_code == 204
    assert refusal(entra.send("DELETE", f"/Users/{made['id']}")) == (404, None)
