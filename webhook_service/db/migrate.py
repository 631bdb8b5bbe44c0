"""Migrate a database to the schema that this version needs (`schema.py`): forward only, one transaction per script."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from webhook_service.db import schema
from webhook_service.db.schema import Script
from webhook_service.errors import MigrationError, Unavailable
from webhook_service.events import Json
from webhook_service.policy import Policy
from webhook_service.ports import Database

LOCK = 7_305_191_620_264_041_213
"""The advisory lock that lets one process at a time migrate. The number is arbitrary."""

MIGRATION_LOCK_TIMEOUT = "60s"
"""The longest wait for another process that migrates."""

TABLE_LOCK_TIMEOUT = "5s"
"""The longest wait for a table. Other writers of the table queue behind this wait. A migration may set less."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The schema that this version needs: the number of its newest migration, and the digest of its functions."""

    migration: int
    functions: str


def wanted() -> Wanted:
    return Wanted(schema.migrations()[-1].number, schema.functions().digest)


def gap(database: Database, wanted: Wanted) -> str | None:
    """Describe what the database lacks of `wanted`, in words, or return None if it lacks nothing.

    Newer functions are not a gap if the database has had the wanted ones before, because old and new processes may run
    side by side. Raises Unavailable.
    """
    try:
        found = database.call("auth_sync_schema_v1")
    except Unavailable as error:
        if error.reason != "not_migrated":
            raise
        found = {"migration": 0}
    if (found["migration"] or 0) < wanted.migration:
        return f"at {found['migration'] or 0}, needs {wanted.migration}"
    if wanted.functions not in found.get("functions", ()):
        return f"at {found['migration']}, but its functions are older than {wanted.functions}"
    return None


def trigger_settings(policy: Policy) -> dict[str, Json]:
    """Return the settings that the triggers need, as the parameters of `auth_sync_configure_v1`."""
    return {"p_name_fields": dict(policy.name_fields), "p_columns": sorted(policy.columns)}


def uninstall(url: str) -> None:
    """Run `uninstall_script` in one transaction. Raises MigrationError."""
    require_a_connection_string(url)
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            connection.execute(schema.uninstall_script())
    except psycopg.Error as error:
        why = error.diag.message_primary or str(error).partition("\n")[0]
        raise MigrationError("not_uninstalled", f"Nothing was removed: {why}") from error


def migrate(
    url: str,
    *,
    policy: Policy | None = None,
    dry_run: bool = False,
    applied: Callable[[Script], None] = lambda script: None,
) -> int:
    """Apply the pending scripts and return their number. `applied` is called with each script.

    Also repairs indexes, triggers, rights and owners (auth.users may have been created later), and stores the `policy`
    for the triggers if one is given. `dry_run` changes nothing. Any number of processes may migrate at once: one
    process does the work, and the others wait for it. Raises MigrationError, also for a database that a newer version
    has migrated.
    """
    require_a_connection_string(url)
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            count = 0
            for script in pending_in(connection) if dry_run else _apply_all(connection):
                applied(script)
                count += 1
            if not dry_run:
                _repair(connection)
                if policy is not None:
                    values = [Jsonb(value) for value in trigger_settings(policy).values()]
                    connection.execute("select public.auth_sync_configure_v1(%s, %s)", values)
                    limit = [policy.deactivation_limit]
                    connection.execute("select public.auth_sync_limit_deactivations_v1(%s)", limit)
            return count
    except psycopg.errors.LockNotAvailable as error:
        raise MigrationError("locked", "Another process migrates or has locked the tables. Try again.") from error
    except psycopg.Error as error:
        why = error.diag.message_primary or str(error).partition("\n")[0]
        raise MigrationError("database_unreachable", f"The database cannot be reached or used: {why}") from error


def require_a_connection_string(url: str) -> None:
    """Raise MigrationError for a URL that libpq misreads. libpq's own error would repeat a part of the password."""
    try:
        is_understood = "@" not in str(conninfo_to_dict(url).get("host", ""))
    except psycopg.Error:
        is_understood = False
    if not is_understood:
        raise MigrationError(
            "bad_setting", "DATABASE_URL cannot be read: write @ : / % in its password as %40 %3A %2F %25."
        )


def pending_in(connection: psycopg.Connection) -> list[Script]:
    """Return the scripts that the database lacks, in order.

    Raises MigrationError if different files, or a newer version, have migrated the database.
    """
    recorded = _recorded(connection, "auth_sync_migrations", "select number, checksum from {} order by number")
    checksums: dict[int, str] = dict(recorded)
    migrations = schema.migrations()
    newest = max(checksums, default=0)
    if newest > migrations[-1].number:
        raise MigrationError(
            "database_is_newer",
            f"The database is at migration {newest}, but this version knows only {migrations[-1].number}."
            " Use the newer version.",
        )
    for migration in migrations:
        if checksums.get(migration.number, migration.checksum) != migration.checksum:
            raise MigrationError(
                "migration_differs",
                f"Migration {migration.number} ({migration.name}) was applied with another text than this version's.",
            )
    pending: list[Script] = [migration for migration in migrations if migration.number not in checksums]
    functions = schema.functions()
    digests = [
        digest
        for (digest,) in _recorded(connection, "auth_sync_functions", "select digest from {} order by applied_at desc")
    ]
    if functions.digest in digests[1:]:
        own = f"(select applied_at from auth_sync_functions where digest = '{functions.digest}')"  # noqa: S608 (a message)
        forget = f"delete from auth_sync_functions where applied_at >= {own};"  # noqa: S608
        raise MigrationError(
            "database_is_newer",
            "The database has newer functions than this version. Use the newer version."
            f" To go back on purpose, first run: {forget}",
        )
    return pending if digests[:1] == [functions.digest] else [*pending, functions]


def _recorded(connection: psycopg.Connection, table: str, query: LiteralString) -> list[TupleRow]:
    """The rows of a table that may not exist yet."""
    if connection.execute("select to_regclass(%s)", [f"public.{table}"]).fetchone() == (None,):
        return []
    return connection.execute(sql.SQL(query).format(sql.Identifier("public", table))).fetchall()


@contextmanager
def _alone(connection: psycopg.Connection) -> Iterator[None]:
    """A transaction under the migration lock. Other processes wait for it."""
    with connection.transaction():
        connection.execute(sql.SQL("set local lock_timeout = {}").format(MIGRATION_LOCK_TIMEOUT))
        connection.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        connection.execute(sql.SQL("set local lock_timeout = {}").format(TABLE_LOCK_TIMEOUT))
        yield


def _apply_all(connection: psycopg.Connection) -> Iterator[Script]:
    while (script := _apply_next(connection)) is not None:
        yield script


def _apply_next(connection: psycopg.Connection) -> Script | None:
    """Apply the first pending script, and return it."""
    script = None
    try:
        with _alone(connection):
            script = next(iter(pending_in(connection)), None)
            if script is not None:
                connection.execute(script.script.encode())
            return script
    except psycopg.Error as error:
        if script is None:
            raise
        message = error.diag.message_primary or type(error).__name__
        hint = f" Hint: {error.diag.message_hint}" if error.diag.message_hint else ""
        raise MigrationError("migration_failed", f"{script.title}: {message}.{hint}") from error


def _valid_indexes(connection: psycopg.Connection) -> set[str]:
    """The names of the valid indexes in schema public."""
    rows = connection.execute(
        "select c.relname from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid"
        " where i.indisvalid and c.relnamespace = 'public'::regnamespace"
    )
    return {str(name) for (name,) in rows}


def _repair(connection: psycopg.Connection) -> None:
    """Restore indexes, rights, owners and triggers that are missing or altered. Raises psycopg.Error."""
    statements = schema.indexes(schema.migrations())
    for name in statements.keys() - _valid_indexes(connection):
        with _alone(connection):
            if name not in _valid_indexes(connection):  # another process may have created it meanwhile
                connection.execute(sql.SQL("drop index if exists {}").format(sql.Identifier("public", name)))
                connection.execute(statements[name].encode())
    with _alone(connection):
        connection.execute("select public.auth_sync_secure_v1()")
    connection.execute("select public.auth_sync_install_v1()")
