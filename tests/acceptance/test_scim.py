"""SCIM over a socket, in the server that runs in production."""

import httpx

from tests.acceptance.conftest import StartServer
from tests.employees import Connection, employee
from tests.integration.scim.requests import JANE, PATCH_URN
from webhook_service.ports import Database
from webhook_service.scim.clients import create_token


def test_a_directory_uses_the_server(start_server: StartServer, database: Database, connection: Connection) -> None:
    """A directory creates, finds and deactivates a user, with a chunked body too. Without its token, it cannot."""
    server = start_server()
    token = create_token(database, "okta", requested_by="test").token
    with httpx.Client(base_url=f"{server.url}/scim/v2", headers={"Authorization": f"Bearer {token}"}) as okta:
        made = okta.post("/Users", json=JANE)
        assert (made.status_code, made.headers["Content-Type"]) == (201, "application/scim+json")
        assert made.json()["meta"]["location"] == made.headers["Location"] == f"/scim/v2/Users/{made.json()['id']}"
        found = okta.get("/Users", params={"filter": 'userName eq "JANE@example.com"'}).json()
        assert [each["id"] for each in found["Resources"]] == [made.json()["id"]]
        known = okta.get(f"/Users/{made.json()['id']}", headers={"If-None-Match": made.headers["ETag"]})
        assert (known.status_code, known.content) == (304, b"")
        body = f'{{"schemas": ["{PATCH_URN}"], "Operations": [{{"op": "replace", "value": {{"active": false}}}}]}}'
        changed = okta.patch(f"/Users/{made.json()['id']}", content=iter([body[:20].encode(), body[20:].encode()]))
        assert (changed.status_code, changed.json()["active"]) == (200, False)
        assert okta.delete(f"/Users/{made.json()['id']}").status_code == 204
        assert okta.post("/Users", content=b"x" * 1_100_000).status_code == 413
    assert employee(connection, int(made.json()["id"]))["is_active"] is False
    refused = httpx.get(f"{server.url}/scim/v2/Users")
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
    assert token not in server.log()
    assert "jane@example.com" not in server.log()
