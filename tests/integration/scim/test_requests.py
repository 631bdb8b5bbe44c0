"""A directory reads and writes users over HTTP."""

from dataclasses import replace
from typing import Any

import pytest

from tests.employees import Connection, employee
from tests.integration.scim.requests import Requests, refusal, requests_of
from webhook_service.ports import Database
from webhook_service.scim.attributes import CORE, ENTERPRISE
from webhook_service.settings import DirectConnection, NewLogins, ScimSettings, Settings


@pytest.fixture
def okta(settings: Settings, database: Database) -> Requests:
    return requests_of(settings, database)


def test_a_user_is_created_and_read(okta: Requests, connection: Connection) -> None:
    """A POST answers 201 with the whole user, its Location and its ETag, and a GET returns the same."""
    answer = okta.send("POST", "/Users", {"userName": " Jane@Example.com ", "name": {"givenName": "Jane"}})
    made = answer.get_json(force=True)
    assert (answer.status_code, answer.content_type) == (201, "application/scim+json")
    assert made["userName"] == "Jane@Example.com"
    assert made["emails"] == [{"value": "jane@example.com", "type": "work", "primary": True}]
    assert (made["active"], made["name"], made["schemas"]) == (True, {"givenName": "Jane"}, [CORE])
    assert answer.headers["Location"] == made["meta"]["location"] == f"/scim/v2/Users/{made['id']}"
    assert answer.headers["ETag"] == made["meta"]["version"]
    again = okta.get(f"/Users/{made['id']}")
    assert (again.status_code, again.get_json(force=True)) == (200, made)
    assert employee(connection, int(made["id"]))["first_name"] == "Jane"


def test_no_response_sets_a_cookie(okta: Requests) -> None:
    """The server knows a client by its token only: no response has a cookie."""
    assert "Set-Cookie" not in okta.get("/Users").headers


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer x", "Basic eDp5", "Bearer scim_" + "a" * 43])
def test_a_request_needs_a_token(okta: Requests, header: str | None) -> None:
    """Without the token of a directory, each path answers 401 in the form of SCIM."""
    for path in ("/Users", "/ServiceProviderConfig", "/nothing", "/Me"):
        answer = okta.client.get(f"/scim/v2{path}", headers={"Authorization": header} if header is not None else {})
        assert refusal(answer) == (401, None)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_admin_key_is_not_a_token(okta: Requests, settings: Settings) -> None:
    """The admin key does not open SCIM, and a token of SCIM does not open the admin API."""
    assert okta.get("/Users", Authorization=f"Bearer {settings.admin_api_key}").status_code == 401
    answer = okta.client.get("/admin/api/summary", headers={"Authorization": f"Bearer {okta.directory.token}"})
    assert answer.status_code == 401


def test_the_rate_of_a_client_is_limited(settings: Settings, database: Database) -> None:
    """A client that sends more than SCIM_RATE requests a minute gets 429 with Retry-After. Another one does not."""
    okta = requests_of(settings, database, scim=ScimSettings(rate=3))
    entra = requests_of(settings, database, "entra", scim=ScimSettings(rate=3))
    answers = [okta.get("/Users") for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert entra.get("/Users").status_code == 200


def test_a_put_changes_what_it_names(okta: Requests, connection: Connection) -> None:
    """A PUT writes the values of its body. An attribute that is not in the body keeps its value, and null erases."""
    made = okta.add()
    body = {
        "id": "99",
        "userName": "JANE@example.com",
        "name": {"familyName": "Roe", "givenName": None},
        "active": "False",
    }
    answer = okta.send("PUT", f"/Users/{made['id']}", body)
    changed = answer.get_json(force=True)
    assert (answer.status_code, changed["id"], changed["name"]) == (200, made["id"], {"familyName": "Roe"})
    assert (changed["active"], changed["externalId"]) == (False, "x1")
    assert changed[ENTERPRISE] == {"employeeNumber": "7"}
    assert employee(connection, int(made["id"]))["email"] == "jane@example.com"
    assert refusal(okta.send("PUT", f"/Users/{made['id']}", {"name": {"givenName": "J"}})) == (400, "invalidValue")


def test_a_patch_without_effect_is_not_a_change(okta: Requests) -> None:
    """A PATCH with the values that the user has answers 200 with the same version."""
    made = okta.add()
    answer = okta.patch(made["id"], {"op": "replace", "value": {"active": True, "userName": "jane@example.com"}})
    assert (answer.status_code, answer.headers["ETag"]) == (200, made["meta"]["version"])
    assert answer.get_json(force=True)["userName"] == "jane@example.com"


def test_only_changes_are_validated(okta: Requests, connection: Connection) -> None:
    """A user with an odd e-mail and a long name can be deactivated, and the stored values stay as they are."""
    row = connection.execute(
        "insert into employees (email, first_name) values ('No Address', repeat('x', 250)) returning employee_id"
    ).fetchone()
    assert row is not None
    id = str(row["employee_id"])
    assert okta.patch(id, {"op": "Replace", "path": "active", "value": "False"}).status_code == 200
    body = okta.get(f"/Users/{id}").get_json(force=True)
    assert okta.send("PUT", f"/Users/{id}", body | {"active": False}).status_code == 200
    stored = employee(connection, row["employee_id"])
    assert (stored["email"], len(stored["first_name"]), stored["is_active"]) == ("No Address", 250, False)


def test_a_deleted_user_is_gone(okta: Requests, connection: Connection) -> None:
    """A DELETE answers 204 and deactivates the employee. The user is then 404, and a POST takes it up again."""
    made = okta.add()
    answer = okta.send("DELETE", f"/Users/{made['id']}")
    assert (answer.status_code, answer.data) == (204, b"")
    assert employee(connection, int(made["id"]))["is_active"] is False
    for method, body in (("GET", None), ("PUT", {"userName": "a@b.com"}), ("DELETE", None)):
        assert refusal(okta.send(method, f"/Users/{made['id']}", body)) == (404, None)
    assert okta.names() == []
    again = okta.add()
    assert (again["id"], again["active"], again["externalId"]) == (made["id"], True, "x1")


def test_a_user_of_another_directory_is_refused(okta: Requests, settings: Settings, database: Database) -> None:
    """A directory cannot change a user that another directory manages: 403. It can read the user."""
    made = okta.add()
    entra = requests_of(settings, database, "entra")
    assert entra.get(f"/Users/{made['id']}").status_code == 200
    assert refusal(entra.patch(made["id"], {"op": "replace", "value": {"active": False}})) == (403, None)
    assert refusal(entra.send("DELETE", f"/Users/{made['id']}")) == (403, None)


@pytest.mark.parametrize(
    "change", [{}, {"userName": "JANE@example.com", "externalId": "x2"}, {"userName": "joe@example.com"}]
)
def test_a_taken_value_is_a_conflict(okta: Requests, change: dict[str, Any]) -> None:
    """A POST with the e-mail, the number or the externalId of another user is 409 uniqueness."""
    okta.add()
    body = {"userName": "jane@example.com", "externalId": "x1"} | change
    assert refusal(okta.send("POST", "/Users", body)) == (409, "uniqueness")


def test_a_change_cannot_take_a_value(okta: Requests) -> None:
    """A PATCH and a PUT cannot take the e-mail or the number of another employee: 409 uniqueness."""
    okta.add()
    joe = okta.add(userName="joe@example.com", externalId="x2", **{ENTERPRISE: {"employeeNumber": "8"}})
    for operation in (
        {"op": "replace", "value": {"userName": " Jane@example.com"}},
        {"op": "add", "path": f"{ENTERPRISE}:employeeNumber", "value": " 7 "},
        {"op": "add", "path": "externalId", "value": "x1"},
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "jane@example.com"},
    ):
        assert refusal(okta.patch(joe["id"], operation)) == (409, "uniqueness")
    assert refusal(okta.send("PUT", f"/Users/{joe['id']}", {"userName": "jane@example.com"})) == (409, "uniqueness")
    assert okta.get(f"/Users/{joe['id']}").get_json(force=True) == joe


def test_more_columns_by_setting(settings: Settings, database: Database, connection: Connection) -> None:
    """The attributes of SCIM_ATTRIBUTES are written, read and filtered, and others are ignored."""
    connection.execute("alter table employees add column unit text, add column job text")
    scim = ScimSettings(attributes={"department": "unit", "title": "job"}, rate=1000)
    okta = requests_of(settings, database, scim=scim)
    made = okta.add(title="Boss", **{ENTERPRISE: {"department": "Sales", "costCenter": "12"}})
    assert (made["title"], made[ENTERPRISE]) == ("Boss", {"department": "Sales"})
    assert okta.names(filter=f'{ENTERPRISE}:department eq "sales" and title sw "b"') == ["jane@example.com"]
    answer = okta.patch(
        made["id"], {"op": "Add", "value": {f"{ENTERPRISE}:department": "IT"}}, {"op": "remove", "path": "title"}
    )
    assert (answer.get_json(force=True)[ENTERPRISE], "title" in answer.get_json(force=True)) == (
        {"department": "IT"},
        False,
    )
    row = employee(connection, int(made["id"]))
    assert (row["unit"], row["job"]) == ("IT", None)


def test_a_new_user_gets_a_login_by_setting(
    settings: Settings, database: Database, connection: Connection, database_url: str
) -> None:
    """With SCIM_CREATE_LOGINS=create, a POST also creates the login, which DELETE of the user then bans."""
    with_auth = replace(settings, auth=DirectConnection(database_url))
    okta = requests_of(with_auth, database, scim=ScimSettings(new_logins=NewLogins.CREATE, rate=1000))
    made = okta.add()
    assert employee(connection, int(made["id"]))["auth_user_id"] is not None
    assert okta.send("DELETE", f"/Users/{made['id']}").status_code == 204
    rows = connection.execute("select operation from integration_sync_log where direction = 'outbound' order by id")
    assert [row["operation"] for row in rows] == ["create_auth_user", "disable_auth_user"]


def test_a_deleted_user_can_leave_no_row(settings: Settings, database: Database, connection: Connection) -> None:
    """With SCIM_DELETE=remove, a DELETE deletes the row of the employee."""
    okta = requests_of(settings, database, scim=ScimSettings(removes=True, rate=1000))
    made = okta.add()
    assert okta.send("DELETE", f"/Users/{made['id']}").status_code == 204
    assert connection.execute("select from employees").fetchall() == []


def test_an_unavailable_database_is_a_retry(okta: Requests, connection: Connection) -> None:
    """While another transaction holds the employee, a PATCH is 503 with Retry-After, in the form of SCIM."""
    id = okta.add()["id"]
    with connection.transaction():
        connection.execute("select from employees where employee_id = %s for update", [id])
        answer = okta.patch(id, {"op": "replace", "value": {"active": False}})
    assert refusal(answer) == (503, None)
    assert int(answer.headers["Retry-After"]) >= 1
    assert okta.patch(id, {"op": "replace", "value": {"active": False}}).status_code == 200
