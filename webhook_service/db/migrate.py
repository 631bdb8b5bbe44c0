"""Brings a database to the schema that this version needs: forward only, each migration in one transaction.

A migration is a file `migrations/NNNN_name.sql`. Once released it is never edited; it is written so that running it
again does no harm, because `webhook-service sql` hands the same files to other migrators.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb

from webhook_service.errors import MigrationError, Unavailable
from webhook_service.events import Json
from webhook_service.handlers import Policy
from webhook_service.ports import Database

LOCK = 7_305_191_620_264_041_213
"""The advisory lock that lets one process at a time migrate; any number that nobody else uses."""


LOCK_PATIENCE = "60s"
"""How long to wait for another process that migrates. For employees, each migration has its own limit."""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def script(self) -> str:
        """The migration and the note that it has run, for whoever runs it."""
        return (
            f"{self.sql.rstrip()}\n\n"
            "insert into public.auth_sync_migrations (number, name, checksum)\n"
            f"values ({self.number}, '{self.name}', '{self.checksum}') on conflict (number) do nothing;\n"
        )


def migrations() -> tuple[Migration, ...]:
    """All of them, in order."""
    found = []
    for file in files("webhook_service.db").joinpath("migrations").iterdir():
        number, _, name = file.name.removesuffix(".sql").partition("_")
        found.append(Migration(int(number), name, file.read_text("utf-8")))
    return tuple(sorted(found, key=lambda migration: migration.number))


def told(policy: Policy) -> dict[str, Json]:
    """What the triggers must know of the settings: the parameters of `auth_sync_configure_v1`."""
    return {"p_name_fields": dict(policy.name_fields), "p_columns": sorted(policy.columns)}


def uninstall_script() -> str:
    """SQL that removes all of ours but employees, their columns and what they hold."""
    return files("webhook_service.db").joinpath("uninstall.sql").read_text("utf-8")


def uninstall(url: str) -> None:
    """Runs `uninstall_script`, all of it or nothing. Raises MigrationError."""
    require_a_connection_string(url)
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            connection.execute(uninstall_script())
    except psycopg.Error as error:
        why = error.diag.message_primary or str(error).partition("\n")[0]
        raise MigrationError("not_uninstalled", f"Nothing was removed: {why}") from error


def newest() -> int:
    return migrations()[-1].number


def newest_in(database: Database) -> int:
    """The newest that a database has, 0 where it has none. Raises Unavailable where it cannot be asked."""
    try:
        return int(database.call("auth_sync_schema_v1")["migration"] or 0)
    except Unavailable as error:
        if error.reason == "not_migrated":
            return 0
        raise


def migrate(
    url: str,
    *,
    policy: Policy | None = None,
    dry_run: bool = False,
    applied: Callable[[Migration], None] = lambda migration: None,
) -> int:
    """Applies what is missing and returns how many that were; `applied` is told of each.

    Puts the triggers in place where they are missing (auth.users may have come later), and tells them the
    `policy` where one is given. Any number of processes may do so at once: one does it, the others wait and
    find it done. Raises MigrationError.
    """
    require_a_connection_string(url)
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            done = missing_in(connection) if dry_run else _apply_all(connection)
            count = 0
            for migration in done:
                applied(migration)
                count += 1
            if not dry_run:
                connection.execute("select public.auth_sync_install_v1()")
                if policy is not None:
                    values = [Jsonb(value) for value in told(policy).values()]
                    connection.execute("select public.auth_sync_configure_v1(%s, %s)", values)
            return count
    except psycopg.errors.LockNotAvailable as error:
        raise MigrationError("locked", "Another process migrates, or holds the tables. Try again.") from error
    except psycopg.Error as error:
        why = error.diag.message_primary or str(error).partition("\n")[0]
        raise MigrationError("database_unreachable", f"The database cannot be reached or used: {why}") from error


def require_a_connection_string(url: str) -> None:
    """Raises MigrationError, where libpq would repeat a part of the password that it takes for something else."""
    try:
        is_understood = "@" not in str(conninfo_to_dict(url).get("host", ""))
    except psycopg.Error:
        is_understood = False
    if not is_understood:
        raise MigrationError(
            "bad_setting", "DATABASE_URL cannot be read: write @ : / % in its password as %40 %3A %2F %25."
        )


def missing_in(connection: psycopg.Connection) -> list[Migration]:
    """Raises MigrationError where the database was migrated by other files than ours."""
    if connection.execute("select to_regclass('public.auth_sync_migrations')").fetchone() == (None,):
        return list(migrations())
    rows = connection.execute("select number, checksum from public.auth_sync_migrations").fetchall()
    checksums: dict[int, str] = dict(rows)
    for migration in migrations():
        if checksums.get(migration.number, migration.checksum) != migration.checksum:
            raise MigrationError(
                "migration_differs",
                f"Migration {migration.number} ({migration.name}) ran in another form than this version has it.",
            )
    return [migration for migration in migrations() if migration.number not in checksums]


def _apply_all(connection: psycopg.Connection) -> Iterator[Migration]:
    while (migration := _apply_next(connection)) is not None:
        yield migration


def _apply_next(connection: psycopg.Connection) -> Migration | None:
    """Applies the first that is missing, and returns it. Whoever comes at the same time waits, and finds it done."""
    migration = None
    try:
        with connection.transaction():
            connection.execute(f"set local lock_timeout = '{LOCK_PATIENCE}'")
            connection.execute("select pg_advisory_xact_lock(%s)", [LOCK])
            migration = next(iter(missing_in(connection)), None)
            if migration is not None:
                connection.execute(migration.script)
            return migration
    except psycopg.Error as error:
        if migration is None:
            raise
        message = error.diag.message_primary or type(error).__name__
        hint = f" Hint: {error.diag.message_hint}" if error.diag.message_hint else ""
        raise MigrationError("migration_failed", f"{migration.number:04} {migration.name}: {message}.{hint}") from error
