"""The requests that Microsoft documents for Entra ID's provisioning, in their order.

Source: learn.microsoft.com, "Develop and plan provisioning for a SCIM endpoint in Microsoft Entra ID", and "Known
issues with SCIM 2.0 protocol compliance".
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
        "updatedemail@microsoft.com",
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
