"""`provision` creates logins for employees without one, in order, and reports the employees that it refused."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.auth_faults import Call, throttled
from tests.employees import Connection, employee, entry, hire
from tests.integration.provisioning import (
    USERS,
    Office,
    auth_users,
    hire_many,
    intents,
    logins,
    open_office,
    refuse_updates_of,
    reported,
)
from webhook_service.auth.supabase import SupabaseAuthAdmin
from webhook_service.ports import Database

pytestmark = pytest.mark.every_employees_table


@pytest.fixture
def office(database_url: str, database: Database, connection: Connection) -> Iterator[Office]:
    with open_office(database_url, database, connection) as office:
        yield office


def orphan(connection: Connection) -> int:
    """Insert an employee whose login was deleted."""
    return hire(connection, "orphan@example.com", orphaned_at="2026-11-22", orphaned_auth_user_id=uuid4())


# Selection of employees


def test_employees_without_a_login_get_a_login(office: Office, connection: Connection) -> None:
    """Employees get logins in the order of employee_id, with the announced passwords.

    The ledger records the admin.
    """
    people = hire_many(connection, 30)  # more than a page
    done = office.run()
    assert (done.created, done.seen, done.ended_by) == (30, 30, None)
    assert logins(connection) == [(number, f"user{number}@example.com") for number in people]
    assert [employee_id for employee_id, _, _ in office.announced] == people
    assert office.passwords() == reported(office.server)
    assert intents(connection) == [(number, "SUCCESS", "created") for number in people]
    user = employee(connection, people[0])["auth_user_id"]
    intent = entry(connection, f"{user}:create_auth_user")
    assert (intent["via"], intent["request_data"]["requested_by"]) == ("provision", "test")


def test_other_employees_get_no_login(office: Office, connection: Connection) -> None:
    """Inactive or linked employees, orphans and employees without an e-mail get no login."""
    hire(connection, "left@example.com", is_active=False)
    hire(connection, "linked@example.com", auth_user_id=uuid4())
    orphan(connection)
    hire(connection, None)
    hire(connection, "no e-mail")
    assert office.run().seen == 0
    assert (office.announced, office.server.count("POST")) == ([], 0)


def test_orphans_get_a_login_on_request(office: Office, connection: Connection) -> None:
    """With `orphans`, an orphan gets a login and is then no longer an orphan."""
    orphaned = orphan(connection)
    assert office.run(orphans=True).created == 1
    assert logins(connection) == [(orphaned, "orphan@example.com")]
    assert employee(connection, orphaned)["orphaned_at"] is None


def test_a_password_is_announced_before_auth_knows_it(office: Office, connection: Connection) -> None:
    """A password is announced before Auth receives it, so that it can be stored first."""
    hire_many(connection, 3)
    calls: list[int] = []
    office.at_announcement = lambda employee_id: calls.append(office.server.count("POST"))
    office.run()
    assert calls == [0, 1, 2]


def test_a_second_run_changes_nothing(office: Office, connection: Connection) -> None:
    """A second run of `provision` changes nothing."""
    hire_many(connection, 3)
    office.run()
    before = logins(connection)
    assert office.run().seen == 0
    assert (logins(connection), len(office.announced)) == (before, 3)


def test_the_limit_counts_logins_only(office: Office, connection: Connection) -> None:
    """Refused employees do not count toward the limit. Otherwise a later run would never reach the next employees."""
    first, *others = hire_many(connection, 4)
    connection.execute("update employees set email = 'no e-mail@example.com' where employee_id = %s", [first])
    done = office.run(limit=2)
    assert (done.created, list(done.refused)) == (2, [first])
    assert [employee_id for employee_id, _ in logins(connection)] == others[:2]


def test_an_invited_employee_has_no_password(office: Office, connection: Connection) -> None:
    """An invited employee has the login at once, and no password."""
    people = hire_many(connection, 2)
    assert office.run(invite=True).created == 2
    assert office.passwords() == {"user1@example.com": None, "user2@example.com": None}
    assert (reported(office.server), office.server.count("POST", "/invite")) == ({}, 2)
    assert [number for number, _ in logins(connection)] == people


def test_an_employee_gets_a_login_for_the_present_e_mail(office: Office, connection: Connection) -> None:
    """If an employee's e-mail changes while the run waits, the login is created with the new e-mail."""
    hire_many(connection, 2)
    office.server.fail_next(throttled("1"), method="POST")
    change = "update employees set email = 'new' || employee_id || '@example.com'"
    office.at_wait = lambda seconds: connection.execute(change)
    assert office.run().created == 2
    assert auth_users(connection) == ["new1@example.com", "new2@example.com"]


# Refused employees do not stop the run


def test_an_email_that_auth_refuses_is_reported(office: Office, connection: Connection) -> None:
    """An e-mail that Auth refuses is reported, and its intent is undone."""
    person, _ = hire(connection, "no e-mail@example.com"), hire_many(connection, 1)
    done = office.run()
    assert (done.refused, done.created) == ({person: "auth_refused (validation_failed)"}, 1)
    assert intents(connection)[0] == (person, "SUCCESS", "undone")


def test_a_link_that_the_table_refuses_is_reported(office: Office, connection: Connection) -> None:
    """If the employees table refuses the link, this is reported without personal data and the login is deleted."""
    person, _ = hire_many(connection, 2)
    refuse_updates_of(connection, person)
    done = office.run()
    assert (done.refused, done.created) == ({person: "employee_rejected (P0001)"}, 1)
    assert auth_users(connection) == ["user2@example.com"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [("update employees set is_active = false", "inactive"), ("delete from employees", "employee_not_found")],
    ids=["inactive", "gone"],
)
def test_an_employee_who_leaves_during_the_run_is_refused(
    office: Office, connection: Connection, change: str, reason: str
) -> None:
    """An employee who leaves after the run has read the list is refused."""
    _, second, _ = hire_many(connection, 3)
    office.at_announcement = lambda employee_id: connection.execute(f"{change} where employee_id = 2".encode())
    done = office.run()
    assert (done.refused, done.created) == ({second: reason}, 2)


def test_an_employee_who_gets_a_login_during_the_run_is_not_refused(office: Office, connection: Connection) -> None:
    """An employee who gets a login after the run has read the list does not count as refused."""
    _, second, _ = hire_many(connection, 3)
    user = uuid4()
    link = "update employees set auth_user_id = %s where employee_id = 2"
    office.at_announcement = lambda employee_id: connection.execute(link, [user])
    done = office.run()
    assert (done.has_login, done.created, done.refused) == (1, 2, {})
    assert employee(connection, second)["auth_user_id"] == user


def test_each_login_takes_a_shared_token(office: Office, connection: Connection) -> None:
    """Each login takes a token from the bucket that the relays share. If the bucket is empty, the run waits."""
    hire_many(connection, 3)
    left: list[int] = []

    def empty(employee_id: int) -> None:
        connection.execute("update auth_sync_rate set tokens = -1e6")
        left.append(office.server.count("POST", USERS))

    def refill(seconds: float) -> None:
        connection.execute("update auth_sync_rate set tokens = 1")

    office.at_announcement, office.at_wait = empty, refill
    assert office.run().created == 3
    assert [round(seconds) for seconds in office.waits] == [1000, 1000]
    assert left == [0, 1, 2]


def test_a_key_that_is_revoked_ends_the_run(office: Office, connection: Connection) -> None:
    """If the API key is revoked during the run, the run ends and returns the counts so far."""
    hire_many(connection, 3)

    def revoke(call: Call) -> None:
        if call.method == "POST":
            office.server.key = "another"

    office.server.after = revoke
    done = office.run()
    assert done.ended_by is not None
    assert (done.ended_by.reason, done.created, done.refused) == ("auth_key_refused", 1, {})


def test_a_refused_key_ends_the_run(office: Office, connection: Connection) -> None:
    """If Auth refuses the API key, the run ends before it begins a login."""
    hire_many(connection, 2)
    admin = SupabaseAuthAdmin(office.server.url, "sb_secret_wrong")
    done = office.run(admin=admin)
    admin.close()
    assert done.ended_by is not None
    assert (done.ended_by.reason, done.seen, intents(connection)) == ("auth_key_refused", 0, [])
