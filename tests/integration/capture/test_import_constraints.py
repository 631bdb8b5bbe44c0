"""An import of employees does not fail because of us, whatever employees' own rules are and whoever is in the way."""

from uuid import UUID

import psycopg
import pytest

from tests.employees import Connection
from tests.integration.captured import auth_of, inbound, relay_all
from webhook_service.ports import Database

LINKED = "select employee_number, email from employees where auth_user_id is not null"


@pytest.fixture
def waiting(database_url: str, database: Database) -> UUID:
    """An auth user with an employee number, who waits for an employee."""
    with auth_of(database_url) as auth:
        user = auth.admin_create("taken@example.com", app_metadata={"employee_number": "7"})
    relay_all(database)
    return user


def test_rules_that_are_checked_at_the_commit_are_the_relays_matter(
    connection: Connection, database: Database, waiting: UUID
) -> None:
    """The copy of the e-mail would break a deferred rule: the import is committed, and the event fails alone."""
    connection.execute("alter table employees add unique (email) deferrable initially deferred")
    connection.execute("insert into employees (email) values ('taken@example.com')")
    connection.execute("insert into employees (email, employee_number) values ('new@example.com', '7')")
    assert connection.execute(LINKED).fetchall() == []
    assert relay_all(database) == {"email_taken": 1}


def test_an_import_leaves_no_notification(connection: Connection, waiting: UUID) -> None:
    """A transaction that has notified cannot be prepared for a two-phase commit."""
    connection.execute("listen auth_sync")
    connection.execute("insert into employees (email, employee_number) values ('new@example.com', '8')")
    connection.execute("select 1")
    assert list(connection.notifies(timeout=0)) == []


def test_an_import_does_not_wait_for_the_relays_look(connection: Connection, database_url: str, waiting: UUID) -> None:
    """While a relay looks at the same employees, an import of them is linked all the same."""
    connection.execute("insert into employees (employee_number) values ('6')")
    with psycopg.connect(database_url) as other:
        other.execute("select auth_sync_retry_hires_v1(10)")
        connection.execute("set lock_timeout = '1ms'")  # it would fail if it had to wait
        connection.execute("update employees set employee_number = '7'")
        assert len(connection.execute(LINKED).fetchall()) == 1


def test_an_address_that_many_share_costs_no_more(
    connection: Connection, database: Database, database_url: str
) -> None:
    """An import of ten thousand with one address, which an auth user has: each is counted up to two, not all by all."""
    with auth_of(database_url) as auth:
        auth.admin_create("office@example.com")
    relay_all(database)
    connection.execute("set statement_timeout = '30s'")  # counted all by all, it takes minutes
    connection.execute("insert into employees (email) select 'office@example.com' from generate_series(1, 10000)")
    assert connection.execute(LINKED).fetchall() == []


def test_a_version_without_room_above_it_stops_nobody(
    connection: Connection, database: Database, database_url: str
) -> None:
    """Also where a state has the largest number there is, the user's next change is captured."""
    with auth_of(database_url) as auth:
        user = auth.admin_create("jane@example.com")
        relay_all(database)
        connection.execute("update auth_user_state set version = 9223372036854775807")
        auth.update_metadata(user, {"first_name": "Jane"})
    assert len(inbound(connection, user)) == 2
