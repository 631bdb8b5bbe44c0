"""Logins for employees without one: for whom, in which order, and what is told of those who get none."""

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


@pytest.fixture
def office(database_url: str, database: Database, connection: Connection) -> Iterator[Office]:
    with open_office(database_url, database, connection) as office:
        yield office


def orphan(connection: Connection) -> int:
    """Whose login was deleted."""
    return hire(connection, "orphan@example.com", orphaned_at="2026-11-22", orphaned_auth_user_id=uuid4())


# For whom


def test_all_who_have_none_get_one(office: Office, connection: Connection) -> None:
    """In the order of employee_id, with the password that was announced; the ledger says who asked, and how."""
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


def test_some_get_none(office: Office, connection: Connection) -> None:
    """Not the inactive, those who have a login, those whose login was deleted, and those without an e-mail."""
    hire(connection, "left@example.com", is_active=False)
    hire(connection, "linked@example.com", auth_user_id=uuid4())
    orphan(connection)
    hire(connection, None)
    hire(connection, "no e-mail")
    assert office.run().seen == 0
    assert (office.announced, office.server.count("POST")) == ([], 0)


def test_orphans_where_asked_for(office: Office, connection: Connection) -> None:
    """Then they are orphans no more."""
    orphaned = orphan(connection)
    assert office.run(orphans=True).created == 1
    assert logins(connection) == [(orphaned, "orphan@example.com")]
    assert employee(connection, orphaned)["orphaned_at"] is None


def test_a_password_is_announced_before_auth_knows_it(office: Office, connection: Connection) -> None:
    """So whoever is told can keep it before there is a login that needs it."""
    hire_many(connection, 3)
    calls: list[int] = []
    office.at_announcement = lambda employee_id: calls.append(office.server.count("POST"))
    office.run()
    assert calls == [0, 1, 2]


def test_a_run_again_does_nothing(office: Office, connection: Connection) -> None:
    hire_many(connection, 3)
    office.run()
    before = logins(connection)
    assert office.run().seen == 0
    assert (logins(connection), len(office.announced)) == (before, 3)


def test_a_limit(office: Office, connection: Connection) -> None:
    """So many logins, and those who are refused do not count: else the next run would get no further."""
    first, *others = hire_many(connection, 4)
    connection.execute("update employees set email = 'no e-mail@example.com' where employee_id = %s", [first])
    done = office.run(limit=2)
    assert (done.created, list(done.refused)) == (2, [first])
    assert [employee_id for employee_id, _ in logins(connection)] == others[:2]


def test_invitations(office: Office, connection: Connection) -> None:
    """There is no password; the invitation goes out, and the employee has the login at once."""
    people = hire_many(connection, 2)
    assert office.run(invite=True).created == 2
    assert office.passwords() == {"user1@example.com": None, "user2@example.com": None}
    assert (reported(office.server), office.server.count("POST", "/invite")) == ({}, 2)
    assert [number for number, _ in logins(connection)] == people


def test_as_it_is_when_the_turn_comes(office: Office, connection: Connection) -> None:
    """Whoever got another e-mail while the run waited gets a login for that one."""
    hire_many(connection, 2)
    office.server.fail_next(throttled("1"), method="POST")
    change = "update employees set email = 'new' || employee_id || '@example.com'"
    office.at_wait = lambda seconds: connection.execute(change)
    assert office.run().created == 2
    assert auth_users(connection) == ["new1@example.com", "new2@example.com"]


# Those who get none do not keep the others from it


def test_an_email_that_auth_refuses(office: Office, connection: Connection) -> None:
    person, _ = hire(connection, "no e-mail@example.com"), hire_many(connection, 1)
    done = office.run()
    assert (done.refused, done.created) == ({person: "auth_refused (validation_failed)"}, 1)
    assert intents(connection)[0] == (person, "SUCCESS", "undone")


def test_an_employee_whose_rules_refuse_it(office: Office, connection: Connection) -> None:
    """The login is taken back, and the rule is told, without what it is about."""
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
def test_whoever_leaves_meanwhile(office: Office, connection: Connection, change: str, reason: str) -> None:
    """Between the reading of the list and their turn."""
    _, second, _ = hire_many(connection, 3)
    office.at_announcement = lambda employee_id: connection.execute(f"{change} where employee_id = 2".encode())
    done = office.run()
    assert (done.refused, done.created) == ({second: reason}, 2)


def test_whoever_gets_one_meanwhile(office: Office, connection: Connection) -> None:
    """That is no refusal."""
    _, second, _ = hire_many(connection, 3)
    user = uuid4()
    link = "update employees set auth_user_id = %s where employee_id = 2"
    office.at_announcement = lambda employee_id: connection.execute(link, [user])
    done = office.run()
    assert (done.has_login, done.created, done.refused) == (1, 2, {})
    assert employee(connection, second)["auth_user_id"] == user


def test_the_shared_rate(office: Office, connection: Connection) -> None:
    """Each takes a token of the bucket that the relays have too, and waits where there is none."""
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


def test_a_key_that_is_refused_from_now_on(office: Office, connection: Connection) -> None:
    """It is nobody's fault among the employees: the run ends, and what is done is told."""
    hire_many(connection, 3)

    def revoke(call: Call) -> None:
        if call.method == "POST":
            office.server.key = "another"

    office.server.after = revoke
    done = office.run()
    assert done.ended_by is not None
    assert (done.ended_by.reason, done.created, done.refused) == ("auth_key_refused", 1, {})


def test_a_refused_key(office: Office, connection: Connection) -> None:
    """Nobody would get a login: that is found out before anybody is begun."""
    hire_many(connection, 2)
    admin = SupabaseAuthAdmin(office.server.url, "sb_secret_wrong")
    done = office.run(admin=admin)
    admin.close()
    assert done.ended_by is not None
    assert (done.ended_by.reason, done.seen, intents(connection)) == ("auth_key_refused", 0, [])
