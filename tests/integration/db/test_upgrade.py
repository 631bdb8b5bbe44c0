"""A migrated database of an earlier version equals a new database."""

import gzip
import subprocess
from pathlib import Path

import pytest

from tests.catalogs import catalogs
from tests.employees import Connection, employee, hire
from tests.integration.migrating import execute, rows, tool
from webhook_service.db import migrate
from webhook_service.errors import MigrationError
from webhook_service.ports import Database

RELEASED = Path(__file__).parents[2] / "released"
NO_DEFAULT_RIGHTS = "".join(
    f"alter default privileges in schema public revoke all on {kind} from anon, authenticated, service_role;"
    for kind in ("tables", "functions", "sequences")
)
"""A dump has only privileges beyond the default ones. Without default privileges, it grants all privileges itself."""


@pytest.fixture
def restored_url(empty_database_url: str) -> str:
    """A database created by the 32 migrations from before the first release."""
    execute(empty_database_url, NO_DEFAULT_RIGHTS)
    dump = gzip.decompress((RELEASED / "first_weeks.sql.gz").read_bytes())
    command = [tool(empty_database_url, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", empty_database_url]
    subprocess.run(command, input=dump, capture_output=True, check=True)
    return empty_database_url


def test_an_upgraded_database_equals_a_new_one(restored_url: str, database_url: str) -> None:
    """A migrated database from before the first release has the same catalogs as a new database.

    Its records of migrations must be deleted first, because their files no longer exist.
    """
    with pytest.raises(MigrationError, match="at migration 32"):
        migrate.migrate(restored_url)
    execute(restored_url, "delete from auth_sync_migrations")
    migrate.migrate(restored_url)
    assert catalogs(restored_url) == catalogs(database_url)


@pytest.mark.parametrize(("stored", "linked"), [("7\u00a0", True), (" 7", True), ("7", True), (" ", False)])
def test_a_stored_number_of_a_login_is_trimmed(
    database_url: str, database: Database, connection: Connection, stored: str, linked: bool
) -> None:
    """A login whose number was stored with spaces around it is linked to a new employee with the number."""
    insert = "insert into auth_user_state (auth_user_id, employee_number) values (gen_random_uuid(), %s)"
    connection.execute(insert, [stored])
    connection.execute("delete from auth_sync_migrations where number = 9")
    migrate.migrate(database_url)
    [state] = connection.execute("select employee_number from auth_user_state").fetchall()
    assert state["employee_number"] == ("7" if linked else None)
    jane = hire(connection, "jane@example.com", employee_number="7 ")
    assert (employee(connection, jane)["auth_user_id"] is not None) is linked


SUPERUSER = """
do $$ begin create role another_superuser superuser; exception when duplicate_object then null; end $$;
grant all on schema public to another_superuser;
"""
BROKEN = {
    "an index is gone": "drop index auth_sync_employees_email_idx",
    "an index is invalid": "update pg_index set indisvalid = false"
    " where indexrelid = 'auth_sync_hires_seen_idx'::regclass",
    "a trigger is gone": "drop trigger auth_sync_employees_updated on employees",
    "a trigger is disabled": "alter table integration_sync_log disable trigger auth_sync_send",
    "a stranger may read": "grant select on integration_sync_log to anon",
    "public may execute": "grant execute on function auth_sync_process_v1 to public",
    "the service may not": "revoke execute on function auth_sync_process_v1 from service_role",
    "the service may write": "grant insert on integration_sync_log to service_role",
    "a search path": "alter function auth_sync_lock_v1 set search_path = public",
    "an owner of functions": f"{SUPERUSER} alter function auth_sync_lock_v1 owner to another_superuser",
    "an owner of tables": f"{SUPERUSER} alter table auth_sync_audit owner to another_superuser",
}


@pytest.mark.campaign
@pytest.mark.parametrize("broken", BROKEN)
def test_every_migrate_repairs_the_schema(empty_database_url: str, database_url: str, broken: str) -> None:
    """A migration without pending scripts restores altered indexes, triggers and privileges as in a new database."""
    migrate.migrate(empty_database_url)
    execute(empty_database_url, BROKEN[broken])
    assert catalogs(empty_database_url) != catalogs(database_url)
    assert migrate.migrate(empty_database_url) == 0
    assert catalogs(empty_database_url) == catalogs(database_url)


def test_a_function_of_a_lesser_role_gets_no_greater_rights(database_url: str) -> None:
    """A function of another role keeps its owner, even if its name resembles a function of the service."""
    execute(
        database_url,
        "do $$ begin create role lesser; exception when duplicate_object then null; end $$;"
        "create function auth_sync_theirs() returns integer security definer language sql as 'select 1';"
        "grant all on schema public to lesser; alter function auth_sync_theirs owner to lesser",
    )
    migrate.migrate(database_url)
    owner = "select proowner::regrole::text from pg_proc where proname = 'auth_sync_theirs'"
    assert rows(database_url, owner) == [("lesser",)]
