"""The requests that Okta documents for its SCIM integrations, in their order.

Source: developer.okta.com, "SCIM 2.0 protocol reference" and "Test your SCIM API".
"""

import uuid

import pytest

from tests.employees import Connection, employee
from tests.integration.scim.requests import PATCH_URN, Requests, refusal, requests_of
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.scim.attributes import CORE
from webhook_service.settings import Settings

USER: dict[str, Json] = {
    "schemas": [CORE],
    "userName": "test.user@okta.local",
    "name": {"givenName": "Test", "familyName": "User"},
    "emails": [{"primary": True, "value": "test.user@okta.local", "type": "work"}],
    "displayName": "Test User",
    "locale": "en-US",
    "externalId": "00ujl29u0le5T6Aj10h7",
    "groups": [],
    "password": "1mz050nq",
    "active": True,
}


@pytest.fixture
def okta(settings: Settings, database: Database) -> Requests:
    return requests_of(settings, database)


def test_the_test_suite(okta: Requests) -> None:
    """Okta's test of a SCIM server: read a page, miss a user, create a user, read it, and fail to create it again."""
    okta.add(userName="present@example.com", externalId="x9", **{"name": {"familyName": "P", "givenName": "P"}})
    page = okta.find(count=1, startIndex=1)
    assert page["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]
    assert all(isinstance(page[each], int) for each in ("itemsPerPage", "startIndex", "totalResults"))
    first = page["Resources"][0]
    assert all(first[each] for each in ("id", "userName", "active", "name", "emails"))
    assert okta.get(f"/Users/{first['id']}").get_json(force=True)["userName"] == first["userName"]
    assert okta.find(filter=f'userName eq "{uuid.uuid4()}@example.com"')["totalResults"] == 0
    assert refusal(okta.get(f"/Users/{uuid.uuid4()}")) == (404, None)
    answer = okta.send("POST", "/Users", USER)
    made = answer.get_json(force=True)
    assert (answer.status_code, made["active"], made["name"]) == (201, True, USER["name"])
    assert made["userName"] == USER["userName"]
    assert okta.get(f"/Users/{made['id']}").get_json(force=True) == made
    assert refusal(okta.send("POST", "/Users", USER)) == (409, "uniqueness")
    assert okta.find(filter='userName eq "TEST.USER@okta.local"')["totalResults"] == 1


def test_a_life(okta: Requests, connection: Connection) -> None:
    """Okta imports an employee by its userName, writes it whole, deactivates it, and activates it again."""
    row = connection.execute(
        "insert into employees (email, employee_number) values ('Test.User@Okta.local', '12') returning employee_id"
    ).fetchone()
    assert row is not None
    found = okta.find(filter='userName eq "test.user@okta.local"', startIndex=1, count=100)
    assert [each["id"] for each in found["Resources"]] == [str(row["employee_id"])]
    path = f"/Users/{row['employee_id']}"
    written = okta.send("PUT", path, USER | {"id": str(row["employee_id"]), "meta": {"resourceType": "User"}})
    assert (written.status_code, written.get_json(force=True)["externalId"]) == (200, USER["externalId"])
    stored = employee(connection, row["employee_id"])
    assert (stored["email"], stored["first_name"], stored["employee_number"]) == ("Test.User@Okta.local", "Test", "12")
    off = {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "value": {"active": False}}]}
    answer = okta.send("PATCH", path, off)
    assert (answer.status_code, answer.get_json(force=True)["active"]) == (200, False)
    assert employee(connection, row["employee_id"])["is_active"] is False
    assert okta.send("PUT", path, USER | {"active": True}).get_json(force=True)["active"] is True
    assert employee(connection, row["employee_id"])["is_active"] is True


def test_the_acts_are_in_the_audit(okta: Requests, connection: Connection) -> None:
    """Each act is in the audit with the name of the directory."""
    id = okta.add()["id"]
    okta.patch(id, {"op": "replace", "value": {"active": False}})
    rows = connection.execute("select who, action, target, result from auth_sync_audit order by id").fetchall()
    assert [tuple(row.values()) for row in rows][-2:] == [
        ("directory okta", "create an employee", f"employee:{id}", "done"),
        ("directory okta", "deactivate", f"employee:{id}", "done"),
    ]
