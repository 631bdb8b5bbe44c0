"""The logins follow a directory: bans, held bans, new logins, and the audit."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from tests.auth_server import auth_server
from tests.employees import Connection, employee, hire
from tests.integration.capturing import auth_on, relay
from tests.integration.outbound.test_mass_deactivation import company, limit
from tests.integration.scim.directories import JANE, Directory, directory
from webhook_service.auth.supabase import SupabaseAuthAdmin
from webhook_service.outbound.accounts import Accounts
from webhook_service.policy import EmailOwner
from webhook_service.ports import Database
from webhook_service.scim import logins
from webhook_service.scim.refusals import InvalidValue, Managed, NoSuchPerson, Uniqueness
from webhook_service.scim.store import Store
from webhook_service.settings import NewLogins


def operations(connection: Connection) -> list[str]:
    rows = connection.execute("select operation from integration_sync_log where direction = 'outbound' order by id")
    return [row["operation"] for row in rows]


def held(connection: Connection) -> int:
    return len(connection.execute("select from auth_sync_held_actions").fetchall())


def test_a_dismissal_bans_the_login(database: Database, connection: Connection) -> None:
    """`active` false requests the ban of the login, and `active` true its lift, as for any dismissal."""
    okta = directory(database)
    company(connection, 1)
    okta.change(1, active=False)
    okta.change(1, active=False)
    assert operations(connection) == ["disable_auth_user"]
    okta.change(1, active=True)
    assert operations(connection) == ["disable_auth_user", "enable_auth_user"]
    okta.delete(1)
    assert operations(connection)[2:] == ["disable_auth_user"]


def test_a_removal_bans_the_login(database: Database, connection: Connection) -> None:
    """The deletion of the row requests the ban of the login."""
    company(connection, 1)
    directory(database, removes=True).delete(1)
    assert operations(connection) == ["disable_auth_user"]


def test_a_new_person_gets_the_login_that_was_there_before(
    database: Database, database_url: str, connection: Connection
) -> None:
    """A person whose auth user exists already is linked to it, as any employee who is added."""
    with auth_on(database_url) as auth:
        jane = auth.admin_create("jane@example.com")
    relay(database)
    made = directory(database).create(**JANE)
    assert employee(connection, int(made.id))["auth_user_id"] == jane


def test_a_mass_deactivation_is_held(database: Database, connection: Connection) -> None:
    """Beyond the limit, the employees become inactive, and the bans wait for an admin."""
    okta = directory(database)
    company(connection, 5)
    limit(connection, "2")
    for number in range(1, 5):
        assert okta.change(number, active=False).active is False
    assert (len(operations(connection)), held(connection)) == (2, 2)
    okta.delete(5)
    assert (employee(connection, 5)["is_active"], held(connection)) == (False, 3)
    okta.change(4, active=True)
    assert held(connection) == 2


def acts(connection: Connection) -> list[tuple[Any, ...]]:
    rows = connection.execute(
        "select * from auth_sync_audit where who like 'directory %' and not is_request order by id"
    )
    return [(row["who"], row["action"], row["target"], row["result"]) for row in rows]


def test_each_write_is_audited(database: Database, connection: Connection) -> None:
    """The audit has each write with its directory and its columns, without values, and each refusal."""
    okta, entra = directory(database), directory(database, "entra")
    hire(connection, "joe@example.com")
    okta.change(1, first_name="Joe")
    okta.change(1, first_name="Joe")
    okta.create(**JANE)
    okta.change(2, active=False)
    okta.change(2, active=True, last_name="Roe")
    with pytest.raises(Managed):
        entra.change(2, active=False)
    with pytest.raises(Uniqueness):
        entra.create(**JANE)
    with pytest.raises(InvalidValue):
        okta.change(2, email="")
    with pytest.raises(NoSuchPerson):
        okta.change(99, active=False)
    okta.delete(2)
    assert acts(connection) == [
        ("directory okta", "edit an employee", "employee:1", "done"),
        ("directory okta", "create an employee", "employee:2", "done"),
        ("directory okta", "deactivate", "employee:2", "done"),
        ("directory okta", "activate", "employee:2", "done"),
        ("directory entra", "edit an employee", "employee:2", "refused"),
        ("directory entra", "create an employee", None, "refused"),
        ("directory okta", "edit an employee", "employee:2", "refused"),
        ("directory okta", "deactivate", "employee:2", "done"),
    ]
    [text] = connection.execute(
        "select string_agg(details::text || coalesce(reason, ''), '') as text from auth_sync_audit"
    ).fetchall()
    assert "columns" in text["text"]
    assert not [value for value in ("jane", "Roe", "Joe") if value in text["text"]]


def test_a_write_and_its_audit_are_one_transaction(database: Database, connection: Connection) -> None:
    """If the audit cannot be written, nothing is written."""
    okta = directory(database)
    connection.execute("alter table auth_sync_audit add constraint none check (who not like 'directory %')")
    with pytest.raises(Exception, match="23514"):
        okta.create(**JANE)
    assert connection.execute("select from public.employees").fetchall() == []
    connection.execute("alter table auth_sync_audit drop constraint none")


@pytest.fixture
def accounts(database: Database, database_url: str) -> Iterator[Accounts]:
    with auth_server(database_url) as server, closing(SupabaseAuthAdmin(server.url, server.key)) as admin:
        yield Accounts(database, admin, EmailOwner.AUTH, 1000, lambda: datetime.now(UTC))


def welcoming(database: Database, accounts: Accounts, new_logins: NewLogins) -> Directory:
    okta = directory(database)
    store = Store(database, welcome=partial(logins.welcome, accounts, new_logins))
    return Directory(store, okta.client, okta.token)


@pytest.mark.parametrize(
    ("new_logins", "entered"),
    [
        (NewLogins.NONE, []),
        (NewLogins.INVITE, ["create_auth_user"]),
        (NewLogins.CREATE, ["create_auth_user"]),
    ],
)
def test_new_logins(
    database: Database, connection: Connection, accounts: Accounts, new_logins: NewLogins, entered: list[str]
) -> None:
    """A new person gets a login as SCIM_CREATE_LOGINS says, through an intent in the ledger."""
    made = welcoming(database, accounts, new_logins).create(**JANE)
    assert operations(connection) == entered
    row = connection.execute(
        "select status, outcome, via, request_data from integration_sync_log where direction = 'outbound'"
    ).fetchone()
    linked = employee(connection, int(made.id))["auth_user_id"]
    if row is None:
        assert linked is None
    else:
        assert (row["status"], row["outcome"], row["via"]) == ("SUCCESS", "created", "scim")
        assert row["request_data"]["requested_by"] == "directory okta"
        assert linked is not None


def test_a_login_that_cannot_be_created(database: Database, connection: Connection, accounts: Accounts) -> None:
    """A person is added although the login cannot be created, for example because somebody has the e-mail."""
    okta = welcoming(database, accounts, NewLogins.CREATE)
    connection.execute("insert into auth.users (id, email) values (gen_random_uuid(), 'jane@example.com')")
    assert okta.create(**JANE).active is True
    assert operations(connection) == []
    without_auth = Store(database, welcome=partial(logins.welcome, None, NewLogins.CREATE))
    assert without_auth.create(okta.client, {"email": "joe@example.com"}).active is True
