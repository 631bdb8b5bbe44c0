"""The service sets only the columns that differ, so an owner's trigger for one column runs only for its changes."""

from typing import Any
from uuid import UUID

import pytest

from tests.auth_traffic import CONFIRMED, JANE, delete, insert, update
from tests.employees import Connection, hire
from tests.webhook_events import work_of
from webhook_service.events import Json
from webhook_service.inbound.processing import process_batch
from webhook_service.policy import Policy
from webhook_service.ports import Database

pytestmark = pytest.mark.every_employees_table

COLUMNS = ("email", "first_name", "last_name", "auth_user_id", "orphaned_at", "orphaned_auth_user_id", "is_active")


@pytest.fixture
def owner(connection: Connection) -> Connection:
    """A connection to a database whose owner has a trigger for each column. The table `seen` lists the set columns."""
    connection.execute("create table seen (name text)")
    connection.execute(
        "create function note() returns trigger language plpgsql security definer as"
        " $$ begin insert into public.seen values (tg_argv[0]); return new; end $$"
    )
    for column in COLUMNS:
        connection.execute(
            f"create trigger note_{column} before update of {column} on employees"
            f" for each row execute function note('{column}')".encode()
        )
    return connection


def seen(owner: Connection) -> set[str]:
    """The columns that were set since the last call."""
    return {row["name"] for row in owner.execute("delete from seen returning name").fetchall()}


def applied(database: Database, event: Json, event_id: str) -> str:
    [result] = process_batch(database, [work_of(event, event_id)], Policy())
    return str(result.outcome)


def test_an_event_sets_only_changed_columns(database: Database, owner: Connection) -> None:
    """A link, a new name, a new e-mail and a deletion each set only the columns that they change."""
    hire(owner, "jane@example.com", first_name="Jane", last_name="Doe")
    known: dict[str, Any] = {"email": "jane@example.com", "email_confirmed_at": CONFIRMED}
    names = {"first_name": "Jane", "last_name": "Doe"}
    assert applied(database, insert(JANE, **known, raw_user_meta_data=names), "evt-1") == "linked"
    assert seen(owner) == {"auth_user_id"}
    names |= {"last_name": "Roe"}
    assert applied(database, update(JANE, at=1, **known, raw_user_meta_data=names), "evt-2") == "synced"
    assert seen(owner) == {"last_name"}
    assert applied(database, update(JANE, at=2, **known, raw_user_meta_data=names), "evt-3") == "unchanged"
    assert seen(owner) == set()
    known |= {"email": "roe@example.com"}
    assert applied(database, update(JANE, at=3, **known, raw_user_meta_data=names), "evt-4") == "synced"
    assert seen(owner) == {"email"}
    assert applied(database, delete(JANE, at=4), "evt-5") == "orphaned"
    assert seen(owner) == {"auth_user_id", "orphaned_at", "orphaned_auth_user_id"}


def test_an_import_sets_only_changed_columns(database: Database, owner: Connection) -> None:
    """An employee who is linked when inserted gets the login, and a name only if it differs."""
    names = {"first_name": "Jane", "last_name": "Doe"}
    event = insert(JANE, email="jane@example.com", email_confirmed_at=CONFIRMED, raw_user_meta_data=names)
    assert applied(database, event, "evt-1") == "unmatched"
    hire(owner, "jane@example.com", first_name="Jane", last_name="Smith")
    assert seen(owner) == {"auth_user_id", "last_name"}


def test_a_choice_and_a_dismissal_set_only_changed_columns(database: Database, owner: Connection) -> None:
    """A login that an admin chooses sets only the link, and a dismissal sets only `is_active`."""
    user = UUID(int=7)
    event = insert(user, email="other@example.com", email_confirmed_at=CONFIRMED)
    assert applied(database, event, "evt-1") == "unmatched"
    jane = hire(owner, "jane@example.com")
    database.call("auth_sync_choose_v1", p_employee_id=jane, p_auth_user_id=str(user), p_requested_by="test")
    assert seen(owner) == {"auth_user_id"}
    database.call("auth_sync_set_active_v1", p_employee_id=jane, p_is_active=False, p_via="admin")
    assert seen(owner) == {"is_active"}
