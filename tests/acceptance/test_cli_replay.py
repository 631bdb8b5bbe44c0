"""`webhook-service replay`, as an operator uses it."""

import pytest

from tests.acceptance.command import Run, assert_one_clear_line
from tests.acceptance.conftest import Post, StartServer, deliver
from tests.acceptance.lives import user_id
from tests.auth_traffic import CONFIRMED, insert
from tests.employees import Connection


@pytest.fixture
def ledger(start_server: StartServer, connection: Connection) -> Connection:
    """99 events that matched no employee and one that was ambiguous. By now, each matches exactly one employee.

    The trigger that links new employees is disabled, because it would leave nothing to replay.
    """
    connection.execute("insert into employees (email) values ('user0@example.com'), ('user0@example.com')")
    users = [insert(user_id(n), email=f"user{n}@example.com", email_confirmed_at=CONFIRMED) for n in range(100)]
    server = start_server(RELAY="off")  # a relay would retry the failed event
    deliver(server.url, [Post(f"evt-{n}", user) for n, user in enumerate(users)])
    connection.execute("delete from employees where employee_id = (select min(employee_id) from employees)")
    connection.execute("alter table employees disable trigger auth_sync_employees_inserted")
    connection.execute(
        "insert into employees (email) select 'user' || n || '@example.com' from generate_series(1, 99) as n"
    )
    return connection


def linked(connection: Connection) -> int:
    return len(connection.execute("select from employees where auth_user_id is not null").fetchall())


def test_replay_of_one_event(run_installed: Run, ledger: Connection) -> None:
    """A failed event is applied by its id once the cause is gone. The ledger has the requester."""
    assert run_installed("replay", "evt-0") == (0, "evt-0: SUCCESS linked\n", "")
    asked = ledger.execute("select requested_by, outcome_before, outcome from integration_sync_replays").fetchall()
    assert [(row["requested_by"][:4], row["outcome_before"], row["outcome"]) for row in asked] == [
        ("cli:", "ambiguous", "linked")
    ]


def test_replay_dry_run(run: Run, ledger: Connection) -> None:
    """A dry run prints the number of matching events and their changes, and changes nothing."""
    code, output, _ = run("replay", "--outcome", "ambiguous", "--dry-run")
    assert (code, output.splitlines()[0]) == (0, "1 match, 1 would be replayed, 1 would change an employee")
    assert "auth_user_id" in output
    assert linked(ledger) == 0


def test_replay_by_filter(run: Run, ledger: Connection) -> None:
    """Only the events that match the filter are replayed."""
    assert run("replay", "--status", "FAILED", "--yes")[0] == 0
    assert linked(ledger) == 1


def test_replay_asks_first(run: Run, ledger: Connection) -> None:
    """Without --yes, the command asks, and a no leaves everything as it is."""
    code, output, _ = run("replay", "--all", stdin="n\n")
    assert (code, linked(ledger)) == (0, 0)
    assert "Replay them?" in output


def test_replay_of_all_twice(run: Run, ledger: Connection) -> None:
    """A replay of the whole ledger shows its progress. A second one changes nothing."""
    code, first, _ = run("replay", "--all", "--yes")
    assert (code, linked(ledger)) == (0, 100)
    assert "replaying" in first
    assert "100 match, 100 replayed, 100 changed an employee" in first
    before = ledger.execute("select * from employees order by employee_id").fetchall()
    code, again, _ = run("replay", "--all", "--yes")
    assert "100 match, 100 replayed, 0 changed an employee" in again
    assert ledger.execute("select * from employees order by employee_id").fetchall() == before


@pytest.mark.parametrize(
    "arguments",
    [[], ["evt-0", "--all"], ["evt-0", "--status", "FAILED"], ["--status", "LOST"], ["--since", "yesterday"],
     ["--all", "--limit", "0"]],
    ids=" ".join,
)  # fmt: skip
def test_replay_used_wrongly(refused_run: Run, arguments: list[str]) -> None:
    """Arguments that do not fit together are a usage error in one line."""
    code, _, errors = refused_run("replay", *arguments)
    assert code == 2
    assert_one_clear_line(errors)


def test_replay_of_an_unknown_event(refused_run: Run) -> None:
    """An unknown id is an error in one line."""
    code, _, errors = refused_run("replay", "nobody")
    assert code == 1
    assert_one_clear_line(errors, "event_not_found")
