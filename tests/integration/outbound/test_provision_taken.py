"""Provisioning where Auth has the e-mail already: the employee gets that auth user, or nobody does."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.auth_faults import Fault
from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.captured import auth_of
from tests.integration.provisioning import Office, auth_users, hire_many, logins, open_office, refuse_updates_of
from webhook_service.ports import Database


@pytest.fixture
def office(database_url: str, database: Database, connection: Connection) -> Iterator[Office]:
    with open_office(database_url, database, connection) as office:
        yield office


@pytest.fixture
def auth(database_url: str) -> Iterator[Auth]:
    with auth_of(database_url) as auth:
        yield auth


def test_an_auth_user_that_is_there_is_taken(office: Office, connection: Connection, auth: Auth) -> None:
    """One whose e-mail is confirmed and that nobody has: no password, no second login."""
    user = auth.admin_create("user1@example.com")
    [person] = hire_many(connection, 1)
    done = office.run()
    assert (done.linked, done.created, done.refused) == (1, 0, {})
    assert employee(connection, person)["auth_user_id"] == user
    assert (office.announced, office.server.count("POST")) == ([], 0)


def test_also_where_only_auth_knows_of_it(office: Office, connection: Connection, auth: Auth) -> None:
    """It came while the run was about to create one: what Auth says is looked up."""
    [person] = hire_many(connection, 1)
    users: list[UUID] = []
    office.at_announcement = lambda employee_id: users.append(auth.admin_create("user1@example.com"))
    done = office.run()
    assert (done.linked, done.refused, auth_users(connection)) == (1, {}, ["user1@example.com"])
    assert employee(connection, person)["auth_user_id"] == users[0]


def test_somebody_elses_auth_user_is_not(office: Office, connection: Connection, auth: Auth) -> None:
    """It says who has it."""
    holder = hire(connection, "boss@example.com", auth_user_id=auth.admin_create("user1@example.com"))
    [person] = hire_many(connection, 1)
    assert office.run().refused == {person: f"email_taken (employee {holder} has it)"}


def test_an_unconfirmed_auth_user_is_not(office: Office, connection: Connection, auth: Auth) -> None:
    """Whoever signed up with that e-mail has not shown that it is theirs."""
    auth.sign_up("user1@example.com")
    [person] = hire_many(connection, 1)
    assert office.run().refused == {
        person: "email_taken (an auth user has it, unconfirmed or not yet known to this service)"
    }
    assert employee(connection, person)["auth_user_id"] is None


def test_one_that_is_not_known_here_is_not(office: Office, connection: Connection) -> None:
    """Auth says that somebody has that e-mail, and nobody can be found who has."""
    [person] = hire_many(connection, 1)
    office.server.fail_next(Fault(422, "email_exists"), method="POST")
    assert office.run().refused == {
        person: "email_taken (an auth user has it, unconfirmed or not yet known to this service)"
    }


def test_a_shared_email_is_nobodys(office: Office, connection: Connection) -> None:
    """Of two without a login who have one e-mail, neither gets it: nobody knows whose it is."""
    people = [hire(connection, "Info@example.com"), hire(connection, " info@example.com")]
    done = office.run()
    assert {number: reason.split()[0] for number, reason in done.refused.items()} == dict.fromkeys(people, "ambiguous")
    assert office.server.count("POST") == 0


def test_nor_is_the_auth_user_who_has_it(office: Office, connection: Connection, auth: Auth) -> None:
    auth.admin_create("info@example.com")
    people = [hire(connection, "info@example.com"), hire(connection, "info@example.com")]
    assert set(office.run().refused) == set(people)
    assert logins(connection) == []


def test_an_employee_whose_rules_refuse_the_auth_user(office: Office, connection: Connection, auth: Auth) -> None:
    """The auth user that is there stays as it is."""
    auth.admin_create("user1@example.com")
    person, _ = hire_many(connection, 2)
    refuse_updates_of(connection, person)
    done = office.run()
    assert ({number: reason.split()[0] for number, reason in done.refused.items()}, done.created) == (
        {person: "employee_rejected"},
        1,
    )
    assert auth_users(connection) == ["user1@example.com", "user2@example.com"]
