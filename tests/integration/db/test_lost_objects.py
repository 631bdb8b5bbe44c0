"""Objects that other tools drop, rename or replace. `doctor` names them, and every `migrate` restores them."""

import psycopg
import pytest

from tests.auth_traffic import CONFIRMED, insert
from tests.catalogs import catalogs
from tests.employees import Connection
from tests.integration.doctoring import examined, found
from tests.integration.migrating import execute, rows
from tests.webhook_events import work_of
from webhook_service.db import migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.db.expected import expected, lacking
from webhook_service.doctor.findings import Level
from webhook_service.errors import MigrationError
from webhook_service.inbound.processing import process_batch
from webhook_service.policy import Policy
from webhook_service.ports import Database

INSTALLED = "select auth_sync_installed_v1()"
LINKS = "select email, auth_user_id is not null from employees order by employee_id"


def test_a_new_database_lacks_nothing(database_url: str) -> None:
    """The files name exactly the tables, columns, views, indexes and functions of a new database."""
    [(installed,)] = rows(database_url, INSTALLED)
    assert lacking(installed) == []
    wanted = expected()
    assert {name: set(columns) for name, columns in installed["tables"].items()} == {
        name: set(columns) | ({"user_type_id"} if name == "employees" else set())
        for name, columns in wanted.tables.items()
    }
    assert (installed["views"], installed["functions"]) == (wanted.views, wanted.functions)
    own = {name for name in installed["indexes"] if not name.endswith(("_pkey", "_event_id_key"))}
    assert own == set(wanted.indexes)


LOST = {
    "index auth_sync_employees_auth_user_id_key": "drop index auth_sync_employees_auth_user_id_key",
    "index integration_sync_log_due_idx": "drop index integration_sync_log_due_idx",
    "column employees.orphaned_at": "alter table employees drop orphaned_at cascade",
    "column employees.auth_user_id": "alter table employees drop auth_user_id cascade",
    "column auth_sync_settings.relay_after": "alter table auth_sync_settings rename relay_after to later",
    "table auth_sync_hires": "drop table auth_sync_hires",
    "view auth_sync_monitor": "drop view auth_sync_monitor",
    "function auth_sync_process_v1": "drop function auth_sync_process_v1",
    "function auth_sync_normal_v1": "create or replace function auth_sync_normal_v1(p_email text) returns text"
    " immutable return p_email",
    "view auth_sync_standings": "drop table employees cascade; create table employees (employee_id bigint primary key,"
    " email text, first_name text, last_name text, is_active boolean)",
}


@pytest.mark.campaign
@pytest.mark.parametrize("lost", LOST)
def test_a_lost_object_is_named_and_restored(database_url: str, database: Database, lost: str) -> None:
    """Doctor names each object that is missing or altered, and a migration without a pending script restores it."""
    execute(database_url, LOST[lost])
    finding = found(examined(database, compare=False), "schema")
    assert (finding.level, "migrate" in finding.command) == (Level.WRONG, True)
    assert lost in finding.says.removeprefix("missing or altered: ").split(", ")
    assert migrate.migrate(database_url) == 0
    assert lacking(rows(database_url, INSTALLED)[0][0]) == []
    assert found(examined(database, compare=False), "schema").level is Level.OK
    assert found(examined(database, compare=False), "triggers").level is Level.OK


def test_all_tables_of_the_service_are_restored(database_url: str, new_database: object) -> None:
    """After an ORM has dropped every table that its models lack, a migration restores the same catalogs."""
    before = catalogs(database_url)
    dropped = rows(
        database_url,
        "select 'drop table ' || string_agg(oid::regclass::text, ', ') || ' cascade' from pg_class"
        " where relkind = 'r' and relname ~ '^(auth_sync|auth_user_state|integration_sync)'"
        " and relname not in ('auth_sync_migrations', 'auth_sync_functions')",
    )
    execute(database_url, dropped[0][0])
    assert migrate.migrate(database_url) == 0
    assert catalogs(database_url) == before


HIRED = "insert into employees (email) values ('jane@example.com');"
THEIRS = "create view theirs as select * from auth_sync_monitor;"
SWAPPED = """
create table employees_new (employee_id integer primary key, email varchar(200), is_active boolean);
insert into employees_new values (7, 'jane@example.com', true), (8, 'jim@example.com', true);
alter table employees rename to employees_old;
alter table employees_new rename to employees;
"""
REBUILT = """
drop table employees cascade;
create table employees (employee_id integer primary key, email varchar(200), is_active boolean);
insert into employees values (7, 'jane@example.com', true), (8, 'jim@example.com', true);
"""


@pytest.mark.parametrize("rebuild", [SWAPPED, REBUILT], ids=["renamed", "dropped-and-created"])
def test_a_replaced_table_gets_all_objects(
    database_url: str, database: Database, connection: Connection, rebuild: str
) -> None:
    """If a load replaces employees, doctor names the missing objects, and `migrate` installs them on the new table."""
    execute(database_url, HIRED + rebuild)
    says = found(examined(database, compare=False), "schema").says
    assert {"column employees.auth_user_id", "view auth_sync_standings"} <= set(
        says.removeprefix("missing or altered: ").split(", ")
    )
    migrate.migrate(database_url)
    works = [work_of(insert(email="jane@example.com", email_confirmed_at=CONFIRMED), "evt-1")]
    assert [result.outcome for result in process_batch(database, works, Policy())] == ["linked"]
    assert rows(database_url, LINKS) == [("jane@example.com", True), ("jim@example.com", False)]
    assert rows(database_url, "select employee_id from auth_sync_monitor order by 1") == [(7,), (8,)]
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(
            "update employees set auth_user_id = (select auth_user_id from employees where employee_id = 7)"
        )
    stray = "select from pg_trigger where tgname ~ '^auth_sync' and tgrelid = to_regclass('employees_old')"
    assert rows(database_url, stray) == []


def test_a_table_that_is_gone_is_not_created_again(database_url: str) -> None:
    """If a load has dropped employees, `migrate` refuses to create an empty table, which would block the load."""
    execute(database_url, "drop table employees cascade")
    with pytest.raises(MigrationError, match=r"no table public\.employees any more"):
        migrate.migrate(database_url)
    migrate.migrate(database_url, create_employees=True)
    assert rows(database_url, LINKS) == []


def test_a_view_that_depends_on_ours_is_named(database_url: str) -> None:
    """If a view of the project reads a view of the service, the error names a view, and `migrate` drops nothing."""
    execute(database_url, THEIRS + SWAPPED)
    with pytest.raises(MigrationError, match="auth_sync_monitor|theirs"):
        migrate.migrate(database_url)
    assert rows(database_url, "select from theirs") == []


def test_functions_of_a_newer_version_are_not_compared(database_url: str) -> None:
    """During a rolling deploy, the doctor of the older version does not call the newer functions altered."""
    execute(database_url, "insert into auth_sync_functions (digest) values ('newer')")
    execute(database_url, LOST["function auth_sync_normal_v1"])
    database = DirectDatabase(database_url)
    assert found(examined(database, compare=False), "schema").level is Level.OK
    database.close()
