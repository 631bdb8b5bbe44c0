"""Requests of a directory to the SCIM server."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.integration.scim.directories import Directory, directory
from webhook_service.app import create_app
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.scim.attributes import CORE, ENTERPRISE
from webhook_service.settings import ScimSettings, Settings

PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
JANE = {
    "schemas": [CORE, ENTERPRISE],
    "userName": "jane@example.com",
    "externalId": "x1",
    "name": {"givenName": "Jane", "familyName": "Doe"},
    "active": True,
    ENTERPRISE: {"employeeNumber": "7"},
}


@dataclass(frozen=True, slots=True)
class Requests:
    """A directory that sends requests with its token."""

    client: FlaskClient
    directory: Directory
    headers: Mapping[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, body: Json = None, **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        shown = {"Authorization": f"Bearer {self.directory.token}"} | named
        more: dict[str, Any] = {"json": body, "content_type": "application/scim+json"} if body is not None else {}
        return self.client.open(f"/scim/v2{path}", method=method, headers=shown, **more)

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.send("GET", path, **headers)

    def find(self, **parameters: str | int) -> Any:
        """Return the page of a list, which must be possible."""
        answer = self.client.get(
            "/scim/v2/Users",
            query_string=parameters,
            headers={"Authorization": f"Bearer {self.directory.token}"},
        )
        assert answer.status_code == 200, answer.text
        return answer.get_json(force=True)

    def names(self, **parameters: str | int) -> list[str]:
        """Return the userNames of a page."""
        return [each["userName"] for each in self.find(**parameters)["Resources"]]

    def add(self, **changes: Json) -> Any:
        """Create a user, Jane with changes."""
        answer = self.send("POST", "/Users", JANE | changes)
        assert answer.status_code == 201, answer.text
        return answer.get_json(force=True)

    def patch(self, id: str, *operations: Json, **headers: str) -> TestResponse:
        return self.send("PATCH", f"/Users/{id}", {"schemas": [PATCH_URN], "Operations": list(operations)}, **headers)


def requests_of(
    settings: Settings, database: Database, name: str = "okta", scim: ScimSettings | None = None
) -> Requests:
    """A directory with a new token, and the application that it sends requests to."""
    chosen = scim or ScimSettings(rate=100_000)
    app = create_app(replace(settings, scim=chosen), database)
    return Requests(app.test_client(), directory(database, name, chosen.attributes, removes=chosen.removes))


def refusal(answer: TestResponse) -> tuple[int, str | None]:
    """Return the status and the scimType of an error message, which must be one of SCIM."""
    assert answer.content_type == "application/scim+json", answer.text
    body = answer.get_json(force=True)
    assert body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert body["status"] == str(answer.status_code)
    assert body["detail"]
    return answer.status_code, body.get("scimType")
