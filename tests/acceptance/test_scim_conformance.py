"""The conformance suite scim2-tester of python-scim against the running server."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server, filling

from tests.acceptance.conftest import StartServer
from tests.employees import Connection
from webhook_service.ports import Database
from webhook_service.scim.clients import create_token

KEPT = {("check_remove_attribute", "active")} | {
    (f"check_{kind}_attribute", "emails") for kind in ("add", "remove", "replace")
}
"""The PATCH operations without the effect that the suite expects, which a schema cannot announce: `active` cannot be
removed, and an employee has one e-mail, which is the userName, so that further ones are ignored.
"""


@pytest.fixture
def addresses_as_user_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the suite choose an e-mail address as userName, because no schema can demand one."""
    chosen = filling.generate_random_value

    def value(context: Any, path: Any, *args: Any, **kwargs: Any) -> Any:
        is_user_name = str(path).lower().endswith("username")
        given = chosen(context, path, *args, **kwargs)
        return f"{uuid4()}@example.com" if is_user_name and given is not None else given

    monkeypatch.setattr(filling, "generate_random_value", value)
    monkeypatch.setattr("scim2_tester.checkers.patch_add.generate_random_value", value)
    monkeypatch.setattr("scim2_tester.checkers.patch_replace.generate_random_value", value)


@pytest.mark.campaign
@pytest.mark.usefixtures("addresses_as_user_names")
def test_the_server_conforms(start_server: StartServer, database: Database, connection: Connection) -> None:
    """The checks of scim2-tester succeed: discovery, and creating, reading, querying, changing and deleting users.

    Only the operations of KEPT have another result.
    """
    connection.execute("alter table employees add column department text, add column title text")
    server = start_server(SCIM_ATTRIBUTES="department=department title=title", SCIM_RATE="100000")
    token = create_token(database, "tester", requested_by="test").token
    with httpx2.Client(base_url=f"{server.url}/scim/v2", headers={"Authorization": f"Bearer {token}"}) as http:
        results = check_server(SyncSCIMClient(http))
    failed = [each for each in results if each.status is not Status.SUCCESS]
    unexpected = [each for each in failed if (each.title, (each.data or {}).get("urn")) not in KEPT]
    assert [f"{each.title}: {each.reason}" for each in unexpected] == []
    assert {"crud:create", "crud:read", "crud:update", "crud:delete"} <= {tag for each in results for tag in each.tags}
