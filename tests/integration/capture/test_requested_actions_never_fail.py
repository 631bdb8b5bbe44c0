"""A change of employees commits even if the service is broken or blocked, and its lost actions are requested later."""

from uuid import UUID

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection
from tests.integration.breaking import IN_OUR_TABLES, LOCKED, Breakage, locked, migrated_again
from tests.integration.captured import everything, relay_all
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
BREAKAGES = IN_OUR_TABLES | {
    "the function that enters actions is missing": Breakage(
        "alter function public.auth_sync_enter_actions_v1 rename to auth_sync_hidden",
        "alter function public.auth_sync_hidden rename to auth_sync_enter_actions_v1",
    ),
    "the function that enters actions fails an assertion": Breakage(
        ENTER + " language plpgsql as $$ begin assert false; end $$", migrated_again
    ),
    "the function that enters actions recurses without end": Breakage(
        ENTER + " language plpgsql as $$ begin perform public.auth_sync_enter_actions_v1(p_actions, p_via); end $$",
        migrated_again,
    ),
    "the function that compares e-mails is missing": Breakage(
        "alter function public.auth_sync_normal_v1 rename to auth_sync_hidden",
        "alter function public.auth_sync_hidden rename to auth_sync_normal_v1",
    ),
}


@pytest.fixture
def jane(connection: Connection, database: Database, auth: Auth) -> tuple[int, UUID]:
    """Return Jane's employee id and auth user."""
    return linked(connection, database, auth, "jane@example.com")


def assert_requested_later(connection: Connection, database: Database, auth: Auth, user: UUID) -> None:
    """Assert that the auth user's next event requests the action, and that further events do not repeat it."""
    for name in ("Jane", "Janet"):
        auth.update_metadata(user, {"first_name": name})
        relay_all(database)
    assert requested_operations(connection, user) == [DISABLE]


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_dismissal_succeeds_and_its_action_is_requested_later(
    database_url: str, connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID], name: str
) -> None:
    """A dismissal succeeds while the service is broken. After the repair, the next event requests the action."""
    execute(database_url, BREAKAGES[name].sql)
    dismiss(connection, jane[0])
    BREAKAGES[name].repair(database_url)
    assert connection.execute("select is_active from employees").fetchall() == [{"is_active": False}]
    assert_requested_later(connection, database, auth, jane[1])


@pytest.mark.parametrize("table", LOCKED)
def test_a_locked_table_does_not_block_a_dismissal(
    database_url: str, connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID], table: str
) -> None:
    """A dismissal succeeds while another transaction locks a table, and the action is requested later."""
    with locked(database_url, table):
        dismiss(connection, jane[0])
    assert_requested_later(connection, database, auth, jane[1])


def lose(database_url: str, connection: Connection, change: str, employee_id: int) -> None:
    """Make a change whose actions cannot be entered."""
    breakage = BREAKAGES["a constraint that nothing meets"]
    execute(database_url, breakage.sql)
    connection.execute(CHANGES[change][0].encode(), [employee_id])
    breakage.repair(database_url)
    assert actions(connection) == []


@pytest.mark.parametrize("change", ["dismissed", "deleted"])
def test_the_lost_action_of_a_dismissal_is_requested_later(
    database_url: str, connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID], change: str
) -> None:
    """The next event requests a dismissal's lost action, even if the employee was deleted."""
    lose(database_url, connection, change, jane[0])
    assert_requested_later(connection, database, auth, jane[1])


@pytest.mark.parametrize(("change", "kind"), [("dismissed", "not_disabled"), ("deleted", "employee_gone")])
def test_reconciliation_requests_the_lost_action_of_a_dismissal(
    database_url: str, connection: Connection, database: Database, jane: tuple[int, UUID], change: str, kind: str
) -> None:
    """Reconciliation requests a lost action without an event, and further runs do not repeat it."""
    lose(database_url, connection, change, jane[0])
    assert reconciled(database).differences == {kind: 1}
    assert reconciled(database).differences == {}
    assert requested_operations(connection, jane[1]) == [DISABLE]


def test_the_lost_action_of_an_e_mail_that_employees_own_is_requested_later(
    database_url: str, connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID]
) -> None:
    """If employees own e-mails, the next event with another e-mail requests the lost action."""
    migrate.migrate(database_url, policy=POLICIES[EmailOwner.EMPLOYEES])
    lose(database_url, connection, "moved", jane[0])
    auth.update_metadata(jane[1], {"first_name": "Jane"})
    relay_events(database, EmailOwner.EMPLOYEES)
    [action] = actions(connection)
    assert (action["operation"], action["request_data"]["email"]) == (EMAIL, "jane.smith@example.com")


def test_the_lost_action_of_an_activation_is_requested_later(
    database_url: str, connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID]
) -> None:
    """If an employee is active again, the next event requests the action that lifts the ban of this service."""
    dismiss(connection, jane[0])
    connection.execute("delete from integration_sync_log where direction = 'outbound'")
    connection.execute("update auth_user_state set disabled_at = now(), banned_until = now() + interval '100 years'")
    breakage = BREAKAGES["a constraint that nothing meets"]
    execute(database_url, breakage.sql)
    connection.execute("update employees set is_active = true")
    breakage.repair(database_url)
    assert actions(connection) == []
    connection.execute("update auth.users set banned_until = now() + interval '100 years'")
    relay_all(database)
    assert requested_operations(connection, jane[1]) == [ENABLE]


def test_the_warning_has_no_personal_data(database_url: str, connection: Connection, jane: tuple[int, UUID]) -> None:
    """The warning about a lost action contains only the SQLSTATE, because an error message may contain a value."""
    execute(database_url, BREAKAGES["a constraint that nothing meets"].sql)
    reported: list[str] = []
    connection.add_notice_handler(
        lambda warning: reported.append(f"{warning.message_primary} {warning.message_detail}")
    )
    connection.execute("update employees set email = 'secret@example.com'")
    [warning] = reported
    assert "23514" in warning
    assert "secret" not in warning
    assert "jane" not in warning


def test_a_failure_enters_none_of_the_actions_of_a_statement(
    database_url: str, connection: Connection, jane: tuple[int, UUID]
) -> None:
    """If one of a statement's actions cannot be entered, none of them is entered."""
    execute(
        database_url,
        "alter table integration_sync_log add constraint refused check (operation <> 'update_auth_email') not valid",
    )
    before = everything(connection, "integration_sync_log", "auth_user_state", "auth_sync_rate")
    connection.execute("update employees set is_active = false, email = 'x@example.com'")
    assert everything(connection, "integration_sync_log", "auth_user_state", "auth_sync_rate") == before
