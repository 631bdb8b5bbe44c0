"""A Python client that a generator makes from the OpenAPI document alone."""

import json
import subprocess
import sys
from pathlib import Path

from flask import Flask

from tests.auth_traffic import CONFIRMED, insert, post
from tests.conftest import ADMIN_KEY
from tests.contract.serving import serving
from tests.employees import Connection, hire
from webhook_service.web.api.openapi import document

PROGRAM = """
import io
import sys
from admin_client import AuthenticatedClient
from admin_client.api.employees import import_employees
from admin_client.api.ledger import get_event, list_events, replay_events
from admin_client.models import Filter, Problem, Replays
from admin_client.types import File

client = AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2])
[event] = list_events.sync(client=client, limit=5).events
changes = get_event.sync(event.event_id, client=client).changes.to_dict()
print(event.event_id, event.outcome, changes["auth_user_id"]["from"])
chosen = Filter(employee_id=event.employee_id)
done = replay_events.sync(client=client, body=Replays(filter_=chosen, requested_by="Ann"))
print(done.dry_run, done.matched)
problem = get_event.sync("nope", client=client)
print(isinstance(problem, Problem), problem.reason)
planned = import_employees.sync(client=client, body=File(io.BytesIO(b"email,last_name\\njane@example.com,Roe\\n")))
print(planned.dry_run, planned.counts.changed, planned.changes[0].changes["last_name"]["to"])
refused = import_employees.sync(client=client, body=File(io.BytesIO(b"salary\\n1\\n")), dry_run=False)
print(isinstance(refused, Problem), refused.reason)
"""

OPTIONS = """
post_hooks: []
package_name_override: admin_client
content_type_overrides:
  text/csv: application/octet-stream
"""


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_generated_client_works(app: Flask, connection: Connection, tmp_path: Path) -> None:
    """A generated client reads events, requests a replay, plans the import of a file, and understands refusals."""
    hire(connection, "jane@example.com")
    post(app.test_client(), insert(at=1, email="jane@example.com", email_confirmed_at=CONFIRMED), "evt-1")
    (tmp_path / "openapi.json").write_text(json.dumps(document()))
    (tmp_path / "config.yml").write_text(OPTIONS)
    options = ("--path", "openapi.json", "--meta", "none", "--output-path", "admin_client", "--config", "config.yml")
    run(sys.executable, "-m", "openapi_python_client", "generate", *options, "--fail-on-warning", cwd=tmp_path)
    with serving(app) as address:
        reported = run(sys.executable, "-c", PROGRAM, address, ADMIN_KEY, cwd=tmp_path)
    assert reported.splitlines() == [
        "evt-1 linked None",
        "True 1",
        "True event_not_found",
        "True 1 Roe",
        "True bad_file",
    ]
