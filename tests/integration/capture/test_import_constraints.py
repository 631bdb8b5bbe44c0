"""The service does not make an import of employees fail, even with constraints and locks on the table."""

from uuid import UUID

import psycopg
import pytest

from tests.employees import Connection
from tests.integration.captured import auth_of, inbound, relay_all
from webhook_service.ports import Database

LINKED = "select employee_number, email from employees where auth_user_id is not null"


@pytest.fixture
def waiting(database_url: str, database: Database) -> UUID:
    """Create an auth user with an employee number, but without an employee."""
    with auth_of(database_url) as auth:
        user = auth.admin_create("taken@example.com", app_metadata={"employee_number": "7"})
    relay_all(database)
    return user


def test_a_link_under_deferred_constraints_is_left_to_the_relay(
    connection: Connection, database: Database, waiting: UUID
) -> None:
    """If the copied e-mail would break a deferred constraint, the import commits, and only the event fails."""
    connection.execute("alter table employees add unique (email) deferrable initially deferred")
    connection.execute("insert into employees (email) values ('taken@example.com')")
    connection.execute("insert into employees (email, employee_number) values ('new@example.com', '7')")
    assert connection.execute(LINKED).fetchall() == []
    assert relay_all(database) == {"email_taken": 1}


def test_an_import_leaves_no_notification(connection: Connection, waiting: UUID) -> None:
    """An import sends no notification, because a two-phase commit would refuse it."""
    connection.execute("listen auth_sync")
    connection.execute("insert into employees (email, employee_number) values ('new@example.com', '8')")
    connection.execute("select 1")
    assert list(connection.notifies(timeout=0)) == []


def test_an_import_does_not_wait_for_the_relay(connection: Connection, database_url: str, waiting: UUID) -> None:
    """An import links an employee even while a relay retries the link of the same employee."""
    connection.execute("insert into employees (employee_number) values ('6')")
    with psycopg.connect(database_url) as other:
        other.execute("select auth_sync_retry_hires_v1(10)")
        connection.execute("set lock_timeout = '1ms'")  # an import that had to wait would fail
        connection.execute("update employees set employee_number = '7'")
        assert len(connection.execute(LINKED).fetchall()) == 1


def test_an_e_mail_that_many_employees_share_is_not_slow(
    connection: Connection, database: Database, database_url: str
) -> None:
    """An import of ten thousand employees with one e-mail counts the matches only up to two."""
    with auth_of(database_url) as auth:
        auth.admin_create("office@example.com")
    relay_all(database)
    connection.execute("set statement_timeout = '30s'")  # counting all matches for each employee would take minutes
    connection.execute("insert into employees (email) select 'office@example.com' from generate_series(1, 10000)")
    assert connection.execute(LINKED).fetchall() == []


def test_a_change_after_the_largest_version_is_captured(
    connection: Connection, database: Database, database_url: str
) -> None:
    """The user's next change is captured even if the state has the largest possible version."""
    with auth_of(database_url) as auth:
        user = auth.admin_create("jane@example.com")
        relay_all(database)
        connection.execute("update auth_user_state set version = 9223372036854775807")
        auth.update_metadata(user, {"first_name": "Jane"})
    assert len(inbound(connection, user)) == 2
