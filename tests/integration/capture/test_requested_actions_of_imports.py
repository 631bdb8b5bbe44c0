"""One insert enters all actions that a statement requests, whatever the form of the import."""

from uuid import UUID

import psycopg
import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, hire
from tests.integration.captured import relay_all
from tests.integration.requested_actions import (
    DISABLE,
    EMAIL,
    ENABLE,
    accounts_of,
    actions,
    banned,
    dismiss,
    link_many,
    outcomes,
    requested_operations,
    run_until_idle,
)
from webhook_service.ports import Database

MANY = 5000
COUNTING = """
create table inserts (rows bigint);
create function note() returns trigger language plpgsql as
  $$ begin insert into public.inserts select count(*) from after_rows; return null; end $$;
create trigger note after insert on integration_sync_log referencing new table as after_rows
  for each statement execute function note();
"""
UPSERT = """
insert into employees (employee_id, email, is_active)
values (1, 'user1@example.com', false), (2, 'second@example.com', true), (3, 'user3@example.com', true),
       (11, 'user11@example.com', false)
    on conflict (employee_id) do update set email = excluded.email, is_active = excluded.is_active
"""
MERGE = """
merge into employees e using (
  values (1, 'user1@example.com', false), (2, 'second@example.com', true), (3, null, null),
         (11, 'user11@example.com', false)
) as hr (employee_id, email, is_active)
   on e.employee_id = hr.employee_id
 when matched and hr.email is null then delete
 when matched then update set email = hr.email, is_active = hr.is_active
 when not matched then insert (employee_id, email, is_active) values (hr.employee_id, hr.email, hr.is_active)
"""


@pytest.fixture
def ten(connection: Connection, database: Database, auth: Auth) -> dict[int, UUID]:
    """Return the auth users of employees 1 to 10."""
    for number in range(1, 11):
        hire(connection, f"user{number}@example.com", employee_id=number)
    users = {number: auth.admin_create(f"user{number}@example.com") for number in range(1, 11)}
    assert relay_all(database) == {"linked": 10}
    return users


def requested(connection: Connection) -> set[tuple[str, int]]:
    return {(action["operation"], action["employee_id"]) for action in actions(connection)}


def inserts(connection: Connection) -> list[int]:
    return [row["rows"] for row in connection.execute("select rows from inserts where rows > 0")]


def test_many_dismissals_make_one_insert(connection: Connection) -> None:
    """A statement that dismisses five thousand employees inserts all actions at once, each with its own id."""
    link_many(connection, MANY)
    connection.execute(COUNTING)
    connection.execute("update employees set is_active = false")
    assert inserts(connection) == [MANY]
    assert {action["operation"] for action in actions(connection)} == {DISABLE}
    assert {action["auth_user_id"] for action in actions(connection)} == {
        row["auth_user_id"] for row in connection.execute("select auth_user_id from employees")
    }


@pytest.mark.parametrize(
    ("statement", "kinds"),
    [
        ("update employees set is_active = false, email = 'x' || email", {DISABLE, EMAIL}),
        ("update employees set email = 'x' || email", {EMAIL}),
        ("delete from employees", {DISABLE}),
    ],
    ids=["two kinds", "e-mails", "deleted"],
)
def test_all_actions_of_a_statement_make_one_insert(connection: Connection, statement: str, kinds: set[str]) -> None:
    """One insert holds all actions of a statement, even of several kinds."""
    link_many(connection, 500)
    connection.execute(COUNTING)
    connection.execute(statement.encode())
    assert inserts(connection) == [500 * len(kinds)]
    assert {action["operation"] for action in actions(connection)} == kinds


def test_a_statement_that_changes_nothing_inserts_nothing(connection: Connection) -> None:
    """A nightly import of an unchanged file inserts no action."""
    link_many(connection, 100)
    connection.execute(COUNTING)
    connection.execute("update employees set is_active = is_active, email = email, first_name = 'Jane'")
    assert inserts(connection) == []


def test_an_upsert_enters_actions_for_its_changes(connection: Connection, ten: dict[int, UUID]) -> None:
    """An upsert enters actions for a leaver and a new e-mail, but not for an unchanged or a new employee."""
    connection.execute(UPSERT)
    assert requested(connection) == {(DISABLE, 1), (EMAIL, 2)}


def test_a_merge_enters_actions_for_its_changes(connection: Connection, ten: dict[int, UUID]) -> None:
    """MERGE enters actions for a leaver, a new e-mail and a deletion, but not for a new employee without a login."""
    connection.execute(MERGE)
    assert requested(connection) == {(DISABLE, 1), (EMAIL, 2), (DISABLE, 3)}


def test_a_copy_enters_actions_for_its_rows(connection: Connection, database: Database, auth: Auth) -> None:
    """If COPY inserts employees whose auth users exist, actions are entered for the inactive employees."""
    users = {number: auth.admin_create(f"user{number}@example.com") for number in (1, 2)}
    relay_all(database)
    with connection.cursor().copy("copy employees (employee_id, email, is_active) from stdin") as copy:
        copy.write_row([1, "user1@example.com", True])
        copy.write_row([2, "user2@example.com", False])
        copy.write_row([3, "user3@example.com", False])
    assert [(action["operation"], action["auth_user_id"]) for action in actions(connection)] == [(DISABLE, users[2])]


REPLACE = {
    "with their links": (
        "create temporary table file as select * from employees; delete from employees;"
        "insert into employees overriding system value select * from file"
    ),
    "without links": (
        "create temporary table file as select employee_id, email from employees; delete from employees;"
        "insert into employees (employee_id, email) select employee_id, email from file"
    ),
    "as new rows": (
        "create temporary table file as select email from employees; delete from employees;"
        "insert into employees (email) select email from file"
    ),
    "after a truncate": (
        "create temporary table file as select employee_id, email from employees; truncate employees;"
        "insert into employees (employee_id, email) select employee_id, email from file"
    ),
}


@pytest.mark.parametrize("way", REPLACE)
def test_an_import_that_replaces_all_employees_bans_no_login(
    database_url: str, connection: Connection, database: Database, ten: dict[int, UUID], way: str
) -> None:
    """If one transaction replaces all employees, their state at the time of the call decides. No login is banned."""
    with connection.transaction():
        connection.execute(REPLACE[way].encode())
    done = run_until_idle(accounts_of(database_url, database), database)
    assert set(done) <= {"stale", "unchanged"}
    assert banned(connection) == set()
    again = connection.execute("select auth_user_id from employees").fetchall()
    assert {row["auth_user_id"] for row in again} == set(ten.values())


def test_an_employee_left_out_by_an_import_is_banned(
    database_url: str, connection: Connection, database: Database, ten: dict[int, UUID]
) -> None:
    """If an import leaves out an employee, or inserts the employee as inactive, the login is banned."""
    with connection.transaction():
        connection.execute(
            "create temporary table file as select * from employees where employee_id > 1; delete from employees;"
            "update file set is_active = false where employee_id = 2;"
            "insert into employees overriding system value select * from file"
        )
    run_until_idle(accounts_of(database_url, database), database)
    assert banned(connection) == {ten[1], ten[2]}


def test_an_edit_during_an_import_is_captured(
    database_url: str, connection: Connection, database: Database, ten: dict[int, UUID]
) -> None:
    """A dismissal does not wait for an uncommitted import of other employees, and both changes are captured."""
    accounts = accounts_of(database_url, database)
    with psycopg.connect(database_url) as importing:
        importing.execute("update employees set is_active = false where employee_id <= 5")
        connection.execute("set lock_timeout = '1ms'")  # a dismissal that had to wait would fail
        dismiss(connection, 7)
        assert run_until_idle(accounts, database) == {"disabled": 1}
        assert banned(connection) == {ten[7]}
        importing.commit()
    run_until_idle(accounts, database)
    assert banned(connection) == {ten[number] for number in (1, 2, 3, 4, 5, 7)}


def test_an_edit_after_an_import_wins(
    database_url: str, connection: Connection, database: Database, ten: dict[int, UUID]
) -> None:
    """An employee that an import deactivated and an admin then activated is active."""
    connection.execute("update employees set is_active = false")
    connection.execute("update employees set is_active = true where employee_id = 3")
    assert requested_operations(connection, ten[3]) == [DISABLE, ENABLE]
    run_until_idle(accounts_of(database_url, database), database)
    assert banned(connection) == set(ten.values()) - {ten[3]}
    assert outcomes(connection, ten[3]) == [(DISABLE, "SUCCESS", "stale"), (ENABLE, "SUCCESS", "unchanged")]


@pytest.mark.parametrize(
    ("statements", "priorities"),
    [([20], {0: 20}), ([21], {1: 21}), ([15, 6], {0: 15, 1: 6}), ([1] * 25, {0: 20, 1: 5})],
    ids=["twenty", "one more", "in two statements", "one by one"],
)
def test_bulk_actions_of_a_transaction_have_a_lower_priority(
    connection: Connection, statements: list[int], priorities: dict[int, int]
) -> None:
    """The actions of a statement are bulk if its transaction has then entered more than twenty actions."""
    link_many(connection, 30)
    first = 1
    with connection.transaction():
        for count in statements:
            dismiss(connection, *range(first, first + count))
            first += count
    found = connection.execute(
        "select priority, count(*) as number from integration_sync_log where direction = 'outbound' group by 1"
    ).fetchall()
    assert {row["priority"]: row["number"] for row in found} == priorities


def test_an_earlier_bulk_does_not_change_a_single_dismissal(connection: Connection) -> None:
    """A single dismissal is not bulk, even if an earlier transaction of the session has dismissed many employees."""
    link_many(connection, 30)
    dismiss(connection, *range(1, 26))
    dismiss(connection, 30)
    assert actions(connection)[-1]["priority"] == 0
