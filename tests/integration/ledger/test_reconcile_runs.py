"""Reconciliation runs that are interrupted, run concurrently, or race with changes."""

from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.in_loop import CalledSoon
from tests.integration.captured import (
    make_due,
    nothing_captured,
    relay_all,
)
from webhook_service.errors import NotPossible
from webhook_service.events import Json
from webhook_service.ledger.reconcile import Reconciled, reconcile
from webhook_service.policy import Policy
from webhook_service.ports import Database

MAIL = "jane@example.com"


def run(
    database: Database, *, dry_run: bool = False, progress: Callable[[Reconciled], None] = lambda so_far: None
) -> Reconciled:
    return reconcile(database, Policy(), requested_by="test", dry_run=dry_run, progress=progress)


def runs(connection: Connection) -> list[tuple[str, str | None]]:
    found = connection.execute(
        "select status, outcome from integration_sync_log where direction = 'maintenance' order by id"
    ).fetchall()
    return [(row["status"], row["outcome"]) for row in found]


class Between(CalledSoon):
    """A database that calls `happens` right after a page with differences was compared."""

    def __init__(self, database: Database, happens: Callable[[], object]) -> None:
        self._database = database
        self._happens = happens

    def call(self, function: str, **params: Json) -> Json:
        answer = self._database.call(function, **params)
        if function == "auth_sync_reconcile_page_v1" and answer["events"]:
            self._happens()
        return answer

    def close(self) -> None:
        self._database.close()


@pytest.fixture
def jane(connection: Connection) -> int:
    return hire(connection, MAIL)


@pytest.fixture
def renamed(database: Database, connection: Connection, auth: Auth, jane: int) -> UUID:
    """Jane's linked auth user, whose change of name to Old was not captured."""
    user = auth.admin_create(MAIL)
    relay_all(database)
    with nothing_captured(connection):
        auth.update_metadata(user, {"first_name": "Old"})
    return user


class StoppedError(Exception):
    """An error that ends a run from outside."""


def test_a_run_that_is_ended_early_fails(
    database: Database, connection: Connection, auth: Auth, renamed: UUID, jane: int
) -> None:
    """A run that ends early is recorded as FAILED. The next run applies the remaining differences and succeeds."""
    hire(connection, "late@example.com")

    def stop(so_far: Reconciled) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        run(database, progress=stop)
    assert runs(connection) == [("FAILED", "incomplete")]
    with nothing_captured(connection):
        auth.admin_create("late@example.com")
    assert run(database).differences == {"unknown": 1}
    assert runs(connection) == [("FAILED", "incomplete"), ("SUCCESS", "reconciled")]
    assert employee(connection, jane)["first_name"] == "Old"


def test_a_run_that_lost_its_database_fails(database: Database, connection: Connection, renamed: UUID) -> None:
    """A run that loses its database is recorded as FAILED. The relay applies the events that the run had entered."""

    def cut() -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        run(Between(database, cut))
    assert runs(connection) == [("FAILED", "incomplete")]
    make_due(connection)
    assert relay_all(database) == {"synced": 1}
    assert run(database, dry_run=True).differences == {}


def test_a_killed_run_is_interrupted(database: Database, connection: Connection, renamed: UUID) -> None:
    """After the lease of a killed run ends, the next run marks the killed run as interrupted and replaces it."""
    database.call("auth_sync_begin_reconcile_v1", p_requested_by="killed", p_dry_run=False)
    with pytest.raises(NotPossible, match="run_under_way"):
        run(database)
    connection.execute("update integration_sync_log set leased_until = now() - interval '1 second'")
    assert run(database).outcomes == {"synced": 1}
    assert runs(connection) == [("FAILED", "interrupted"), ("SUCCESS", "reconciled")]


def test_a_run_that_lost_its_lease_stops(database: Database, connection: Connection, renamed: UUID) -> None:
    """A run that paused until another run replaced it enters no more events."""

    def overtaken(so_far: Reconciled) -> None:
        connection.execute(
            "update integration_sync_log set leased_until = now() - interval '1 second' where status = 'PENDING'"
        )
        database.call("auth_sync_begin_reconcile_v1", p_requested_by="another", p_dry_run=False)

    with pytest.raises(Exception, match="database_error|database_conflict|run"):
        run(database, progress=overtaken)
    assert runs(connection) == [("FAILED", "interrupted"), ("PENDING", None)]


def test_a_second_concurrent_run_is_refused(database: Database, connection: Connection, renamed: UUID) -> None:
    """A second concurrent run is refused. A dry run is always allowed."""
    refusals = []

    def another(so_far: Reconciled) -> None:
        run(database, dry_run=True)
        with pytest.raises(NotPossible, match="run_under_way") as refused:
            run(database)
        refusals.append(refused.value.reason)

    run(database, progress=another)
    assert set(refusals) == {"run_under_way"}
    assert runs(connection) == [("SUCCESS", "reconciled")]


@pytest.mark.parametrize("relayed", [False, True], ids=["pending", "applied"])
def test_a_change_after_the_page_wins(
    database: Database, connection: Connection, auth: Auth, renamed: UUID, jane: int, relayed: bool
) -> None:
    """A change between the comparison and the processing wins, whether or not a relay has applied it."""

    def change() -> None:
        auth.update_metadata(renamed, {"first_name": "New"})
        if relayed:
            relay_all(database)

    run(Between(database, change))
    relay_all(database)
    assert employee(connection, jane)["first_name"] == "New"
    assert run(database, dry_run=True).differences == {}


@pytest.mark.parametrize("captured_early", [False, True], ids=["captured at the commit", "captured before the page"])
@pytest.mark.parametrize("deletes", [False, True], ids=["update", "delete"])
def test_a_change_that_commits_after_the_page_wins(
    database: Database,
    connection: Connection,
    database_url: str,
    renamed: UUID,
    jane: int,
    captured_early: bool,
    deletes: bool,
) -> None:
    """A change whose transaction began before the comparison and commits after it wins."""
    with psycopg.connect(database_url) as other:
        if deletes:
            other.execute("delete from auth.users where id = %s", [renamed])
        else:
            other.execute(
                'update auth.users set raw_user_meta_data = \'{"first_name": "New"}\' where id = %s', [renamed]
            )
        if captured_early:
            other.execute("set constraints all immediate")
        run(Between(database, other.commit))
    relay_all(database)
    jane_now = employee(connection, jane)
    if deletes:
        assert (jane_now["auth_user_id"], jane_now["orphaned_auth_user_id"]) == (None, renamed)
    else:
        assert jane_now["first_name"] == "New"
    assert run(database, dry_run=True).differences == {}


def test_a_held_event_is_left_to_the_relay(
    database: Database, connection: Connection, database_url: str, renamed: UUID, jane: int
) -> None:
    """A run that cannot apply every event is recorded as FAILED, and the relay applies the remaining events."""
    with psycopg.connect(database_url) as other:
        other.execute("select from employees for update")
        assert run(database).left == 1
    assert runs(connection) == [("FAILED", "incomplete")]
    make_due(connection)
    assert relay_all(database) == {"synced": 1}
    assert employee(connection, jane)["first_name"] == "Old"
