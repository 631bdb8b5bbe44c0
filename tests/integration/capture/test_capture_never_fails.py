"""Auth's transactions commit even if the service is broken or blocked, and reconciliation applies lost changes."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.auth_actions import BAN_END
from tests.integration.breaking import IN_OUR_TABLES, LOCKED, locked
from tests.integration.capturing import auth_on, reconciled, relay, writer
from tests.integration.migrating import execute
from webhook_service.db import migrate
from webhook_service.errors import ServiceError
from webhook_service.policy import Policy
from webhook_service.ports import Database


@pytest.fixture
def auth(database_url: str) -> Iterator[Auth]:
    with auth_on(database_url) as auth:
        yield auth


@dataclass(slots=True)
class Company:
    """Employees whose auth users are added, changed and deleted in the test."""

    connection: Connection
    users: dict[str, UUID] = field(
        default_factory=lambda: {name: uuid4() for name in ("new", "leaves", "soft", "moves")}
    )
    employees: dict[str, int] = field(default_factory=dict)

    def hire(self) -> None:
        self.employees = {name: hire(self.connection, f"{name}@example.com") for name in self.users}

    def before(self, auth: Auth) -> None:
        for name in ("leaves", "soft", "moves"):
            auth.admin_create(f"{name}@example.com", id=self.users[name])

    def change_all(self, auth: Auth) -> None:
        """Make every kind of change in Auth."""
        auth.sign_up("new@example.com", user_metadata={"first_name": "Nora"}, id=self.users["new"])
        auth.confirm(self.users["new"])
        auth.sign_in(self.users["new"])
        auth.refresh(self.users["new"])
        auth.ban(self.users["moves"], BAN_END)
        auth.unban(self.users["moves"])
        auth.change_email(self.users["moves"], "moved@example.com")
        auth.soft_delete(self.users["soft"])
        auth.hard_delete(self.users["leaves"])

    def is_in_sync(self) -> bool:
        found = {name: employee(self.connection, number) for name, number in self.employees.items()}
        linked = {name: row["auth_user_id"] for name, row in found.items()}
        gone: dict[str, UUID | None] = {"leaves": None, "soft": None}
        return linked == self.users | gone and found["moves"]["email"] == "moved@example.com"


@pytest.fixture
def company(connection: Connection, database: Database, auth: Auth) -> Company:
    company = Company(connection)
    company.hire()
    company.before(auth)
    relay(database)
    return company


def assert_all_is_found(database: Database, company: Company) -> None:
    """Assert that the relay and one reconciliation apply all changes, and that another run finds nothing."""
    relay(database)
    reconciled(database)
    assert company.is_in_sync()
    again = reconciled(database, dry_run=True)
    assert (again.differences, again.seen >= 3) == ({}, True)


@pytest.mark.campaign
@pytest.mark.parametrize("name", IN_OUR_TABLES)
def test_auth_commits_and_all_changes_are_found(
    database_url: str, database: Database, auth: Auth, company: Company, name: str
) -> None:
    """Auth commits every kind of change while the service is broken. One reconciliation then applies lost changes."""
    breakage = IN_OUR_TABLES[name]
    execute(database_url, breakage.sql)
    company.change_all(auth)
    breakage.repair(database_url)
    assert_all_is_found(database, company)


@pytest.mark.parametrize("table", LOCKED)
def test_a_locked_table_does_not_block_auth(
    database_url: str, database: Database, auth: Auth, company: Company, table: str
) -> None:
    """Auth's transactions commit while another transaction locks a table, and their changes are applied afterwards."""
    with locked(database_url, table):
        company.change_all(auth)
    assert_all_is_found(database, company)


def test_a_sign_in_needs_no_table_of_the_service(database_url: str, company: Company) -> None:
    """If all tables of the service are locked, a sign-in and a token refresh do not wait."""
    with locked(database_url, *LOCKED), writer(database_url) as writing:
        warnings: list[str | None] = []
        writing.add_notice_handler(lambda warning: warnings.append(warning.message_primary))
        writing.execute("update users set last_sign_in_at = now()")
        writing.execute("update users set updated_at = now()")
        assert warnings == []
        writing.execute("update users set banned_until = now() where id = %s", [company.users["moves"]])
        assert len(warnings) == 1


def test_the_warning_names_only_the_user(database_url: str, company: Company) -> None:
    """The warning about a lost change has only the user's id and the SQLSTATE, because an error may contain a value."""
    execute(database_url, IN_OUR_TABLES["a constraint that nothing meets"].sql)
    reported: list[str] = []
    with writer(database_url) as writing:
        writing.add_notice_handler(
            lambda warning: reported.append(f"{warning.message_primary} {warning.message_detail}")
        )
        writing.execute("update users set email = 'secret@example.com' where id = %s", [company.users["moves"]])
    [warning] = reported
    assert str(company.users["moves"]) in warning
    assert "23514" in warning
    assert "secret" not in warning


def test_a_run_without_settings_does_not_succeed(database_url: str, connection: Connection, database: Database) -> None:
    """Without settings, a reconciliation cannot compare users. It fails, or reports the users as `unknown`."""
    execute(database_url, "insert into auth.users (id) values (gen_random_uuid())")
    connection.execute("truncate integration_sync_log cascade")
    connection.execute("delete from auth_sync_settings")
    with suppress(ServiceError):
        assert reconciled(database).differences == {"unknown": 1}


def test_migrating_restores_the_settings(database_url: str, connection: Connection) -> None:
    """Migrating restores the row of settings, with the configured name fields."""
    connection.execute("delete from auth_sync_settings")
    migrate.migrate(database_url, policy=Policy(name_fields={"first_name": "given_name"}))
    found = connection.execute("select name_fields from auth_sync_settings").fetchall()
    assert found == [{"name_fields": {"first_name": "given_name"}}]


COLUMNS = (
    "email",
    "email_confirmed_at",
    "is_anonymous",
    "banned_until",
    "deleted_at",
    "raw_app_meta_data",
    "raw_user_meta_data",
    "updated_at",
)


def write_without(url: str, column: str) -> None:
    """Write to auth.users in a new session, as a version of Auth without this column does."""
    with writer(url) as writing:
        user = uuid4()
        writing.execute("insert into users (id, is_sso_user) values (%s, true)", [user])
        writing.execute("update users set phone = '1' where id = %s", [user])
        if column != "banned_until":
            writing.execute("update users set banned_until = now() where id = %s", [user])
        writing.execute("delete from users where id = %s", [user])


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_may_be_renamed(
    database_url: str, database: Database, auth: Auth, company: Company, column: str
) -> None:
    """Auth's migrations may rename a column. Auth can write while the column has another name."""
    execute(database_url, f"alter table auth.users rename {column} to other")
    write_without(database_url, column)
    execute(database_url, f"alter table auth.users rename other to {column}")
    company.change_all(auth)
    assert_all_is_found(database, company)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_may_be_dropped(database_url: str, column: str) -> None:
    """Auth's migrations may drop a mapped column."""
    execute(database_url, f"alter table auth.users drop {column} cascade")
    write_without(database_url, column)


TYPES = {
    "email": "text",
    "email_confirmed_at": "timestamp",
    "is_anonymous": "text",
    "banned_until": "timestamp",
    "deleted_at": "text",
    "raw_app_meta_data": "json",
    "raw_user_meta_data": "text",
    "updated_at": "timestamp",
}


@pytest.mark.parametrize("column", TYPES)
def test_a_columns_type_may_change(database_url: str, column: str) -> None:
    """Auth's migrations may change a column's type. Sessions that were opened before can still write."""
    with auth_on(database_url) as auth, writer(database_url) as before:
        auth.admin_create("jane@example.com")
        before.execute("update users set banned_until = now()")
        with psycopg.connect(database_url) as migration:
            if column == "email_confirmed_at":
                migration.execute("alter table auth.users drop confirmed_at")
            alter = f"alter column {column} drop default, alter column {column} type {TYPES[column]}"
            using = f"using {column}::text::{TYPES[column]}"
            migration.execute(f"alter table auth.users {alter} {using}, alter is_anonymous set default false".encode())
        before.execute("update users set banned_until = null")
        before.execute("delete from users")
    write_without(database_url, column)


def test_open_sessions_capture_after_a_change_of_type(database_url: str, connection: Connection, auth: Auth) -> None:
    """A session that captured changes before a migration changed a column's type also captures later changes."""
    jane = auth.admin_create("jane@example.com")
    execute(database_url, "alter table auth.users alter email type text")
    auth.admin_change_email(jane, "jane.stone@example.com")
    emails = [
        row["email"]
        for row in connection.execute(
            "select request_data -> 'record' ->> 'email' as email from integration_sync_log order by id"
        )
    ]
    assert emails == ["jane@example.com", "jane.stone@example.com"]


def test_a_migration_may_write_and_alter_in_one_transaction(database_url: str, auth: Auth) -> None:
    """A migration of Auth may fill and alter a column in one transaction."""
    auth.admin_create("jane@example.com")
    with psycopg.connect(database_url) as connection:
        connection.execute("update auth.users set last_sign_in_at = now()")
        connection.execute("alter table auth.users add column a_column_of_tomorrow text")
