"""A mass deactivation is held for an admin, and single deactivations pass."""

from uuid import UUID, uuid4

import pytest

from tests.employees import Connection, hire
from tests.integration.captured import nothing_linked
from webhook_service.ledger.reconcile import reconcile
from webhook_service.outbound import held
from webhook_service.policy import Policy
from webhook_service.ports import Database


def company(connection: Connection, count: int) -> list[UUID]:
    """Employees with logins, as many as `count`."""
    with nothing_linked(connection):
        users = [uuid4() for _ in range(count)]
        for number, user in enumerate(users):
            hire(connection, f"e{number}@example.com", first_name="Eva", last_name=f"No{number}", auth_user_id=user)
    return users


def entered(connection: Connection) -> int:
    """How many bans are in the ledger."""
    query = "select from integration_sync_log where operation = 'disable_auth_user'"
    return len(connection.execute(query).fetchall())


def waiting(connection: Connection) -> int:
    """How many bans are held."""
    return len(connection.execute("select from auth_sync_held_actions").fetchall())


def limit(connection: Connection, setting: str) -> None:
    connection.execute("select auth_sync_limit_deactivations_v1(%s)", [setting])


@pytest.mark.parametrize(
    ("employees", "deactivated", "setting", "is_held"),
    [
        (21, 20, "10%", False),
        (21, 21, "10%", True),
        (300, 30, "10%", False),
        (300, 31, "10%", True),
        (300, 300, "off", False),
        (300, 31, "100%", False),
        (30, 5, "5", False),
        (30, 6, "5", True),
        (30, 1, "0", True),
    ],
)
def test_a_statement_beyond_the_limit_is_held_as_a_whole(
    connection: Connection, employees: int, deactivated: int, setting: str, *, is_held: bool
) -> None:
    """The bans of a statement are all held, or none."""
    limit(connection, setting)
    company(connection, employees)
    connection.execute("update employees set is_active = false where employee_id <= %s", [deactivated])
    assert (entered(connection), waiting(connection)) == ((0, deactivated) if is_held else (deactivated, 0))


def test_a_mass_deletion_is_held(connection: Connection) -> None:
    """Employees that are deleted together are held like those that are deactivated, also the whole company."""
    company(connection, 30)
    connection.execute("delete from employees where employee_id <= 20")
    assert (entered(connection), waiting(connection)) == (20, 0)
    connection.execute("delete from employees")
    assert (entered(connection), waiting(connection)) == (20, 10)


def test_a_transaction_that_writes_row_by_row_is_held_as_a_whole(connection: Connection) -> None:
    """A feed that deactivates row by row in one transaction is held, with the bans that came before the limit."""
    company(connection, 30)
    with connection.transaction():
        for number in range(1, 26):
            connection.execute("update employees set is_active = false where employee_id = %s", [number])
    assert (entered(connection), waiting(connection)) == (0, 25)


def test_a_feed_that_commits_each_row_is_stopped_at_the_limit(connection: Connection) -> None:
    """A feed that commits each row is held from the limit of an hour on."""
    company(connection, 30)
    for number in range(1, 26):
        connection.execute("update employees set is_active = false where employee_id = %s", [number])
    assert (entered(connection), waiting(connection)) == (20, 5)


def test_a_single_dismissal_passes_beside_held_ones(connection: Connection) -> None:
    """While a mass deactivation is held, a single dismissal is requested at once."""
    company(connection, 30)
    connection.execute("update employees set is_active = false where employee_id <= 25")
    connection.execute("update employees set is_active = false where employee_id = 30")
    assert (entered(connection), waiting(connection)) == (1, 25)


def test_an_admin_is_not_held(connection: Connection, database: Database) -> None:
    """An admin's decision about one employee passes, also about one whose ban is held and after the hour's limit."""
    company(connection, 30)
    connection.execute("update employees set is_active = false where employee_id <= 25")
    limit(connection, "0")
    for employee in (1, 30):
        database.call("auth_sync_set_active_v1", p_employee_id=employee, p_is_active=False, p_via="admin")
    assert (entered(connection), waiting(connection)) == (2, 24)


def test_reactivated_employees_are_dropped(connection: Connection) -> None:
    """The held ban of an employee who is active again is dropped."""
    company(connection, 30)
    connection.execute("update employees set is_active = false")
    connection.execute("update employees set is_active = true where employee_id > 1")
    assert (entered(connection), waiting(connection)) == (0, 1)


def test_other_actions_of_a_held_statement_pass(connection: Connection) -> None:
    """A statement whose bans are held still enters its other actions."""
    company(connection, 30)
    connection.execute("update employees set is_active = false where employee_id <= 2")
    connection.execute("update employees set is_active = not is_active")
    operations = connection.execute("select operation from integration_sync_log where operation like 'enable%'")
    assert (len(operations.fetchall()), waiting(connection)) == (2, 28)


def test_held_bans_are_released(connection: Connection, database: Database) -> None:
    """An admin's release enters the bans and is audited. A second one finds nothing."""
    users = company(connection, 30)
    connection.execute("update employees set is_active = false")
    found = held.held(database, 2)
    assert (found["count"], [person["name"] for person in found["people"]]) == (30, ["Eva No0", "Eva No1"])
    assert (held.release(database, "ann"), held.release(database, "ann")) == (30, 0)
    rows = connection.execute(
        "select auth_user_id, via, priority, next_attempt_at <= now() as due from"
        " integration_sync_log where operation = 'disable_auth_user'"
    ).fetchall()
    assert {row["auth_user_id"] for row in rows} == set(users)
    assert {(row["via"], row["priority"], row["due"]) for row in rows} == {("admin", 1, True)}
    audit = connection.execute("select who, action, details from auth_sync_audit").fetchall()
    assert audit == [{"who": "ann", "action": "released held bans", "details": {"count": 30}}]
    assert waiting(connection) == 0


def test_held_bans_are_discarded(connection: Connection, database: Database) -> None:
    """An admin's discard enters no ban and is audited."""
    company(connection, 30)
    connection.execute("update employees set is_active = false")
    assert (held.discard(database, "ann"), held.discard(database, "ann")) == (30, 0)
    assert (entered(connection), waiting(connection)) == (0, 0)
    audit = connection.execute("select who, action from auth_sync_audit").fetchall()
    assert audit == [{"who": "ann", "action": "discarded held bans"}]


def test_released_bans_do_not_count_for_the_next_hour(connection: Connection, database: Database) -> None:
    """After a release, a single dismissal passes."""
    company(connection, 60)
    connection.execute("update employees set is_active = false where employee_id <= 30")
    held.release(database, "ann")
    connection.execute("update employees set is_active = false where employee_id = 60")
    assert (entered(connection), waiting(connection)) == (31, 0)


def test_reconcile_and_events_do_not_pass_by_the_brake(connection: Connection, database: Database) -> None:
    """A held ban is not a difference, and an event of its user does not enter it."""
    company(connection, 30)
    connection.execute("insert into auth.users (id, email) select auth_user_id, email from employees")
    reconcile(database, Policy(), requested_by="test", dry_run=False)
    connection.execute("update employees set is_active = false")
    assert waiting(connection) == 30
    done = reconcile(database, Policy(), requested_by="test", dry_run=False)
    user = connection.execute("select auth_user_id from auth_sync_held_actions limit 1").fetchone()
    assert user is not None
    connection.execute("select auth_sync_request_actions_v1(%s, '[\"email\"]', 'relay')", [user["auth_user_id"]])
    assert (done.differences, entered(connection), waiting(connection)) == ({}, 0, 30)


def test_held_bans_are_a_condition_for_notices(connection: Connection, database: Database) -> None:
    """Held bans are reported, and are not a backlog."""
    company(connection, 30)
    connection.execute("update employees set is_active = false")
    seen = database.call("auth_sync_conditions_v1", p_backlog_seconds=0, p_silence_seconds=None, p_with_actions=True)[
        "conditions"
    ]
    assert (seen["held_actions"]["count"], seen["backlog"]) == (30, None)
    held.discard(database, "ann")
