"""Writes to auth.users as Auth makes them, their captured events, and the relay that applies them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient
from psycopg.rows import tuple_row
from werkzeug.test import TestResponse

from tests.auth_stand_in import Auth
from tests.auth_traffic import headers_for
from tests.employees import Connection
from tests.kept_databases import session_of
from webhook_service.events import Json
from webhook_service.ledger.relay import run_once
from webhook_service.policy import Policy
from webhook_service.ports import Database

TABLES = (
    *("employees", "integration_sync_log", "auth_user_state", "integration_sync_replays"),
    *("auth_sync_settings", "auth_sync_migrations", "auth_sync_functions"),
)


@contextmanager
def auth_of(url: str) -> Iterator[Auth]:
    """Open Auth's stand-in on its own connection."""
    with session_of(url) as connection:
        connection.row_factory = tuple_row
        yield Auth(connection)


def inbound(connection: Connection, user: UUID | None = None) -> list[dict[str, Any]]:
    """Return the events of one user or of all users in the order of their versions."""
    return connection.execute(
        "select *, request_data::text as body from integration_sync_log"
        " where direction = 'inbound' and (auth_user_id = %(user)s or %(user)s is null) order by version, id",
        {"user": user},
    ).fetchall()


def newest(connection: Connection, user: UUID) -> dict[str, Any]:
    """Return a user's newest event."""
    return inbound(connection, user)[-1]


def deliver(client: FlaskClient, event: dict[str, Any]) -> TestResponse:
    """Post a captured event as the database sends it, signed and with exactly the bytes of the ledger."""
    body = event["body"].encode()
    return client.post("/webhook/auth", data=body, headers=headers_for(body, event["event_id"]))


def relay_all(database: Database, *, name: str = "relay", limit: int = 200) -> Counter[str]:
    """Run passes until no event is due, and count the outcomes."""
    outcomes: Counter[str] = Counter()
    while (ran := run_once(database, Policy(), name=name, limit=limit)).claimed:
        outcomes.update(ran.outcomes)
    return outcomes


def claim(database: Database, name: str, limit: int = 200) -> list[dict[str, Json]]:
    """Claim rows as a relay that then stalls or dies."""
    taken = database.call("auth_sync_claim_v1", p_relay=name, p_limit=limit, p_lease_seconds=30)
    events: list[dict[str, Json]] = taken["events"]
    return events


def end_leases(connection: Connection) -> None:
    """Move the ends of all leases back, so that the leases have ended."""
    connection.execute(
        "update integration_sync_log set leased_until = now() - interval '1 second' where leased_until is not null"
    )


def make_due(connection: Connection) -> None:
    """Make all rows due that will be retried."""
    connection.execute(
        "update integration_sync_log set next_attempt_at = now()"
        " where status <> 'SUCCESS' and next_attempt_at is not null"
    )


def everything(connection: Connection, *tables: str) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of the named tables, or of TABLES by default."""
    return {
        table: connection.execute(f"select * from {table} order by 1").fetchall()  # noqa: S608
        for table in tables or TABLES
    }


@contextmanager
def nothing_captured(connection: Connection) -> Iterator[None]:
    """Disable capture, so that changes of auth.users are lost."""
    connection.execute("alter table auth.users disable trigger auth_sync_capture")
    yield
    connection.execute("alter table auth.users enable trigger auth_sync_capture")


@contextmanager
def nothing_linked(connection: Connection) -> Iterator[None]:
    """Disable the triggers on employees, so that no employee is linked and no action is requested."""
    connection.execute("alter table employees disable trigger user")
    yield
    connection.execute("alter table employees enable trigger user")
