"""The admin API creates and revokes the tokens of directories, and releases employees from them."""

from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.conftest import ADMIN_KEY
from tests.employees import Connection, hire
from tests.integration.scim.directories import JANE, directory
from tests.integration.signing_in import recorded
from webhook_service.ports import Database
from webhook_service.scim.clients import client_of, create_token
from webhook_service.scim.refusals import NoSuchPerson

KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}
TOKENS = "/admin/api/directories/tokens"
OKTA = {"name": "okta", "requested_by": "Kim"}


def posted(app: Flask, path: str, body: Any = None, **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client().post(path, json=body or {"requested_by": "Kim"}, headers=KEY | named)


def test_a_token_is_returned_once(app: Flask, database: Database, connection: Connection) -> None:
    """A new token is in the first response only: not in the list, in a repeated response, or in the database."""
    first, second = (posted(app, TOKENS, OKTA, Idempotency_Key="k1") for _ in range(2))
    made = first.get_json()
    assert (first.status_code, first.headers["Cache-Control"], made["token_was_shown"]) == (201, "no-store", False)
    client = client_of(database, made["token"])
    assert client is not None
    assert (client.name, made["name"]) == ("okta", "okta")
    assert second.get_json() == made | {"token": None, "token_was_shown": True}
    listed = app.test_client().get(TOKENS, headers=KEY)
    [token] = listed.get_json()["tokens"]
    assert (token["token_id"], token["name"], token["created_by"]) == (made["token_id"], "okta", "api:Kim")
    assert token["last_used_at"] is not None
    kept = connection.execute("select body from auth_sync_idempotency_keys").fetchall()
    assert made["token"] not in listed.text + str(kept)
    assert recorded(connection) == [("api:Kim", "create a SCIM token", None)]


@pytest.mark.parametrize("name", ["", "Okta", "okta\n", "é", "x" * 64, None, 7])
def test_a_wrong_name_is_refused(app: Flask, connection: Connection, name: Any) -> None:
    """An invalid name of a directory is refused. The error names the field, and nothing is created."""
    answer = posted(app, TOKENS, {"name": name})
    assert (answer.status_code, list(answer.get_json()["fields"])) == (422, ["name"])
    assert connection.execute("select from auth_sync_scim_clients").fetchall() == []


def test_a_token_is_revoked(app: Flask, database: Database, connection: Connection) -> None:
    """A revoked token identifies no directory. A revocation of a revoked or unknown token changes nothing."""
    made = create_token(database, "okta", requested_by="Ada")
    path = f"{TOKENS}/{made.token_id}/revoke"
    assert [posted(app, path).get_json() for _ in range(2)] == [{"count": 1}, {"count": 0}]
    assert client_of(database, made.token) is None
    assert posted(app, f"{TOKENS}/99/revoke").get_json() == {"count": 0}
    assert posted(app, f"{TOKENS}/{10**30}/revoke").status_code == 404
    assert recorded(connection)[1:] == [("api:Kim", "revoke a SCIM token", None)]


def test_an_employee_is_released(app: Flask, database: Database, connection: Connection) -> None:
    """A released employee does not exist for its directory. Others cannot be released.

    Each attempt for an existing employee is audited.
    """
    okta = directory(database)
    jane = int(okta.create(**JANE).id)
    path = f"/admin/api/employees/{jane}/release"
    assert posted(app, path).get_json() == {"employee_id": jane, "directory": "okta"}
    with pytest.raises(NoSuchPerson):
        okta.get(jane)
    for employee_id in (jane, hire(connection, "joe@example.com")):
        answer = posted(app, f"/admin/api/employees/{employee_id}/release")
        assert (answer.status_code, answer.get_json()["reason"]) == (409, "not_managed")
    assert posted(app, "/admin/api/employees/99/release").get_json()["reason"] == "employee_not_found"
    query = "select who, result, reason from auth_sync_audit where action like 'release%' order by id"
    acts = [(row["who"], row["result"], row["reason"]) for row in connection.execute(query)]
    assert acts[0] == ("api:Kim", "done", "okta")
    assert [act[1] for act in acts] == ["done", "refused", "refused"]


@pytest.mark.parametrize(("method", "path"), [("GET", TOKENS), ("POST", TOKENS), ("POST", f"{TOKENS}/1/revoke")])
def test_a_directory_cannot_use_the_admin_api(app: Flask, database: Database, method: str, path: str) -> None:
    """The token of a directory is not an admin key."""
    token = create_token(database, "okta", requested_by="Ada").token
    answer = app.test_client().open(path, method=method, json=OKTA, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
