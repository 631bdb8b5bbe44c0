"""A statement on employees requests the actions that Auth needs, and no others."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.captured import relay_all
from tests.integration.requested_actions import (
    DISABLE,
    EMAIL,
    ENABLE,
    POLICIES,
    actions,
    dismiss,
    linked,
    requested_operations,
)
from webhook_service.db import migrate
from webhook_service.policy import EmailOwner
from webhook_service.ports import Database

pytestmark = pytest.mark.every_employees_table

JANE = "jane@example.com"


@pytest.fixture
def jane(connection: Connection, database: Database, auth: Auth) -> tuple[int, UUID]:
    """Return Jane's employee id and auth user."""
    return linked(connection, database, auth, JANE)


def set_jane(connection: Connection, assignment: str) -> None:
    connection.execute(f"update employees set {assignment} where email = '{JANE}'".encode())  # noqa: S608


def allow_null(connection: Connection) -> None:
    """Allow null in is_active, as a company's own table may."""
    connection.execute("alter table employees alter is_active drop not null")


@pytest.mark.parametrize(
    ("before", "after", "requested"),
    [
        ("true", "false", [DISABLE]),
        ("null", "false", [DISABLE]),
        ("false", "true", [ENABLE]),
        ("false", "null", [ENABLE]),
        ("true", "null", []),
        ("null", "true", []),
        ("true", "true", []),
        ("false", "false", []),
        ("null", "null", []),
    ],
)
def test_is_active_off_disables_and_on_enables(
    connection: Connection, jane: tuple[int, UUID], before: str, after: str, requested: list[str]
) -> None:
    """Deactivation disables the login and activation enables it. An employee whose is_active is null is active."""
    allow_null(connection)
    set_jane(connection, f"is_active = {before}")
    connection.execute("delete from integration_sync_log")
    set_jane(connection, f"is_active = {after}")
    assert requested_operations(connection, jane[1]) == requested


def test_an_action_names_employee_and_user_and_is_due_at_once(connection: Connection, jane: tuple[int, UUID]) -> None:
    """An action has the employee, the auth user and an id with a colon, which no event id has, and is due at once."""
    dismiss(connection, jane[0])
    [action] = actions(connection)
    assert (action["employee_id"], action["auth_user_id"]) == jane
    assert (action["status"], action["via"], action["priority"], action["attempts"]) == ("PENDING", "employees", 0, 0)
    assert action["next_attempt_at"] <= datetime.now(UTC)
    assert action["event_id"].endswith(f":{DISABLE}")


def test_a_changed_e_mail_is_requested_with_the_old_e_mail(connection: Connection, jane: tuple[int, UUID]) -> None:
    """The action for a changed e-mail has the new and the old one, both in lower case and without surrounding space."""
    set_jane(connection, "email = ' Jane.Smith@Example.com'")
    [action] = actions(connection, jane[1])
    assert action["operation"] == EMAIL
    assert action["request_data"] == {"email": "jane.smith@example.com", "was": JANE}


@pytest.mark.parametrize("email", ["null", "''", "'jane'", "'@'"])
def test_an_invalid_e_mail_is_not_sent(connection: Connection, jane: tuple[int, UUID], email: str) -> None:
    """If HR removes the employee's e-mail or writes an invalid one, the login keeps its e-mail."""
    set_jane(connection, f"email = {email}")
    assert actions(connection) == []


def test_one_statement_may_request_several_actions(connection: Connection, jane: tuple[int, UUID]) -> None:
    """A statement that deactivates an employee and changes the e-mail requests both actions."""
    set_jane(connection, "is_active = false, email = 'former-jane@example.com'")
    assert requested_operations(connection, jane[1]) == [DISABLE, EMAIL]


def test_each_statement_of_a_transaction_counts(connection: Connection, jane: tuple[int, UUID]) -> None:
    """The actions are in the order of a transaction's statements. A transaction that is rolled back requests none."""
    with connection.transaction():
        set_jane(connection, "is_active = false")
        set_jane(connection, "is_active = true")
        set_jane(connection, "is_active = false")
    with connection.transaction(force_rollback=True):
        set_jane(connection, "is_active = true")
    assert requested_operations(connection, jane[1]) == [DISABLE, ENABLE, DISABLE]


def test_a_deleted_employee_s_login_is_disabled(connection: Connection, jane: tuple[int, UUID]) -> None:
    """A deleted employee's login is disabled and not deleted, because a deletion cannot be undone."""
    connection.execute("delete from employees where employee_id = %s", [jane[0]])
    [action] = actions(connection)
    assert (action["operation"], action["employee_id"], action["auth_user_id"]) == (DISABLE, *jane)


def test_an_inactive_employee_inserted_with_a_login_is_disabled(connection: Connection) -> None:
    """An insert of an inactive employee with a login requests an action. An insert of an active employee does not."""
    allow_null(connection)
    user = uuid4()
    hire(connection, JANE, auth_user_id=user, is_active=False)
    hire(connection, "joe@example.com", auth_user_id=uuid4(), is_active=True)
    hire(connection, "jim@example.com", auth_user_id=uuid4(), is_active=None)
    assert [(action["operation"], action["auth_user_id"]) for action in actions(connection)] == [(DISABLE, user)]


def test_an_inactive_employee_that_gets_a_login_is_disabled(connection: Connection) -> None:
    """If an update links an inactive employee, the login is disabled, whichever role made the update."""
    hire(connection, JANE, is_active=False)
    user = uuid4()
    connection.execute("update employees set auth_user_id = %s", [user])
    assert requested_operations(connection, user) == [DISABLE]


def test_an_inactive_employee_that_the_trigger_links_is_disabled(
    connection: Connection, database: Database, auth: Auth
) -> None:
    """If the trigger links an inactive employee on insert, the login is disabled."""
    user = auth.admin_create(JANE)
    relay_all(database)
    hired = hire(connection, JANE, is_active=False)
    assert employee(connection, hired)["auth_user_id"] == user
    assert requested_operations(connection, user) == [DISABLE]


def test_an_inactive_employee_that_an_event_links_is_disabled_once(
    connection: Connection, database: Database, auth: Auth
) -> None:
    """A sign-up of an inactive employee requests one action, although the event and the trigger both request it."""
    hire(connection, JANE, is_active=False)
    user = auth.admin_create(JANE)
    assert relay_all(database) == {"linked": 1}
    assert requested_operations(connection, user) == [DISABLE]


def test_a_statement_that_unlinks_and_dismisses_disables_the_login(
    connection: Connection, jane: tuple[int, UUID]
) -> None:
    """A statement that unlinks and deactivates an employee disables the login that it unlinks."""
    set_jane(connection, "is_active = false, auth_user_id = null")
    assert requested_operations(connection, jane[1]) == [DISABLE]


def test_a_statement_that_dismisses_and_links_disables_both_logins(
    connection: Connection, jane: tuple[int, UUID]
) -> None:
    """A statement that deactivates an employee and links another login disables both logins."""
    other = uuid4()
    set_jane(connection, f"is_active = false, auth_user_id = '{other}'")
    assert sorted((action["operation"], action["auth_user_id"]) for action in actions(connection)) == sorted(
        [(DISABLE, jane[1]), (DISABLE, other)]
    )


@pytest.mark.parametrize(
    "assignment",
    [
        "first_name = 'Janet', last_name = 'Doe', employee_number = 'E-1'",
        "email = upper(email)",
        "email = '  ' || email || E'\\t'",
        "auth_user_id = null",
        "email = email",
        "orphaned_at = now()",
    ],
    ids=["other columns", "in capitals", "with space around", "unlinked", "nothing", "flagged"],
)
def test_a_change_that_does_not_concern_auth_requests_no_action(
    connection: Connection, jane: tuple[int, UUID], assignment: str
) -> None:
    """A change of other columns, of an e-mail's case or spaces, or a removed link requests no action."""
    set_jane(connection, assignment)
    assert actions(connection) == []


def test_a_change_of_case_does_not_overwrite_a_differing_e_mail_of_auth(
    connection: Connection, database: Database, auth: Auth
) -> None:
    """If HR changes only the case of an employee's e-mail, Auth keeps the different e-mail of the login."""
    hired = hire(connection, JANE, employee_number="E-1")
    auth.admin_create("private@example.com", confirmed=False, app_metadata={"employee_number": "E-1"})
    assert relay_all(database) == {"linked": 1}
    set_jane(connection, "email = ' JANE@Example.com'")
    assert actions(connection) == []
    connection.execute("update employees set email = 'smith@example.com' where employee_id = %s", [hired])
    assert requested_operations(connection) == [EMAIL]


def test_an_employee_without_a_login_needs_no_action(connection: Connection) -> None:
    """Adding, changing, dismissing and rehiring an employee without an auth user requests no action."""
    hire(connection, JANE, is_active=False)
    hire(connection, "joe@example.com")
    connection.execute("update employees set is_active = not is_active, email = 'x' || email")
    connection.execute("update employees set is_active = not is_active")
    connection.execute("delete from employees")
    assert actions(connection) == []


def test_the_service_s_own_writes_are_not_sent_back(
    connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID]
) -> None:
    """Links, copied values, orphans and new auth users request no action, because Auth has these values already."""
    auth.update_metadata(jane[1], {"first_name": "Janet"})
    auth.admin_change_email(jane[1], "jane.smith@example.com", confirmed=True)
    relay_all(database)
    assert employee(connection, jane[0])["email"] == "jane.smith@example.com"
    auth.hard_delete(jane[1])
    relay_all(database)
    assert employee(connection, jane[0])["orphaned_auth_user_id"] == jane[1]
    again = auth.admin_create("jane.smith@example.com")
    relay_all(database)
    assert employee(connection, jane[0])["auth_user_id"] == again
    assert actions(connection) == []


def test_a_new_link_sends_the_e_mail_that_employees_own(
    database_url: str, connection: Connection, database: Database, auth: Auth
) -> None:
    """If employees own e-mails, a link by number requests an action that sets the employee's e-mail in Auth."""
    migrate.migrate(database_url, policy=POLICIES[EmailOwner.EMPLOYEES])
    user = auth.admin_create("private@example.com", app_metadata={"employee_number": "E-1"})
    relay_all(database)
    hire(connection, JANE, employee_number="E-1")
    [action] = actions(connection, user)
    assert (action["operation"], action["request_data"]["email"]) == (EMAIL, JANE)
