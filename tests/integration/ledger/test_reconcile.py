"""Reconciliation finds, shows and corrects each difference between auth.users, the last known state and employees."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.employees import Connection, employee, entry, hire
from tests.integration.captured import (
    auth_of,
    everything,
    inbound,
    make_due,
    newest,
    nothing_captured,
    nothing_linked,
    relay_all,
)
from tests.integration.differences import DIFFERENCES, MAIL, World, lost_sign_up, stale_email
from webhook_service.db import migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.errors import NotPossible
from webhook_service.ledger.reconcile import Reconciled, reconcile
from webhook_service.policy import EmailOwner, Policy
from webhook_service.ports import Database

pytestmark = pytest.mark.every_employees_table


def run(database: Database, policy: Policy | None = None, *, dry_run: bool = False) -> Reconciled:
    return reconcile(database, policy or Policy(), requested_by="test", dry_run=dry_run)


@pytest.fixture
def world(database_url: str, connection: Connection, database: Database) -> Iterator[World]:
    with auth_of(database_url) as auth:
        yield World(connection, database, auth, hire(connection, MAIL))


@pytest.mark.parametrize(("arrange", "kind", "end"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_a_difference_is_shown_and_then_corrected(
    world: World, arrange: Callable[[World], UUID], kind: str, end: dict[str, Any]
) -> None:
    """A dry run shows a difference and writes nothing. The real run corrects it and leaves no difference."""
    user = arrange(world)
    before = everything(world.connection)
    shown = run(world.database, dry_run=True)
    assert (shown.differences, shown.outcomes) == ({kind: 1}, {})
    assert [(found["auth_user_id"], found["kind"]) for found in shown.shown] == [(str(user), kind)]
    assert everything(world.connection) == before

    assert run(world.database).differences == {kind: 1}
    state = world.connection.execute("select banned_until from auth_user_state where auth_user_id = %s", [user])
    jane = employee(world.connection, world.jane) | (state.fetchone() or {})
    is_now = jane | {"linked": jane["auth_user_id"] == user, "orphaned": jane["orphaned_auth_user_id"] == user}
    assert {column: is_now[column] for column in end} == end
    assert run(world.database, dry_run=True).differences == {}


@pytest.mark.parametrize(("arrange", "kind", "end"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_a_second_run_writes_only_its_ledger_row(
    world: World, arrange: Callable[[World], UUID], kind: str, end: dict[str, Any]
) -> None:
    """A second run writes only its ledger row, and leaves all other rows of the service unchanged."""
    arrange(world)
    run(world.database)
    before = everything(world.connection)
    assert run(world.database).differences == {}
    after = everything(world.connection)
    [added] = [row for row in after["integration_sync_log"] if row not in before["integration_sync_log"]]
    assert (added["direction"], added["operation"], added["status"]) == ("maintenance", "reconcile", "SUCCESS")
    after["integration_sync_log"].remove(added)
    assert after == before


def test_a_first_install_is_a_reconcile(empty_database_url: str) -> None:
    """In a project with existing users and employees, `migrate` and one run link them."""
    with auth_of(empty_database_url) as auth:
        users = [auth.admin_create(f"user{number}@example.com") for number in range(5)]
        auth.sign_up("unconfirmed@example.com")
        auth.anonymous()
        auth.soft_delete(auth.admin_create("gone@example.com"))
    migrate.migrate(empty_database_url)
    database = DirectDatabase(empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True, row_factory=dict_row) as connection:
        with nothing_linked(connection):
            employees = [hire(connection, f"user{number}@example.com") for number in range(5)]
        assert run(database).outcomes == {"linked": 5, "unconfirmed": 1, "ignored": 1, "unmatched": 1}
        assert [employee(connection, one)["auth_user_id"] for one in employees] == users
    assert run(database).differences == {}
    database.close()


def test_an_e_mail_that_employees_own_is_left_alone(world: World) -> None:
    """With EMAIL_OWNER=employees, a different e-mail in Auth is not a difference, even if Auth owned e-mails before."""
    stale_email(world)
    policy = Policy(email_owner=EmailOwner.EMPLOYEES)
    run(world.database, policy)
    assert employee(world.connection, world.jane)["email"] == "hand@example.com"
    assert run(world.database, policy).differences == {}


def test_a_lost_e_mail_change_leaves_an_e_mail_that_employees_own(world: World) -> None:
    """With EMAIL_OWNER=employees, a lost e-mail change is recorded as known, and the employee's e-mail stays."""
    user = world.known()
    with nothing_captured(world.connection):
        world.auth.change_email(user, "new@example.com")
    policy = Policy(email_owner=EmailOwner.EMPLOYEES)
    assert run(world.database, policy).differences == {"email": 1}
    assert employee(world.connection, world.jane)["email"] == MAIL
    assert run(world.database, policy).differences == {}


def test_a_pending_event_is_left_to_the_relay(world: World) -> None:
    """A pending event is not a difference, and is not entered again."""
    user = world.auth.admin_create(MAIL)
    assert run(world.database).differences == {}
    assert [event["status"] for event in inbound(world.connection, user)] == ["PENDING"]


def test_a_failed_event_is_not_entered_again(world: World) -> None:
    """An event that failed before is not entered again, because an admin has to resolve it."""
    hire(world.connection, MAIL)
    user = world.known()
    assert newest(world.connection, user)["outcome"] == "ambiguous"
    before = inbound(world.connection)
    assert run(world.database).differences == {}
    assert inbound(world.connection) == before


def test_an_event_that_fails_in_a_run_is_not_entered_again(world: World) -> None:
    """An event that fails in a run is retried like any other failure, and the next run does not enter it again."""
    hire(world.connection, MAIL)
    lost_sign_up(world)
    assert run(world.database).outcomes == {"ambiguous": 1}
    assert run(world.database).differences == {}
    make_due(world.connection)
    assert relay_all(world.database) == {"ambiguous": 1}


def test_an_event_that_the_database_refused_is_not_entered_again(world: World) -> None:
    """An event that the database refused is not entered again, although the state of the user could not be stored."""
    world.connection.execute("alter table auth_user_state add constraint refused check (email <> 'jane@example.com')")
    lost_sign_up(world)
    assert run(world.database).outcomes == {"not_applied": 1}
    assert run(world.database).differences == {}


def test_the_run_is_in_the_ledger(world: World) -> None:
    """The ledger row of a run has the requester, the differences, the first of them, and the outcomes."""
    lost_sign_up(world)
    run(world.database)
    found = world.connection.execute(
        "select event_id from integration_sync_log where direction = 'maintenance'"
    ).fetchall()
    [kept] = [entry(world.connection, row["event_id"]) for row in found]
    assert (kept["status"], kept["outcome"], kept["request_data"]) == (
        *("SUCCESS", "reconciled"),
        {"requested_by": "test"},
    )
    did = {"users": 1, "passes": 2, "differences": {"unknown": 1}, "outcomes": {"linked": 1}, "left": 0}
    [shown] = kept["changes"].pop("shown")
    assert (shown["kind"], kept["changes"]) == ("unknown", did)


def test_a_database_without_auth_users_is_reported(world: World) -> None:
    """A run on a database without auth.users, such as a separate database for employees, fails with one clear error."""
    world.connection.execute("drop table auth.users cascade")
    with pytest.raises(NotPossible, match="no_auth_users"):
        run(world.database)
    with pytest.raises(NotPossible, match="no_auth_users"):
        run(world.database, dry_run=True)
