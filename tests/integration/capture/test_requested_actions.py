"""What a change of employees asks of Auth, and what asks for nothing: the actions that each statement enters."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.captured import auth_of, relay_all
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

JANE = "jane@example.com"


@pytest.fixture
def auth(database_url: str) -> Iterator[Auth]:
    with auth_of(database_url) as auth:
        yield auth


@pytest.fixture
def jane(connection: Connection, database: Database, auth: Auth) -> tuple[int, UUID]:
    """Her employee id and her auth user."""
    return linked(connection, database, auth, JANE)


def set_jane(connection: Connection, assignment: str) -> None:
    connection.execute(f"update employees set {assignment} where email = '{JANE}'".encode())  # noqa: S608


def let_it_be_null(connection: Connection) -> None:
    """is_active, as where a company's own table has it so."""
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
    """Nobody who is not said to be inactive is: null is as good as true."""
    let_it_be_null(connection)
    set_jane(connection, f"is_active = {before}")
    connection.execute("delete from integration_sync_log")
    set_jane(connection, f"is_active = {after}")
    assert requested_operations(connection, jane[1]) == requested


def test_an_action_says_who_and_is_due_at_once(connection: Connection, jane: tuple[int, UUID]) -> None:
    """It has the employee, the auth user, and an id with a colon, as no event has one."""
    dismiss(connection, jane[0])
    [action] = actions(connection)
    assert (action["employee_id"], action["auth_user_id"]) == jane
    assert (action["status"], action["via"], action["priority"], action["attempts"]) == ("PENDING", "employees", 0, 0)
    assert action["next_attempt_at"] <= datetime.now(UTC)
    assert action["event_id"].endswith(f":{DISABLE}")


def test_a_changed_e_mail_goes_to_auth_with_what_auth_had(connection: Connection, jane: tuple[int, UUID]) -> None:
    """Both as they are compared: in lower case, without surrounding space."""
    set_jane(connection, "email = ' Jane.Smith@Example.com'")
    [action] = actions(connection, jane[1])
    assert action["operation"] == EMAIL
    assert action["request_data"] == {"email": "jane.smith@example.com", "was": JANE}


@pytest.mark.parametrize("email", ["null", "''", "'jane'", "'@'"])
def test_what_is_no_e_mail_is_not_sent(connection: Connection, jane: tuple[int, UUID], email: str) -> None:
    """A login keeps its e-mail where HR removes the employee's, or writes something else there."""
    set_jane(connection, f"email = {email}")
    assert actions(connection) == []


def test_one_statement_may_ask_for_several_things(connection: Connection, jane: tuple[int, UUID]) -> None:
    """Off-boarding as HR systems do it: inactive, and the address is given away."""
    set_jane(connection, "is_active = false, email = 'former-jane@example.com'")
    assert requested_operations(connection, jane[1]) == [DISABLE, EMAIL]


def test_each_statement_of_a_transaction_counts(connection: Connection, jane: tuple[int, UUID]) -> None:
    """In the order of the statements; and nothing of a transaction that is rolled back."""
    with connection.transaction():
        set_jane(connection, "is_active = false")
        set_jane(connection, "is_active = true")
        set_jane(connection, "is_active = false")
    with connection.transaction(force_rollback=True):
        set_jane(connection, "is_active = true")
    assert requested_operations(connection, jane[1]) == [DISABLE, ENABLE, DISABLE]


def test_a_deleted_employee_s_login_is_disabled(connection: Connection, jane: tuple[int, UUID]) -> None:
    """And not deleted: that cannot be undone."""
    connection.execute("delete from employees where employee_id = %s", [jane[0]])
    [action] = actions(connection)
    assert (action["operation"], action["employee_id"], action["auth_user_id"]) == (DISABLE, *jane)


def test_an_inactive_employee_that_comes_with_a_login(connection: Connection) -> None:
    """An insert that says both; for the two active ones nothing is asked."""
    let_it_be_null(connection)
    user = uuid4()
    hire(connection, JANE, auth_user_id=user, is_active=False)
    hire(connection, "joe@example.com", auth_user_id=uuid4(), is_active=True)
    hire(connection, "jim@example.com", auth_user_id=uuid4(), is_active=None)
    assert [(action["operation"], action["auth_user_id"]) for action in actions(connection)] == [(DISABLE, user)]


def test_an_inactive_employee_that_gets_a_login(connection: Connection) -> None:
    """Whoever writes the link."""
    hire(connection, JANE, is_active=False)
    user = uuid4()
    connection.execute("update employees set auth_user_id = %s", [user])
    assert requested_operations(connection, user) == [DISABLE]


def test_an_inactive_employee_whose_auth_user_waits(connection: Connection, database: Database, auth: Auth) -> None:
    """Our own trigger links it as it is inserted: that is a login of somebody who is not employed."""
    user = auth.admin_create(JANE)
    relay_all(database)
    hired = hire(connection, JANE, is_active=False)
    assert employee(connection, hired)["auth_user_id"] == user
    assert requested_operations(connection, user) == [DISABLE]


def test_an_inactive_employee_that_an_event_links(connection: Connection, database: Database, auth: Auth) -> None:
    """The sign-up of somebody who has left: once, though both the statement and the event see it."""
    hire(connection, JANE, is_active=False)
    user = auth.admin_create(JANE)
    assert relay_all(database) == {"linked": 1}
    assert requested_operations(connection, user) == [DISABLE]


def test_unlinked_and_dismissed_in_one_statement(connection: Connection, jane: tuple[int, UUID]) -> None:
    """Who was linked until then must not sign in any more."""
    set_jane(connection, "is_active = false, auth_user_id = null")
    assert requested_operations(connection, jane[1]) == [DISABLE]


def test_dismissed_and_given_another_login_in_one_statement(connection: Connection, jane: tuple[int, UUID]) -> None:
    """Neither of the two may sign in."""
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
def test_what_means_nothing_to_auth_asks_for_nothing(
    connection: Connection, jane: tuple[int, UUID], assignment: str
) -> None:
    """Other columns, another spelling of the e-mail, and a link that is taken away."""
    set_jane(connection, assignment)
    assert actions(connection) == []


def test_another_spelling_is_no_change_where_auth_has_another_e_mail(
    connection: Connection, database: Database, auth: Auth
) -> None:
    """Linked by its number, with an e-mail of its own: HR writes it in capitals, and Auth keeps what it has."""
    hired = hire(connection, JANE, employee_number="E-1")
    auth.admin_create("private@example.com", confirmed=False, app_metadata={"employee_number": "E-1"})
    assert relay_all(database) == {"linked": 1}
    set_jane(connection, "email = ' JANE@Example.com'")
    assert actions(connection) == []
    connection.execute("update employees set email = 'smith@example.com' where employee_id = %s", [hired])
    assert requested_operations(connection) == [EMAIL]


def test_who_has_no_login_asks_for_nothing(connection: Connection) -> None:
    """Coming, changing, leaving and returning, all without an auth user."""
    hire(connection, JANE, is_active=False)
    hire(connection, "joe@example.com")
    connection.execute("update employees set is_active = not is_active, email = 'x' || email")
    connection.execute("update employees set is_active = not is_active")
    connection.execute("delete from employees")
    assert actions(connection) == []


def test_what_our_own_sync_writes_is_not_sent_back(
    connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID]
) -> None:
    """Linking, copying names and e-mails, flagging an orphan, taking a new auth user: Auth has it so already."""
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


def test_a_link_brings_the_e_mail_of_its_owner(
    database_url: str, connection: Connection, database: Database, auth: Auth
) -> None:
    """Linked by its number, with another e-mail: where employees own e-mails, Auth gets the employee's."""
    migrate.migrate(database_url, policy=POLICIES[EmailOwner.EMPLOYEES])
    user = auth.admin_create("private@example.com", app_metadata={"employee_number": "E-1"})
    relay_all(database)
    hire(connection, JANE, employee_number="E-1")
    [action] = actions(connection, user)
    assert (action["operation"], action["request_data"]["email"]) == (EMAIL, JANE)
