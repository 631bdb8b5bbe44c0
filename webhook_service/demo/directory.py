"""The directory of the demo, which deactivates people by SCIM as Okta and Entra ID do."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import httpx

from webhook_service.db.direct import DirectDatabase
from webhook_service.scim.clients import create_token

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory with a token."""

    client: httpx.Client

    def deactivate(self, email: str) -> None:
        """Find the person with this e-mail, and deactivate the person. Raises httpx.HTTPError."""
        found = self.client.get("/Users", params={"filter": f'userName eq "{email}"'}).raise_for_status().json()
        off = {"schemas": [PATCH], "Operations": [{"op": "replace", "value": {"active": False}}]}
        for person in found["Resources"]:
            self.client.patch(f"/Users/{person['id']}", json=off).raise_for_status()


@contextmanager
def directory(database_url: str, url: str) -> Iterator[Directory]:
    """Create a token, and yield a directory that sends requests with it to the server at `url`."""
    with closing(DirectDatabase(database_url)) as database:
        token = create_token(database, "okta", requested_by="demo").token
    with httpx.Client(base_url=f"{url}/scim/v2", headers={"Authorization": f"Bearer {token}"}) as client:
        yield Directory(client)
