"""Restores the objects and privileges that are missing or altered in a migrated database."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from webhook_service.db import schema
from webhook_service.db.expected import EMPLOYEES, expected, lacking
from webhook_service.errors import MigrationError

LOCK = 7_305_191_620_264_041_213
"""The advisory lock of migrations, which only one process at a time can hold. The number is arbitrary."""

MIGRATION_LOCK_TIMEOUT = "60s"
"""The longest wait for another process that is migrating."""

TABLE_LOCK_TIMEOUT = "5s"
"""The longest wait for a table's lock. It is short, because other writers wait behind the migration.

A migration may set a shorter time.
"""


@contextmanager
def alone(connection: psycopg.Connection) -> Iterator[None]:
    """Run the block in a transaction that holds the migration lock. Other processes wait for the lock."""
    with connection.transaction():
        connection.execute(sql.SQL("set local lock_timeout = {}").format(MIGRATION_LOCK_TIMEOUT))
        connection.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        connection.execute(sql.SQL("set local lock_timeout = {}").format(TABLE_LOCK_TIMEOUT))
        yield


def explained(error: psycopg.Error) -> str:
    """Return the message of a database error, and its hint as the statement that fixes the cause."""
    message = error.diag.message_primary or type(error).__name__
    return f"{message}.{f' To fix it: {error.diag.message_hint};' if error.diag.message_hint else ''}"


def _lacking(connection: psycopg.Connection) -> list[str]:
    """Return the objects that the database lacks, as `expected.lacking` describes them."""
    if connection.execute("select to_regproc('public.auth_sync_installed_v1')").fetchone() == (None,):
        return [f"function {name}" for name in expected().functions]
    row = connection.execute("select public.auth_sync_installed_v1()").fetchone()
    return lacking(row[0]) if row is not None else []


def repair(connection: psycopg.Connection) -> None:
    """Restore objects, privileges, owners and triggers that are missing or altered.

    Raises MigrationError, and psycopg.errors.LockNotAvailable.
    """
    try:
        _restore_objects(connection, _lacking(connection))
        _restore_indexes(connection)
        with alone(connection):
            connection.execute("select public.auth_sync_secure_v1()")
        connection.execute("select public.auth_sync_install_v1()")
    except psycopg.errors.LockNotAvailable:
        raise
    except psycopg.Error as error:
        detail = f" {error.diag.message_detail}" if isinstance(error, psycopg.errors.DependentObjectsStillExist) else ""
        raise MigrationError("migration_failed", f"Not restored: {explained(error)}{detail}") from error


def _restore_objects(connection: psycopg.Connection, lost: list[str]) -> None:
    """Run the scripts that create the lost objects again. Indexes are restored by `_restore_indexes`."""
    kinds = {description.split()[0] for description in lost}
    if kinds & {"table", "column"}:
        with alone(connection):
            for table, column in (
                each.removeprefix("column ").split(".") for each in lost if each.startswith("column ")
            ):
                if table != EMPLOYEES:
                    connection.execute(
                        sql.SQL("alter table {} add column if not exists {} {}").format(
                            sql.Identifier("public", table),
                            sql.Identifier(column),
                            sql.SQL(expected().tables[table][column]),
                        )
                    )
        for migration in schema.migrations():
            with alone(connection):
                connection.execute(migration.script.encode())
    if kinds - {"index"}:
        with alone(connection):
            if "view" in kinds:  # `create or replace` refuses a view whose columns have other types now
                views = sql.SQL(", ").join(sql.Identifier("public", name) for name in expected().views)
                connection.execute(sql.SQL("drop view if exists {}").format(views))
            connection.execute(schema.functions().script.encode())


def _restore_indexes(connection: psycopg.Connection) -> None:
    """Create each index that is missing, is invalid or belongs to another table."""
    statements = schema.indexes(schema.migrations())
    for name, statement in statements.items():
        if f"index {name}" not in _lacking(connection):
            continue
        with alone(connection):
            if f"index {name}" in _lacking(connection):  # another process may have created the index before the lock
                connection.execute(sql.SQL("drop index if exists {}").format(sql.Identifier("public", name)))
                connection.execute(statement.encode())
