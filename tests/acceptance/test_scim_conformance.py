"""The conformance suite scim2-tester of python-scim, alone and by its command, against the running server."""

import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

from tests.acceptance.command import clean_environment
from tests.acceptance.conftest import StartServer
from tests.employees import Connection
from webhook_service.ports import Database
from webhook_service.scim.clients import create_token

SCIM2 = str(Path(sys.executable).with_name("scim2"))


@pytest.mark.campaign
def test_the_server_conforms(start_server: StartServer, database: Database, connection: Connection) -> None:
    """All checks of scim2-tester and of the command `scim2 test` succeed, and none is skipped."""
    connection.execute("alter table employees add column department text, add column title text")
    server = start_server(SCIM_ATTRIBUTES="department=department title=title", SCIM_RATE="100000")
    token = create_token(database, "tester", requested_by="test").token
    url, header = f"{server.url}/scim/v2", f"Bearer {token}"
    with httpx2.Client(base_url=url, headers={"Authorization": header}) as http:
        results = check_server(SyncSCIMClient(http))
    assert [f"{each.title}: {each.reason}" for each in results if each.status is not Status.SUCCESS] == []
    tags = {tag for each in results for tag in each.tags}
    assert {"crud:create", "crud:read", "crud:update", "crud:delete", "patch:add", "patch:remove"} <= tags
    environment = clean_environment() | {"SCIM_CLI_URL": url, "SCIM_CLI_HEADERS": f"Authorization: {header}"}
    command = subprocess.run([SCIM2, "test"], env=environment, capture_output=True, text=True, timeout=120)
    assert (command.returncode, command.stderr) == (0, ""), command.stdout
    assert command.stdout.count("SUCCESS") == len(results)
