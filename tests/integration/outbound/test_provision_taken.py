"""`provision` links an employee whose e-mail Auth already has to that auth user, or refuses the employee."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.auth_faults import Fault
from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.provisioning import Office, auth_users, hire_many, logins, open_office, refuse_updates_of
from webhook_service.ports import Database


@pytest.fixture
def office(database_url: str, database: Database, connection: Connection) -> Iterator[Office]:
    with open_office(database_url, database, connection) as office:
        yield office


def test_an_existing_auth_user_is_linked(office: Office, connection: Connection, auth: Auth) -> None:
    """An employee is linked to the existing auth user with the confirmed e-mail. No password or login is created."""
    user = auth.admin_create("user1@example.com")
    [person] = hire_many(connection, 1)
    done = office.run()
    assert (done.linked, done.created, done.refused) == (1, 0, {})
    assert employee(connection, person)["auth_user_id"] == user
    assert (office.announced, office.server.count("POST")) == ([], 0)


def test_an_auth_user_that_appears_during_the_run_is_linked(office: Office, connection: Connection, auth: Auth) -> None:
    """An auth user that appears during the run is linked after Auth refuses the e-mail."""
    [person] = hire_many(connection, 1)
    users: list[UUID] = []
    office.at_announcement = lambda employee_id: users.append(auth.admin_create("user1@example.com"))
    done = office.run()
    assert (done.linked, done.refused, auth_users(connection)) == (1, {}, ["user1@example.com"])
    assert employee(connection, person)["auth_user_id"] == users[0]


def test_an_auth_user_of_another_employee_is_not_linked(office: Office, connection: Connection, auth: Auth) -> None:
    """An auth user of another employee is not linked, and the reason names that employee."""
    holder = hire(connection, "boss@example.com", auth_user_id=auth.admin_create("user1@example.com"))
    [person] = hire_many(connection, 1)
    assert office.run().refused == {person: f"email_taken (employee {holder} has it)"}


def test_an_unconfirmed_auth_user_is_not_linked(office: Office, connection: Connection, auth: Auth) -> None:
    """An unconfirmed auth user is not linked, because its owner has not proven the e-mail."""
    auth.sign_up("user1@example.com")
    [person] = hire_many(connection, 1)
    assert office.run().refused == {
        person: "email_taken (an auth user has it, unconfirmed or not yet known to this service)"
    }
    assert employee(connection, person)["auth_user_id"] is None


def test_an_unknown_auth_user_is_not_linked(office: Office, connection: Connection) -> None:
    """If Auth reports a taken e-mail but the database has no such auth user, the employee is refused."""
    [person] = hire_many(connection, 1)
    office.server.fail_next(Fault(422, "email_exists"), method="POST")
    assert office.run().refused == {
        person: "email_taken (an auth user has it, unconfirmed or not yet known to this service)"
    }


def test_employees_with_a_shared_email_get_no_login(office: Office, connection: Connection) -> None:
    """Two employees with the same e-mail get no login, because the link would be ambiguous."""
    people = [hire(connection, "Info@example.com"), hire(connection, " info@example.com")]
    done = office.run()
    assert {number: reason.split()[0] for number, reason in done.refused.items()} == dict.fromkeys(people, "ambiguous")
    assert office.server.count("POST") == 0


def test_an_auth_user_with_a_shared_email_is_not_linked(office: Office, connection: Connection, auth: Auth) -> None:
    """If two employees have the e-mail of an existing auth user, neither is linked."""
    auth.admin_create("info@example.com")
    people = [hire(connection, "info@example.com"), hire(connection, "info@example.com")]
    assert set(office.run().refused) == set(people)
    assert logins(connection) == []


def test_an_auth_user_whose_link_is_refused_is_unchanged(office: Office, connection: Connection, auth: Auth) -> None:
    """If a rule of the employees table refuses the link, an existing auth user is unchanged."""
    auth.admin_create("user1@example.com")
    person, _ = hire_many(connection, 2)
    refuse_updates_of(connection, person)
    done = office.run()
    assert ({number: reason.split()[0] for number, reason in done.refused.items()}, done.created) == (
        {person: "employee_rejected"},
        1,
    )
    assert auth_users(connection) == ["user1@example.com", "user2@example.com"]
