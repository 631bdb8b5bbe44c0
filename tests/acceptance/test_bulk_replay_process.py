"""A bulk replay whose process is killed in the middle, and is followed by another process."""

from pathlib import Path

import psycopg
import pytest

from tests.acceptance.conftest import has_waiting_calls, wait_for
from tests.acceptance.relaying import relay_process
from tests.employees import Connection
from tests.integration.bulk_replaying import FAILED, fail_many, let_pass, linked_employees, replays
from webhook_service.events import Json
from webhook_service.ledger import bulk_replay
from webhook_service.ports import Database


@pytest.mark.campaign
def test_a_killed_relay_is_followed(
    database_url: str, tmp_path: Path, connection: Connection, database: Database
) -> None:
    """When a relay is killed during a bulk replay, another one ends the job, with each event once."""
    fail_many(connection, database, 120)
    job = bulk_replay.begin(database, FAILED, requested_by="kim")["id"]

    def now() -> Json:
        return bulk_replay.job(database, job)

    with relay_process(database_url, tmp_path, "first") as first, psycopg.connect(database_url) as other:
        wait_for("the first part", lambda: now()["replayed"] == 50)
        other.execute("lock table auth_user_state in exclusive mode")
        wait_for("the second part is under way", lambda: has_waiting_calls(connection))
        first.process.kill()
        first.process.wait()
    assert (now()["status"], now()["replayed"]) == ("RUNNING", 50)
    assert connection.execute("select from auth_sync_bulk_replays where leased_until > now()").rowcount == 1
    let_pass(connection, leases=True)
    with relay_process(database_url, tmp_path, "second"):
        wait_for("the end", lambda: now()["status"] == "DONE")
    assert (now()["replayed"], now()["outcomes"]) == (120, {"linked": 120})
    assert (len(set(replays(connection))), len(replays(connection)), linked_employees(connection)) == (120, 120, 120)
