"""Concurrent works share a call of the database (group commit)."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from uuid import UUID

import pytest

from tests.employees import Connection
from tests.in_loop import CalledSoon, ForThreads
from webhook_service.errors import DatabaseError, Unavailable
from webhook_service.events import AuthEvent, AuthUser, Json, Operation, Work
from webhook_service.inbound.batching import GroupCommit
from webhook_service.inbound.handlers import decide
from webhook_service.policy import Policy
from webhook_service.ports import Database

pytestmark = pytest.mark.every_employees_table


def work(number: int, *, email: str | None = None, event_id: str | None = None) -> Work:
    user = AuthUser(UUID(int=number), email=email)
    return decide(AuthEvent(event_id or f"evt-{number}", Operation.INSERT, number, user), Policy())


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Gate(CalledSoon):
    """A database behind a gate that counts the calls and holds them until the gate is opened."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.batches: list[int] = []
        self.reached = threading.Event()
        self.opened = threading.Event()
        self.answers: list[Json] = []
        self.is_open_for_others = False

    def call(self, function: str, **params: Json) -> Json:
        self.batches.append(len(params["p_works"]))
        self.reached.set()
        if not self.is_open_for_others:
            self.opened.wait(10)
        return self.answers.pop() if self.answers else self.database.call(function, **params)

    def close(self) -> None:
        self.database.close()


class OneAtATime(Gate):
    """Refuse calls with several works. Hold the second of the following calls with one work until `let_go`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.let_go = threading.Event()

    def call(self, function: str, **params: Json) -> Json:
        if len(params["p_works"]) > 1:
            self.batches.append(len(params["p_works"]))
            raise DatabaseError("database_error", "Not together.")
        answer = super().call(function, **params)
        if self.batches[-2:] == [1, 1]:
            self.let_go.wait(10)
        return answer


def test_works_that_wait_together_share_a_call(database: Database) -> None:
    """Works that arrive during a call share the next call."""
    gate = Gate(database)
    commits = ForThreads(GroupCommit(gate, Policy(), patience=10, held_up=60))
    with ThreadPoolExecutor(9) as threads:
        first = threads.submit(commits.process, work(1))
        gate.reached.wait(10)
        others = [threads.submit(commits.process, work(number)) for number in range(2, 10)]
        wait_for(lambda: commits.waiting() == 8)
        gate.opened.set()
        results = [future.result(10) for future in (first, *others)]
    assert gate.batches == [1, 8]
    assert [result.event_id for result in results] == [f"evt-{number}" for number in range(1, 10)]


def test_a_batch_has_a_limit(database: Database) -> None:
    """Works beyond max_batch wait for another call."""
    gate = Gate(database)
    gate.opened.set()
    commits = ForThreads(GroupCommit(gate, Policy(), max_batch=4, patience=10, held_up=60))
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(commits.process, [work(number) for number in range(1, 17)]))
    assert max(gate.batches) <= 4


@pytest.mark.parametrize(("round_trip", "running"), [(0.0, 1), (0.004, 1), (0.006, 2), (0.3, 2)])
def test_a_slow_network_allows_a_second_call(database: Database, round_trip: float, running: int) -> None:
    """With a round trip of up to 5 ms one call runs at a time, with a longer round trip two."""
    gate = Gate(database)
    gate.round_trip = round_trip
    commits = ForThreads(GroupCommit(gate, Policy(), max_batch=1, patience=10, held_up=60))
    with ThreadPoolExecutor(5) as threads:
        results = [threads.submit(commits.process, work(number)) for number in range(1, 6)]
        wait_for(lambda: commits.waiting() == 5 - running and len(gate.batches) == running)
        gate.opened.set()
        assert {result.result(10).outcome for result in results} == {"unconfirmed"}


def test_the_senders_of_the_last_call_share_the_next(database: Database) -> None:
    """The next call begins as soon as all senders of the last call have sent again, and has all their works."""
    gate = Gate(database)
    gate.opened.set()

    async def senders(commits: GroupCommit, count: int, rounds: int) -> None:
        async def sender(number: int) -> None:
            for turn in range(rounds):
                await commits.process(work(number * 100 + turn))

        async with asyncio.TaskGroup() as group:
            for number in range(1, count + 1):
                group.create_task(sender(number))

    with ThreadPoolExecutor(1) as elsewhere:  # browser tests keep a loop running in this thread
        elsewhere.submit(asyncio.run, senders(GroupCommit(gate, Policy(), patience=10), 6, 5)).result()
    assert gate.batches == [6] * 5


def test_a_blocked_call_does_not_block_other_works(database: Database) -> None:
    """Works that arrive during a blocked call get their own call, even if they are few."""
    gate = Gate(database)
    commits = ForThreads(GroupCommit(gate, Policy(), patience=10))
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(commits.process, work(1))
        gate.reached.wait(10)
        gate.is_open_for_others = True
        assert commits.process(work(2)).outcome == "unconfirmed"
        assert not first.done()
        gate.opened.set()
        assert first.result(10).outcome == "unconfirmed"


def test_a_poison_event_fails_alone(database: Database, connection: Connection) -> None:
    """If the database refuses one event of a batch, only this event fails, and all others are processed."""
    gate = Gate(database)
    commits = ForThreads(GroupCommit(gate, Policy(), patience=10, held_up=60))
    poison = work(2, email="half a surrogate \ud800")
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(commits.process, work(1))
        gate.reached.wait(10)
        refused, accepted = threads.submit(commits.process, poison), threads.submit(commits.process, work(3))
        wait_for(lambda: commits.waiting() == 2)
        gate.opened.set()
        assert [first.result(10).outcome, accepted.result(10).outcome] == ["unconfirmed", "unconfirmed"]
        with pytest.raises(DatabaseError):
            refused.result(10)
    assert connection.execute("select from integration_sync_log").rowcount == 2


def test_each_work_of_a_refused_batch_is_answered_at_once(database: Database) -> None:
    """After a refused batch, the result of each work is returned before the next work is processed."""
    gate = OneAtATime(database)
    commits = ForThreads(GroupCommit(gate, Policy(), patience=10, held_up=60))
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(commits.process, work(1))
        gate.reached.wait(10)
        both = [threads.submit(commits.process, work(number)) for number in (2, 3)]
        wait_for(lambda: commits.waiting() == 2)
        gate.opened.set()
        reported, _ = wait(both, 5, FIRST_COMPLETED)
        gate.let_go.set()
        assert [future.result().outcome for future in reported] == ["unconfirmed"]
        assert {future.result(10).outcome for future in (first, *both)} == {"unconfirmed"}
    assert gate.batches == [1, 2, 1, 1]


def test_a_work_that_waits_too_long_is_refused_for_now(database: Database, connection: Connection) -> None:
    """A work that waits too long gets Unavailable. If its call had not begun, it is never recorded."""
    gate = Gate(database)
    commits = ForThreads(GroupCommit(gate, Policy(), patience=0.2, held_up=60))
    for number in (1, 2):
        with pytest.raises(Unavailable, match="database_slow"):
            commits.process(work(number))
    gate.opened.set()
    commits = ForThreads(GroupCommit(gate, Policy(), patience=10, held_up=60))
    commits.process(work(3))
    recorded = connection.execute("select event_id from integration_sync_log").fetchall()
    assert {"event_id": "evt-2"} not in recorded


def test_the_same_event_twice_in_a_batch_is_applied_once(database: Database) -> None:
    """If a batch has the same event twice, one is applied and the other is the duplicate."""
    gate = Gate(database)
    commits = ForThreads(GroupCommit(gate, Policy(), patience=10, held_up=60))
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(commits.process, work(1))
        gate.reached.wait(10)
        twice = [threads.submit(commits.process, work(2)) for _ in range(2)]
        wait_for(lambda: commits.waiting() == 2)
        gate.opened.set()
        first.result(10)
        assert sorted(future.result(10).outcome for future in twice) == ["duplicate", "unconfirmed"]


def test_a_batch_without_results_does_not_stop_the_next(database: Database) -> None:
    """A work without a result gets Unavailable, and the next work is processed."""
    gate = Gate(database)
    gate.opened.set()
    commits = ForThreads(GroupCommit(gate, Policy(), patience=10, held_up=60))
    gate.answers = [{"results": []}]
    with pytest.raises(Unavailable, match="not_recorded"):
        commits.process(work(1))
    gate.answers = [{"results": 7}]
    with pytest.raises(TypeError):
        commits.process(work(2))
    assert commits.process(work(3)).outcome == "unconfirmed"


def test_a_held_row_does_not_block_other_events(database: Database, connection: Connection) -> None:
    """The event of a locked employee is refused for now. All other events of the batch are processed in time."""
    connection.execute("insert into employees (employee_number) values ('held')")
    gate = Gate(database)
    commits = ForThreads(GroupCommit(gate, Policy(), held_up=60))
    held = decide(AuthEvent("evt-held", Operation.INSERT, 1, AuthUser(UUID(int=99), employee_number="held")), Policy())
    with ThreadPoolExecutor(12) as threads, connection.transaction():
        connection.execute("select from employees for update")
        first = threads.submit(commits.process, work(1))
        gate.reached.wait(10)
        refused = threads.submit(commits.process, held)
        others = [threads.submit(commits.process, work(number)) for number in range(2, 11)]
        wait_for(lambda: commits.waiting() == 10)
        gate.opened.set()
        assert {future.result(10).outcome for future in (first, *others)} == {"unconfirmed"}
        with pytest.raises(Unavailable, match="database_conflict"):
            refused.result(10)


def test_many_held_rows_do_not_block_other_events(database: Database, connection: Connection) -> None:
    """The events of twelve employees that an import has locked are refused for now, and all others are applied."""
    connection.execute("insert into employees (employee_number) select 'held' || n from generate_series(1, 12) as n")
    commits = ForThreads(GroupCommit(database, Policy()))

    def held(number: int) -> Work:
        user = AuthUser(UUID(int=100 + number), employee_number=f"held{number}")
        return decide(AuthEvent(f"evt-held-{number}", Operation.INSERT, 1, user), Policy())

    with ThreadPoolExecutor(40) as threads, connection.transaction():
        connection.execute("select from employees for update")
        refused = [threads.submit(commits.process, held(number)) for number in range(1, 13)]
        others = [threads.submit(commits.process, work(number)) for number in range(1, 21)]
        assert {future.result(10).outcome for future in others} == {"unconfirmed"}
        for future in refused:
            with pytest.raises(Unavailable, match="database_"):
                future.result(10)


def test_a_held_event_occupies_no_call_and_is_applied_when_the_lock_is_released(
    database: Database, connection: Connection
) -> None:
    """Beside a held call, another held event waits without a call, because a few locks would then occupy all calls."""
    connection.execute("insert into employees (employee_number) select 'held' || n from generate_series(1, 4) as n")
    commits = ForThreads(GroupCommit(database, Policy(), held_up=0.05))

    def held(number: int) -> Work:
        user = AuthUser(UUID(int=100 + number), employee_number=f"held{number}")
        return decide(AuthEvent(f"evt-held-{number}", Operation.INSERT, 1, user), Policy())

    with ThreadPoolExecutor(4) as threads:
        with connection.transaction():
            connection.execute("select from employees for update")
            first = threads.submit(commits.process, held(1))
            wait_for(lambda: connection.execute("select from pg_locks where not granted").rowcount > 0)
            others = [threads.submit(commits.process, held(number)) for number in (2, 3, 4)]
            assert commits.process(work(1)).outcome == "unconfirmed"
            wait_for(lambda: commits.waiting() == 3)
            assert connection.execute("select from pg_locks where not granted").rowcount == 1
            assert not any(future.done() for future in (first, *others))
        assert {future.result(10).outcome for future in (first, *others)} == {"linked"}


def test_a_held_event_is_refused_before_its_sender_times_out(database: Database, connection: Connection) -> None:
    """While the rows stay locked, each of two held events gets Unavailable within the patience of a request."""
    connection.execute("insert into employees (employee_number) values ('held1'), ('held2')")
    commits = ForThreads(GroupCommit(database, Policy(), held_up=0.05))
    first, second = (
        decide(AuthEvent(f"evt-{n}", Operation.INSERT, 1, AuthUser(UUID(int=n), employee_number=f"held{n}")), Policy())
        for n in (1, 2)
    )
    with ThreadPoolExecutor(2) as threads, connection.transaction():
        connection.execute("select from employees for update")
        waiting = threads.submit(commits.process, first)
        wait_for(lambda: connection.execute("select from pg_locks where not granted").rowcount > 0)
        with pytest.raises(Unavailable, match="database_"):
            commits.process(second)
        with pytest.raises(Unavailable, match="database_conflict"):
            waiting.result(10)
