"""Auth writes a change, the database signs it, pg_net posts it, and the server applies it."""

from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString
from uuid import UUID

import pytest

from tests.acceptance.command import settings_for
from tests.acceptance.conftest import wait_for
from tests.auth_stand_in import Auth
from tests.auth_traffic import SECRET
from tests.employees import Connection, employee, hire
from tests.integration.auth_actions import BAN_END
from tests.integration.capturing import auth_on, prepared, reconciled, relay
from tests.integration.sending import send_to
from tests.pg_net_double import Mischief, working
from tests.ports import free_port
from webhook_service.ports import Database
from webhook_service.server import process as server_process


@pytest.fixture
def database_url(supabase_database_url: str) -> str:
    """A database with pgcrypto, Vault and pg_net, in place of the embedded one."""
    return prepared(supabase_database_url)


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[str]:
    """Run a server without a relay, and return its URL."""
    port = free_port()
    environment = settings_for(database_url) | {"HOST": "127.0.0.1", "PORT": str(port), "RELAY": "off"}
    with (tmp_path / "server.log").open("wb") as log, server_process.running(environment, log=log) as process:
        server_process.wait_until_ready(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}/webhook/auth"


def count(connection: Connection, rows: LiteralString) -> int:
    found = connection.execute(f"select count(*) from {rows}").fetchone()  # noqa: S608
    assert found is not None
    return int(found["count"])


def pending(connection: Connection) -> int:
    return count(connection, "integration_sync_log where status = 'PENDING'")


def are_answered(connection: Connection) -> bool:
    """Return whether pg_net has a response for each captured event."""
    answered = count(connection, "net._http_response where status_code is not null")
    return answered >= count(connection, "integration_sync_log where direction = 'inbound'")


def live(auth: Auth, connection: Connection) -> dict[int, UUID | None]:
    """Let people sign up, confirm, change and leave. Return the auth user that each employee must then have."""
    expected: dict[int, UUID | None] = {}
    for number in range(8):
        employee_id = hire(connection, f"user{number}@example.com")
        user = auth.sign_up(f"user{number}@example.com", user_metadata={"first_name": f"Név{number}"})
        auth.confirm(user)
        auth.sign_in(user)
        if number % 4 == 1:
            auth.ban(user, BAN_END)
            auth.change_email(user, f"user{number}.new@example.com")
        if number % 4 == 2:
            auth.soft_delete(user)
        if number % 4 == 3:
            auth.hard_delete(user)
        expected[employee_id] = user if number % 4 < 2 else None
    return expected


def links(connection: Connection, employee_ids: dict[int, UUID | None]) -> dict[int, UUID | None]:
    return {number: employee(connection, number)["auth_user_id"] for number in employee_ids}


@pytest.mark.parametrize(
    "mischief", [Mischief(interval=0.05), Mischief(seed=1, interval=0.05, duplicate=0.5)], ids=["well", "twice"]
)
def test_changes_in_auth_arrive(
    database_url: str, connection: Connection, database: Database, server: str, mischief: Mischief
) -> None:
    """Webhooks link the employees. The relay applies only events whose webhook got a 503 because of a locked row."""
    send_to(connection, server, SECRET)
    connection.execute("update auth_sync_settings set relay_after = '1 hour'")
    with auth_on(database_url) as auth:
        expected = live(auth, connection)
    with working(database_url, mischief):
        wait_for("all webhooks are answered", lambda: are_answered(connection))
    left = pending(connection)
    assert left <= count(connection, "net._http_response where status_code = 503")
    connection.execute("update integration_sync_log set next_attempt_at = now() where status = 'PENDING'")
    assert relay(database) == left
    assert links(connection, expected) == expected
    assert reconciled(database, dry_run=True).differences == {}
    done = connection.execute("select distinct status, attempts from integration_sync_log where direction = 'inbound'")
    assert done.fetchall() == [{"status": "SUCCESS", "attempts": 1}]
