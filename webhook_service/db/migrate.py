"""Migrates a database to the schema that this version needs (`schema.py`). Each script runs in one transaction.

There are no migrations to older schemas.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from webhook_service.db import schema
from webhook_service.db.repair import alone, explained, repair
from webhook_service.db.schema import Script
from webhook_service.errors import MigrationError, Unavailable
from webhook_service.events import Json
from webhook_service.policy import Policy
from webhook_service.ports import Database


@dataclass(frozen=True, slots=True)
class Wanted:
    """The schema that this version needs, as the number of the newest migration and the digest of the functions."""

    migration: int
    functions: str


def wanted() -> Wanted:
    return Wanted(schema.migrations()[-1].number, schema.functions().digest)


def gap(database: Database, wanted: Wanted) -> str | None:
    """Describe the parts of `wanted` that the database lacks, or return None if it has the wanted schema.

    Newer functions are not a gap if the database had the wanted functions before, because old and new processes may run
    at the same time. Raises Unavailable.
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
    create_employees: bool = False,
    protect_employees: bool = False,
    applied: Callable[[Script], None] = lambda script: None,
    protected: Callable[[str], None] = lambda statement: None,
    warned: Callable[[str], None] = lambda warning: None,
) -> int:
    """Apply the pending scripts and return their number. `applied` is called with each script.

    First checks the privileges, the owners and the employees table. `warned` is called with each warning.
    `create_employees` allows an empty public.employees even if another table may be the employees table.
    `protect_employees` takes the privileges on employees that open logins from other roles. `protected` is called with
    each statement that did it.

    Also repairs tables, columns, indexes, views, functions, triggers, privileges and owners. Triggers may be missing
    because auth.users was created later. Stores the `policy` for the triggers if it is given. `dry_run` changes
    nothing. Any number of processes may migrate at the same time. One process migrates, and all other processes wait.
    Raises MigrationError, for example if a newer version has migrated the database.
    """
    require_a_connection_string(url)
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            _check(connection, create_employees, warned)
            count = 0
            for script in pending_in(connection) if dry_run else _apply_all(connection):
                applied(script)
                count += 1
            if not dry_run:
                repair(connection)
                if policy is not None:
                    store_policy(connection, policy)
            if protect_employees:
                for statement in _protect_employees(connection, dry_run=dry_run):
                    protected(statement)
            for warning in _open_employees(connection):
                warned(warning)
            return count
    except psycopg.errors.LockNotAvailable as error:
        raise MigrationError("locked", "Another process migrates or has locked the tables. Try again.") from error
    except psycopg.Error as error:
        why = error.diag.message_primary or str(error).partition("\n")[0]
        raise MigrationError("database_unreachable", f"The database cannot be reached or used: {why}") from error


def store_policy(connection: psycopg.Connection[Any], policy: Policy) -> None:
    """Store what the triggers need of the policy."""
    values = [Jsonb(value) for value in trigger_settings(policy).values()]
    connection.execute("select public.auth_sync_configure_v1(%s, %s)", values)
    connection.execute("select public.auth_sync_limit_deactivations_v1(%s)", [policy.deactivation_limit])


def require_a_connection_string(url: str) -> None:
    """Raise MigrationError for a URL that libpq misreads. An error of libpq would repeat a part of the password."""
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

    Raises MigrationError if a newer version, or a migration with another text, was applied to the database.
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
    """Return the rows of a table, or an empty list if the table does not exist yet."""
    if connection.execute("select to_regclass(%s)", [f"public.{table}"]).fetchone() == (None,):
        return []
    return connection.execute(sql.SQL(query).format(sql.Identifier("public", table))).fetchall()


def _check(connection: psycopg.Connection, create_employees: bool, warned: Callable[[str], None]) -> None:
    """Run `preflight.sql`. Raises MigrationError if the database is not suitable."""
    if create_employees:
        connection.execute(schema.CREATE_EMPLOYEES)

    def pass_on(diagnostic: psycopg.errors.Diagnostic) -> None:
        warned((diagnostic.message_primary or "").removeprefix("webhook-service: "))

    connection.add_notice_handler(pass_on)
    try:
        with alone(connection):
            connection.execute(schema.preflight().encode())
    except psycopg.errors.ObjectNotInPrerequisiteState as error:
        raise MigrationError("migration_failed", f"Nothing was changed: {explained(error)}") from error
    finally:
        connection.remove_notice_handler(pass_on)


PROTECT = "webhook-service migrate --protect-employees --dry-run"
"""The command that shows the remedy for privileges on employees with which other roles can take over logins."""


def _protect_employees(connection: psycopg.Connection, *, dry_run: bool) -> list[str]:
    """Take the privileges on employees that open logins from other roles, and return the statements that did it."""
    try:
        with alone(connection):
            found = connection.execute("select * from public.auth_sync_protect_employees(%s)", [dry_run]).fetchall()
    except psycopg.errors.LockNotAvailable:
        raise
    except psycopg.errors.UndefinedFunction as error:
        raise MigrationError(
            "not_migrated", "Run `webhook-service migrate` before a dry run of the protection."
        ) from error
    except psycopg.Error as error:
        raise MigrationError("migration_failed", f"employees is not protected: {explained(error)}") from error
    return [statement for (statement,) in found]


def _open_employees(connection: psycopg.Connection) -> Iterator[str]:
    """Yield a warning if another role could take over logins with its privileges on employees."""
    if connection.execute("select to_regproc('public.auth_sync_open_employees_v1')").fetchone() == (None,):
        return
    [(found,)] = connection.execute("select public.auth_sync_open_employees_v1()").fetchall()
    if found:
        says = "; ".join(each["says"] for each in found)
        yield f"{schema.OPEN_EMPLOYEES}: {says}. See `{PROTECT}`"


def _apply_all(connection: psycopg.Connection) -> Iterator[Script]:
    while (script := _apply_next(connection)) is not None:
        yield script


def _apply_next(connection: psycopg.Connection) -> Script | None:
    """Apply the first pending script, and return it."""
    script = None
    try:
        with alone(connection):
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
