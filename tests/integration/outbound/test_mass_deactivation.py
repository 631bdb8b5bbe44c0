"""A mass deactivation is held for an admin, and single deactivations pass."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from tests.employees import Connection, hire
from tests.integration.captured import nothing_linked
from webhook_service.ledger.reconcile import reconcile
from webhook_service.ledger.retention import prune
from webhook_service.outbound import held
from webhook_service.outbound.employee_changes import set_active
from webhook_service.policy import Policy
from webhook_service.ports import Database

MASS = held.Reason.MASS_DEACTIVATION


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


def release(database: Database) -> int:
    """Release all bans of mass deactivations that are held now."""
    return held.release(database, "ann", held.held(database, 0)["newest_id"], MASS)


def discard(database: Database) -> int:
    """Discard all bans of mass deactivations that are held now."""
    return held.discard(database, "ann", held.held(database, 0)["newest_id"], MASS)


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
    assert (release(database), release(database)) == (30, 0)
    rows = connection.execute(
        "select auth_user_id, via, priority, next_attempt_at <= now() as due from"
        " integration_sync_log where operation = 'disable_auth_user'"
    ).fetchall()
    assert {row["auth_user_id"] for row in rows} == set(users)
    assert {(row["via"], row["priority"], row["due"]) for row in rows} == {("admin", 1, True)}
    audit = connection.execute("select who, action, details from auth_sync_audit").fetchall()
    assert audit == [
        {"who": "ann", "action": "released held bans", "details": {"count": 30, "reason": "mass_deactivation"}}
    ]
    assert waiting(connection) == 0


def test_held_bans_are_discarded(connection: Connection, database: Database) -> None:
    """An admin's discard enters no ban and is audited."""
    company(connection, 30)
    connection.execute("update employees set is_active = false")
    assert (discard(database), discard(database)) == (30, 0)
    assert (entered(connection), waiting(connection)) == (0, 0)
    audit = connection.execute("select who, action from auth_sync_audit").fetchall()
    assert audit == [{"who": "ann", "action": "discarded held bans"}]


def test_released_bans_do_not_count_for_the_next_hour(connection: Connection, database: Database) -> None:
    """After a release, a single dismissal passes."""
    company(connection, 60)
    connection.execute("update employees set is_active = false where employee_id <= 30")
    release(database)
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
    discard(database)


@pytest.mark.parametrize("decide", [held.release, held.discard])
def test_a_decision_is_about_the_bans_that_the_admin_has_seen(
    connection: Connection, database: Database, decide: Callable[[Database, str, int | None, held.Reason], int]
) -> None:
    """Bans that are held after the admin has read the list wait for another decision."""
    company(connection, 60)
    connection.execute("update employees set is_active = false where employee_id <= 25")
    seen = held.held(database, 0)["newest_id"]
    connection.execute("update employees set is_active = false where employee_id > 30")
    assert decide(database, "ann", seen, MASS) == 25
    assert waiting(connection) == held.held(database, 0)["count"] == 30


def test_a_release_that_is_killed_can_be_repeated(connection: Connection, database: Database) -> None:
    """A release commits slices, and each ban is held or in the ledger, never both and never neither."""
    company(connection, 30)
    connection.execute("update employees set is_active = false")
    newest = held.held(database, 0)["newest_id"]
    database.call("auth_sync_release_held_v1", p_requested_by="ann", p_newest_id=newest, p_reason=MASS, p_limit=10)
    assert (entered(connection), waiting(connection)) == (10, 20)
    assert release(database) == 20
    assert (entered(connection), waiting(connection)) == (30, 0)


@pytest.mark.parametrize("restored", ["rows", "without triggers", "deleted users", "banned users"])
def test_bans_that_are_no_longer_needed_are_not_shown_and_not_released(
    connection: Connection, database: Database, restored: str
) -> None:
    """Held bans of employees who are active again, or of users who were deleted or banned, need no decision."""
    company(connection, 30)
    connection.execute("create temp table before as select * from employees")
    if restored == "rows":
        connection.execute("delete from employees")
        connection.execute("insert into employees overriding system value select * from before")
    else:
        connection.execute("update employees set is_active = false")
    if restored == "without triggers":
        with nothing_linked(connection):
            connection.execute("update employees set is_active = true")
    elif restored != "rows":
        connection.execute(
            "insert into auth_user_state (auth_user_id, version, deleted_at, banned_until)"
            " select auth_user_id, 1, case when %(is_deleted)s then now() end,"
            " case when not %(is_deleted)s then now() + interval '100 years' end from employees",
            {"is_deleted": restored == "deleted users"},
        )
    assert held.held(database, 5)["count"] == 0
    assert (release(database), entered(connection)) == (0, 0)


def test_a_program_is_held_beyond_the_limit(connection: Connection, database: Database) -> None:
    """Deactivations through the API one by one are held from the limit on, and the caller is informed."""
    company(connection, 30)
    logins_after = [set_active(database, None, number, False, via="employees").login for number in range(1, 26)]
    assert logins_after == ["queued"] * 20 + ["held"] * 5
    assert (entered(connection), waiting(connection)) == (20, 5)
    assert set_active(database, None, 25, False, via="admin").login == "queued"
    assert (entered(connection), waiting(connection)) == (21, 4)


def test_an_unlinked_login_is_not_a_way_round(connection: Connection) -> None:
    """A feed that removes the links while it deactivates or deletes is held too."""
    company(connection, 60)
    connection.execute("update employees set auth_user_id = null, is_active = false where employee_id <= 25")
    connection.execute("update employees set auth_user_id = null where employee_id > 30")
    assert (entered(connection), waiting(connection)) == (0, 25)


def test_a_retried_ban_of_an_admin_is_not_held(connection: Connection, database: Database) -> None:
    """A ban that an admin has released and that is requested again, after a lost lease, passes."""
    [user, *_] = company(connection, 30)
    limit(connection, "0")
    actions = Jsonb([{"operation": "disable_auth_user", "auth_user_id": str(user), "employee_id": 1}])
    connection.execute("select auth_sync_enter_actions_v1(%s, 'admin')", [actions])
    assert (entered(connection), waiting(connection)) == (1, 0)


def test_held_bans_are_kept(connection: Connection, database: Database) -> None:
    """A held ban waits without an end: pruning does not remove it."""
    company(connection, 30)
    connection.execute("update employees set is_active = false")
    connection.execute("update auth_sync_held_actions set held_at = now() - interval '3 years'")
    prune(database, datetime.now(UTC))
    assert held.held(database, 0)["count"] == 30
