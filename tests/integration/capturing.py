"""Writes to auth.users as Auth makes them, and the captured rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import tuple_row

from tests.auth_stand_in import Auth
from tests.employees import Connection
from tests.kept_databases import session_of
from webhook_service.db import migrate
from webhook_service.db.embedded import create_auth_schema
from webhook_service.ledger.reconcile import Reconciled, reconcile
from webhook_service.ledger.relay import run_once
from webhook_service.policy import Policy
from webhook_service.ports import Database

MAPPED = {
    "id",
    "email",
    "email_confirmed_at",
    "is_anonymous",
    "banned_until",
    "deleted_at",
    "raw_app_meta_data",
    "raw_user_meta_data",
}
"""The only columns that may leave auth.users."""

Entry = dict[str, Any]


@contextmanager
def writer(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Open a connection in autocommit that has only Auth's privileges."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set role supabase_auth_admin")
        connection.execute("set search_path = auth")
        yield connection


@contextmanager
def auth_on(url: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Iterator[Auth]:
    with session_of(url) as connection:
        connection.row_factory = tuple_row
        yield Auth(connection, now=now)


def entries(connection: Connection, user: UUID) -> list[Entry]:
    """Return the captured rows of the ledger for an auth user, in their order."""
    query = "select * from public.integration_sync_log where auth_user_id = %s and event_id not like 'reconcile-%%'"
    return connection.execute(query.encode() + b" order by id", [user]).fetchall()


def record_of(entry: Entry) -> dict[str, Any]:
    """Return the mapped state that a ledger row holds."""
    record: dict[str, Any] = entry["request_data"]["record"]
    return record


def newest(connection: Connection, user: UUID) -> Entry:
    return entries(connection, user)[-1]


def in_auth(connection: Connection, user: UUID) -> dict[str, Any] | None:
    """Return the mapped columns of auth.users, with times in UTC as PostgreSQL writes them."""
    connection.execute("set timezone = 'UTC'")
    found = connection.execute("select to_jsonb(u) as row from auth.users u where id = %s", [user]).fetchone()
    return found and {column: found["row"][column] for column in MAPPED if not column.startswith("raw_")}


def relay(database: Database) -> int:
    """Run passes until no row is due, and return the number of claimed rows."""
    count = 0
    while claimed := run_once(database, Policy(), name="test").claimed:
        count += claimed
    return count


def reconciled(database: Database, *, dry_run: bool = False) -> Reconciled:
    return reconcile(database, Policy(), requested_by="test", dry_run=dry_run)


def prepared(url: str) -> str:
    """Create the stand-in for the schema `auth` in a database, migrate the database, and return its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        create_auth_schema(connection)
    migrate.migrate(url)
    return url
