"""A change of employees commits whatever is broken or blocked in the service, and its actions are found later."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection
from tests.integration.breaking import IN_OUR_TABLES, LOCKED, Breakage, locked, migrated_again
from tests.integration.captured import auth_of, everything, relay_all
from tests.integration.capturing import reconciled
from tests.integration.migrating import execute
from tests.integration.requested_actions import (
    CHANGES,
    DISABLE,
    EMAIL,
    ENABLE,
    POLICIES,
    actions,
    dismiss,
    linked,
    relay_events,
    requested_operations,
)
from webhook_service.db import migrate
from webhook_service.policy import EmailOwner
from webhook_service.ports import Database

ENTER = "create or replace function public.auth_sync_enter_actions_v1(p_actions jsonb, p_via text) returns void"
IN_OUR_HALF = IN_OUR_TABLES | {
    "what enters is missing": Breakage(
        "alter function public.auth_sync_enter_actions_v1 rename to auth_sync_hidden",
        "alter function public.auth_sync_hidden rename to auth_sync_enter_actions_v1",
    ),
    "what enters asserts": Breakage(ENTER + " language plpgsql as $$ begin assert false; end $$", migrated_again),
    "what enters never ends": Breakage(
        ENTER + " language plpgsql as $$ begin perform public.auth_sync_enter_actions_v1(p_actions, p_via); end $$",
        migrated_again,
    ),
    "what compares is missing": Breakage(
        "alter function public.auth_sync_normal_v1 rename to auth_sync_hidden",
        "alter function public.auth_sync_hidden rename to auth_sync_normal_v1",
    ),
}


@pytest.fixture
def auth(database_url: str) -> Iterator[Auth]:
    with auth_of(database_url) as auth:
        yield auth


@pytest.fixture
def jane(connection: Connection, database: Database, auth: Auth) -> tuple[int, UUID]:
    """Jane's employee id and auth user."""
    return linked(connection, database, auth, "jane@example.com")


def assert_found(connection: Connection, database: Database, auth: Auth, user: UUID) -> None:
    """Assert that the auth user's next event enters the action, and further events do not repeat it."""
    for name in ("Jane", "Janet"):
        auth.update_metadata(user, {"first_name": name})
        relay_all(database)
    assert requested_operations(connection, user) == [DISABLE]


@pytest.mark.parametrize("name", IN_OUR_HALF)
def test_a_dismissal_succeeds_and_is_found(
    database_url: str, connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID], name: str
) -> None:
    """The statement succeeds whatever is broken; after the repair, the auth user's next event enters the action."""
    execute(database_url, IN_OUR_HALF[name].sql)
    dismiss(connection, jane[0])
    IN_OUR_HALF[name].repair(database_url)
    assert connection.execute("select is_active from employees").fetchall() == [{"is_active": False}]
    assert_found(connection, database, auth, jane[1])


@pytest.mark.parametrize("table", LOCKED)
def test_a_locked_table_does_not_block_a_dismissal(
    database_url: str, connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID], table: str
) -> None:
    """While a table is locked for good, the dismissal succeeds; its action is found later."""
    with locked(database_url, table):
        dismiss(connection, jane[0])
    assert_found(connection, database, auth, jane[1])


def lose(database_url: str, connection: Connection, change: str, employee_id: int) -> None:
    """Make a change whose actions cannot be entered."""
    breakage = IN_OUR_HALF["a constraint that nothing meets"]
    execute(database_url, breakage.sql)
    connection.execute(CHANGES[change][0].encode(), [employee_id])
    breakage.repair(database_url)
    assert actions(connection) == []


@pytest.mark.parametrize("change", ["dismissed", "deleted"])
def test_a_lost_dismissal_is_found(
    database_url: str, connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID], change: str
) -> None:
    """The action of a lost dismissal is found, also where the employee was deleted."""
    lose(database_url, connection, change, jane[0])
    assert_found(connection, database, auth, jane[1])


@pytest.mark.parametrize(("change", "kind"), [("dismissed", "not_disabled"), ("deleted", "employee_gone")])
def test_a_lost_dismissal_is_found_by_reconciliation(
    database_url: str, connection: Connection, database: Database, jane: tuple[int, UUID], change: str, kind: str
) -> None:
    """Reconciliation enters a lost action where there is no event, and further runs do not repeat it."""
    lose(database_url, connection, change, jane[0])
    assert reconciled(database).differences == {kind: 1}
    assert reconciled(database).differences == {}
    assert requested_operations(connection, jane[1]) == [DISABLE]


def test_a_lost_change_of_e_mail_is_found_where_employees_own_it(
    database_url: str, connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID]
) -> None:
    """The next event with another e-mail enters the lost action."""
    migrate.migrate(database_url, policy=POLICIES[EmailOwner.EMPLOYEES])
    lose(database_url, connection, "moved", jane[0])
    auth.update_metadata(jane[1], {"first_name": "Jane"})
    relay_events(database, EmailOwner.EMPLOYEES)
    [action] = actions(connection)
    assert (action["operation"], action["request_data"]["email"]) == (EMAIL, "jane.smith@example.com")


def test_a_lost_return_is_found(
    database_url: str, connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID]
) -> None:
    """For an employee who is active again, the next event enters the action that lifts the service's ban."""
    dismiss(connection, jane[0])
    connection.execute("delete from integration_sync_log where direction = 'outbound'")
    connection.execute("update auth_user_state set disabled_at = now(), banned_until = now() + interval '100 years'")
    breakage = IN_OUR_HALF["a constraint that nothing meets"]
    execute(database_url, breakage.sql)
    connection.execute("update employees set is_active = true")
    breakage.repair(database_url)
    assert actions(connection) == []
    connection.execute("update auth.users set banned_until = now() + interval '100 years'")
    relay_all(database)
    assert requested_operations(connection, jane[1]) == [ENABLE]


def test_the_warning_has_no_personal_data(database_url: str, connection: Connection, jane: tuple[int, UUID]) -> None:
    """The warning has PostgreSQL's code only, because an error's text may repeat a value."""
    execute(database_url, IN_OUR_HALF["a constraint that nothing meets"].sql)
    reported: list[str] = []
    connection.add_notice_handler(
        lambda warning: reported.append(f"{warning.message_primary} {warning.message_detail}")
    )
    connection.execute("update employees set email = 'secret@example.com'")
    [warning] = reported
    assert "23514" in warning
    assert "secret" not in warning
    assert "jane" not in warning


def test_a_lost_change_leaves_no_part_behind(database_url: str, connection: Connection, jane: tuple[int, UUID]) -> None:
    """All of a statement's actions are entered, or none."""
    execute(
        database_url,
        "alter table integration_sync_log add constraint refused check (operation <> 'update_auth_email') not valid",
    )
    before = everything(connection, "integration_sync_log", "auth_user_state", "auth_sync_rate")
    connection.execute("update employees set is_active = false, email = 'x@example.com'")
    assert everything(connection, "integration_sync_log", "auth_user_state", "auth_sync_rate") == before
