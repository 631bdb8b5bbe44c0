"""The requests that Okta documents for its SCIM integrations, in their order.

Source: https://developer.okta.com/docs/api/openapi/okta-scim/guides/scim-20
"""

import uuid
from typing import Any

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


def test_the_spec_test(okta: Requests) -> None:
    """The requests of "Okta SCIM 2.0 SPEC Test" have the results that it requires.

    Source: https://developer.okta.com/standards/SCIM/SCIMFiles/Okta-SCIM-20-SPEC-Test.json
    """
    okta.add(userName="present@example.com", externalId="x9", **{"name": {"familyName": "P", "givenName": "P"}})
    page = okta.find(count=1, startIndex=1)
    assert page["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]
    assert all(isinstance(page[each], int) for each in ("itemsPerPage", "startIndex", "totalResults"))
    first = page["Resources"][0]
    for user in (first, okta.get(f"/Users/{first['id']}").get_json(force=True)):
        assert user["id"] == first["id"]
        assert user["name"]["familyName"]
        assert user["name"]["givenName"]
        assert user["userName"]
        assert user["emails"][0]["value"]
        assert user["active"] is True
    for name in ("abcdefgh@atko.com", USER["userName"]):
        assert okta.find(filter=f'userName eq "{name}"')["totalResults"] == 0
    assert refusal(okta.get(f"/Users/{uuid.uuid4()}")) == (404, None)

    named = {"userName": "Runscope300Abc@atko.com", "active": True, "name": USER["name"], "schemas": [CORE]}
    emails = [[{"primary": True, "value": f"{each}@atko.com", "type": "work"}] for each in ("Abc", "Runscope300Abc")]
    answer = okta.send("POST", "/Users", named | {"emails": emails[0]})
    made = answer.get_json(force=True)
    assert answer.status_code == 201
    assert {name: made[name] for name in named} == named
    assert made["emails"] == emails[0]
    assert okta.get(f"/Users/{made['id']}").get_json(force=True) == made
    assert refusal(okta.send("POST", "/Users", named | {"emails": emails[1]})) == (409, "uniqueness")
    assert okta.find(filter='userName eq "RUNSCOPE300ABC@ATKO.COM"')["Resources"] == [made]
    assert refusal(okta.get("/Groups")) == (404, None)  # an optional test
    assert refusal(okta.get("/Users", Authorization="non-token")) == (401, None)
    assert refusal(okta.get("/Users/00919288221112222")) == (404, None)


def test_the_crud_test(okta: Requests) -> None:
    """After the changes of "Okta SCIM 2.0 CRUD Test" in Okta, the server has the values that it requires.

    Source: https://developer.okta.com/standards/SCIM/SCIMFiles/Okta-SCIM-20-CRUD-Test.json, with the requests that
    Okta sends for these changes: https://developer.okta.com/docs/api/openapi/okta-scim/guides/scim-20
    """
    login = "Okta.User@atko.com"
    profile = USER | {"userName": login, "emails": [{"primary": True, "value": login, "type": "work"}]}
    assert okta.find(filter=f'userName eq "{login}"', startIndex=1, count=100)["totalResults"] == 0
    id = okta.send("POST", "/Users", profile).get_json(force=True)["id"]
    [user] = okta.find(filter=f'userName eq "{login}"')["Resources"]
    assert (user["id"], user["userName"], user["emails"][0]["value"]) == (id, login, login)
    assert user["name"] == USER["name"]

    def after(method: str, body: Json) -> Any:
        assert okta.send(method, f"/Users/{id}", body).status_code == 200
        return okta.get(f"/Users/{id}").get_json(force=True)

    updated = profile | {"id": id, "name": {"givenName": "Another", "familyName": "User"}}
    assert after("PUT", updated)["name"]["givenName"] == "Another"
    switch = {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "value": {"active": False}}]}
    assert after("PATCH", switch)["active"] is False
    assert okta.find(filter=f'userName eq "{login}"')["Resources"][0]["active"] is False
    assert after("PUT", updated)["active"] is True
    assert after("PUT", updated | {"active": False})["active"] is False


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
