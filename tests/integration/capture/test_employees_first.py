"""An employee who is added or changed is linked to an existing matching auth user in the same statement."""

from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.captured import inbound, newest, relay_all
from webhook_service.ports import Database

pytestmark = pytest.mark.every_employees_table

MAIL = "jane@example.com"


@pytest.fixture
def waiting(auth: Auth, database: Database) -> UUID:
    """Create a known auth user without an employee."""
    user = auth.admin_create(MAIL, user_metadata={"first_name": "Jane", "last_name": "Doe"})
    assert relay_all(database) == {"unmatched": 1}
    return user


def link_of(connection: Connection, employee_id: int) -> UUID | None:
    link: UUID | None = employee(connection, employee_id)["auth_user_id"]
    return link


def test_an_insert_is_linked_in_its_own_transaction(connection: Connection, database_url: str, waiting: UUID) -> None:
    """The transaction that inserts the employee sees the link and the names before its commit."""
    with psycopg.connect(database_url, row_factory=dict_row) as importer:
        jane = employee(importer, hire(importer, " JANE@example.com"))
        assert (jane["auth_user_id"], jane["first_name"], jane["last_name"]) == (waiting, "Jane", "Doe")
        assert connection.execute("select from employees").fetchall() == []


@pytest.mark.parametrize(
    ("was", "becomes"), [("typo@example.com", " Jane@Example.com"), (None, MAIL)], ids=["corrected", "added"]
)
def test_a_changed_e_mail_is_linked_in_its_own_transaction(
    connection: Connection, waiting: UUID, was: str | None, becomes: str
) -> None:
    """If HR corrects or adds an e-mail, the statement links the unlinked auth user with that e-mail."""
    jane = hire(connection, was)
    assert link_of(connection, jane) is None
    connection.execute("update employees set email = %s", [becomes])
    assert link_of(connection, jane) == waiting


def test_a_changed_number_is_linked_in_its_own_transaction(
    connection: Connection, database: Database, auth: Auth
) -> None:
    """An employee's new number links the auth user that has the same number in its app_metadata."""
    user = auth.admin_create("other@example.com", app_metadata={"employee_number": 7})
    relay_all(database)
    jane = hire(connection, MAIL)
    connection.execute("update employees set employee_number = '7'")
    assert link_of(connection, jane) == user


def test_a_number_outranks_an_e_mail(connection: Connection, database: Database, auth: Auth, waiting: UUID) -> None:
    """The auth user with the employee's number is linked, even if another auth user has the employee's e-mail."""
    numbered = auth.admin_create("other@example.com", app_metadata={"employee_number": "7"}, confirmed=False)
    relay_all(database)
    assert link_of(connection, hire(connection, MAIL, employee_number="7")) == numbered


def test_a_user_with_a_number_is_not_linked_by_its_e_mail(
    connection: Connection, database: Database, auth: Auth
) -> None:
    """Neither the trigger nor an event links an auth user with another number by its e-mail."""
    auth.admin_create(MAIL, app_metadata={"employee_number": "7"})
    relay_all(database)
    assert link_of(connection, hire(connection, MAIL, employee_number="8")) is None


def test_the_ledger_records_the_link(connection: Connection, waiting: UUID) -> None:
    """The ledger records the link in one row, with the changed columns and `employees` as `via`."""
    jane = hire(connection, "Jane@example.com", first_name="J.")
    event = inbound(connection, waiting)[-1]
    assert (event["status"], event["outcome"], event["via"]) == ("SUCCESS", "linked", "employees")
    assert (event["employee_id"], event["attempts"]) == (jane, 1)
    assert event["changes"] == {
        "auth_user_id": {"from": None, "to": str(waiting)},
        "first_name": {"from": "J.", "to": "Jane"},
        "last_name": {"from": None, "to": "Doe"},
    }


def test_the_login_of_an_inactive_employee_is_disabled(connection: Connection, waiting: UUID) -> None:
    """If an inactive employee is linked, the trigger requests an action that disables the login."""
    jane = hire(connection, MAIL, is_active=False)
    [action] = connection.execute("select * from integration_sync_log where direction = 'outbound'").fetchall()
    assert (action["operation"], action["status"]) == ("disable_auth_user", "PENDING")
    assert (action["employee_id"], action["auth_user_id"]) == (jane, waiting)


def test_the_login_of_an_active_employee_needs_no_action(connection: Connection, waiting: UUID) -> None:
    """If an active employee is linked, the trigger requests no action."""
    hire(connection, MAIL)
    assert connection.execute("select from integration_sync_log where direction = 'outbound'").fetchall() == []


@pytest.mark.parametrize("kind", ["unconfirmed", "anonymous", "soft-deleted", "hard-deleted"])
def test_an_unproven_user_is_not_linked(connection: Connection, database: Database, auth: Auth, kind: str) -> None:
    """An auth user that is unconfirmed, anonymous or deleted is not linked."""
    user = auth.anonymous() if kind == "anonymous" else auth.admin_create(MAIL, confirmed=kind != "unconfirmed")
    if kind == "anonymous":
        connection.execute("update auth.users set email = %s, email_confirmed_at = now()", [MAIL])
    relay_all(database)
    match kind:
        case "soft-deleted":
            auth.soft_delete(user)
        case "hard-deleted":
            auth.hard_delete(user)
    relay_all(database)
    assert link_of(connection, hire(connection, MAIL)) is None
    assert relay_all(database) == {}


def test_an_anonymous_user_is_not_linked_by_its_number(connection: Connection, database: Database, auth: Auth) -> None:
    """An anonymous user is not linked, even by its number (see the table in docs/explanation/decisions.md)."""
    auth.set_app_metadata(auth.anonymous(), {"employee_number": "7"})
    relay_all(database)
    assert link_of(connection, hire(connection, employee_number="7")) is None


def test_two_employees_with_the_same_e_mail_are_not_linked(connection: Connection, waiting: UUID) -> None:
    """If one statement inserts two employees with the same e-mail, neither is linked."""
    connection.execute("insert into employees (email) values (%(mail)s), (%(mail)s)", {"mail": MAIL})
    rows = connection.execute("select auth_user_id from employees").fetchall()
    assert [row["auth_user_id"] for row in rows] == [None, None]


def test_a_second_employee_with_the_same_e_mail_changes_nothing(connection: Connection, waiting: UUID) -> None:
    """A second employee with the e-mail does not change an existing link."""
    first, second = hire(connection, MAIL), hire(connection, MAIL)
    assert (link_of(connection, first), link_of(connection, second)) == (waiting, None)


def test_the_first_of_two_users_with_the_same_e_mail_is_linked(
    connection: Connection, database: Database, auth: Auth, waiting: UUID
) -> None:
    """The first of two auth users with the same e-mail is linked. SSO users may share an e-mail."""
    auth.sso_sign_up(MAIL)
    relay_all(database)
    assert link_of(connection, hire(connection, MAIL)) == waiting


def test_a_link_of_the_importer_is_kept(connection: Connection, database: Database, waiting: UUID) -> None:
    """An employee who is inserted with a link keeps this link."""
    other = UUID(int=7)
    assert link_of(connection, hire(connection, MAIL, auth_user_id=other)) == other


def test_the_service_s_own_writes_make_no_event(
    connection: Connection, database: Database, auth: Auth, waiting: UUID
) -> None:
    """If the service copies an e-mail to an employee, the trigger on employees records no event."""
    jane = hire(connection, MAIL)
    auth.change_email(waiting, "new@example.com")
    assert relay_all(database) == {"synced": 1}
    assert employee(connection, jane)["email"] == "new@example.com"
    assert [event["via"] for event in inbound(connection)] == ["relay", "employees", "relay"]
    assert newest(connection, waiting)["status"] == "SUCCESS"
