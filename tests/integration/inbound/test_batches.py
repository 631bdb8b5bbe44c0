"""A batch on the fast path (auth_sync_apply_fast_v1) has the same result as its events one by one."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.employees import Connection, employee, hire
from webhook_service.events import AuthEvent, AuthUser, Operation, Via, Work
from webhook_service.inbound.handlers import decide
from webhook_service.inbound.processing import process_batch, to_json
from webhook_service.policy import EmailOwner, Policy
from webhook_service.ports import Database

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FAR = datetime(2126, 1, 1, tzinfo=UTC)
NAMES = ("Ann", "Bob", "Cleo")
PLACES = ("a", "b", "c", "d", "e", "f")
TOGETHER = "select public.auth_sync_process_v1(%s)"
ONE_BY_ONE = """
with locked as materialized (select w, public.auth_sync_lock_v1(w) from (select %s::jsonb as w) as given)
select public.auth_sync_apply_each_v1(w) from locked
"""

LEDGER = r"""
select regexp_replace(event_id, '^(employee-[0-9]+)-.*', '\1') as event_id, operation, status, outcome,
       auth_user_id, employee_id, version, request_data, changes, error_message,
       attempts, next_attempt_at is null as is_closed, lease, via, completed_at is null as is_open
  from integration_sync_log where direction = 'inbound' order by 1, auth_user_id, version
"""
ACTIONS = """
select operation, status, auth_user_id, employee_id, request_data, count(*)
  from integration_sync_log where direction = 'outbound' group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
"""
"""Without `via`: reconcile's batches have works of reconcile only, and mark their actions."""
STATES = r"""
select s.auth_user_id, s.version, regexp_replace(l.event_id, '^(employee-[0-9]+)-.*', '\1'), s.email,
       s.email_confirmed, s.employee_number, s.is_anonymous, s.banned_until, s.deleted_at, s.employee_id,
       s.record_hash, s.disabled_at,
       (select jsonb_object_agg(f.key, f.value - 2) from jsonb_each(s.fields) as f) as fields
  from auth_user_state s left join integration_sync_log l on l.id = s.log_id order by s.auth_user_id
"""
KEPT = ("event_id", "operation", "auth_user_id", "version")
CAPTURED = """
insert into integration_sync_log (event_id, direction, operation, auth_user_id, version, request_data, via)
values (%(event_id)s, 'inbound', %(operation)s, %(auth_user_id)s, %(version)s, %(user)s, 'reconcile')
    on conflict do nothing
"""
REFUSAL = "alter table employees add check (first_name <> 'Cleo' or last_name <> 'Bob') not valid"
WAITING = "select from integration_sync_log where status = 'PENDING' and direction = 'inbound'"
EMPLOYEES = "select * from employees order by employee_id"


def work(number: int, user: int, **columns: Any) -> Work:
    known = AuthUser(UUID(int=user), **{"email_confirmed": True} | columns)
    return decide(AuthEvent(f"evt-{number}", Operation.UPDATE, number, known), Policy())


def linked(connection: Connection, user: int) -> int:
    """Insert an employee with this login, and return the employee's id."""
    return hire(connection, f"{user}@example.com", first_name="Jane", last_name="Doe", auth_user_id=UUID(int=user))


def some_company(connection: Connection, chance: random.Random) -> None:
    """Insert a few employees, so that events often concern the same one. Some are ambiguous, inactive or unlinked."""
    for number in range(chance.randint(2, 6)):
        hire(
            connection,
            f"{chance.choice(PLACES)}@example.com" if chance.random() < 0.9 else None,
            first_name=chance.choice((*NAMES, None)),
            last_name=chance.choice((*NAMES, None)),
            employee_number=f"E{number}" if chance.random() < 0.3 else None,
            auth_user_id=UUID(int=number + 1) if chance.random() < 0.4 else None,
            is_active=chance.random() < 0.85,
            orphaned_at=LONG_AGO if chance.random() < 0.1 else None,
        )


def some_work(number: int, chance: random.Random, policy: Policy) -> Work:
    user = AuthUser(
        UUID(int=chance.randint(1, 6)),
        email=f"{chance.choice(PLACES)}@example.com" if chance.random() < 0.9 else None,
        email_confirmed=chance.random() < 0.8,
        employee_number=f"E{chance.randint(0, 5)}" if chance.random() < 0.1 else None,
        is_anonymous=chance.random() < 0.05,
        banned_until=FAR if chance.random() < 0.1 else None,
        names={name: chance.choice(NAMES) for name in ("first_name", "last_name") if chance.random() < 0.7},
    )
    operation = Operation.UPDATE
    if chance.random() < 0.08:
        user, operation = AuthUser(user.id, deleted_at=LONG_AGO), Operation.DELETE
    version = max(1, number + chance.choice((0, 0, 0, -3, -9)))
    event_id = f"evt-{chance.randint(1, number) if chance.random() < 0.05 else number}"
    via = chance.choice((Via.WEBHOOK, Via.WEBHOOK, Via.RECONCILE, Via.REPLAY))
    return decide(
        AuthEvent(event_id, operation, version, user),
        policy,
        via=via,
        requested_by="test" if via is Via.REPLAY else None,
    )


def some_batches(chance: random.Random, policy: Policy) -> Iterator[list[Work]]:
    """Return batches with at most one event per e-mail, because either of two users with one e-mail may be first."""
    number = 0
    for _ in range(chance.randint(3, 12)):
        batch: dict[str | None, Work] = {}
        for _ in range(chance.randint(1, 6)):
            number += 1
            made = some_work(number, chance, policy)
            batch.setdefault(made.event.user.email or made.event.event_id, made)
        yield list(batch.values())


def some_captured(connection: Connection, chance: random.Random, batch: list[Work]) -> None:
    """Put some events into the ledger before they arrive, as capture or reconciliation does."""
    for one in map(to_json, batch):
        if one["via"] != Via.REPLAY and chance.random() < 0.3:
            connection.execute(CAPTURED, {name: one[name] for name in KEPT} | {"user": Jsonb(one["user"])})


def lived(connection: Connection, chance: random.Random, policy: Policy, process: str) -> list[Any]:
    """Run a random history, roll it back, and return the contents of the tables.

    The history ends when the next step would be the relay's, because an auth user waits for an employee.
    """
    with connection.transaction(force_rollback=True):
        connection.execute("alter sequence employees_employee_id_seq restart 1")
        some_company(connection, chance)
        connection.execute(REFUSAL)
        for batch in some_batches(chance, policy):
            some_captured(connection, chance, batch)
            connection.execute(process, [Jsonb([to_json(one) for one in batch])])
            if connection.execute(WAITING).rowcount:
                break
        return [connection.execute(table).fetchall() for table in (LEDGER, ACTIONS, STATES, EMPLOYEES)]


@pytest.mark.campaign
@pytest.mark.parametrize("owner", EmailOwner)
@pytest.mark.parametrize("seed", range(4))
def test_a_batch_has_the_result_of_its_single_events(connection: Connection, owner: EmailOwner, seed: int) -> None:
    """Random histories give the same ledger, states and employees in batches as with single events."""
    policy = Policy(owner)
    for history in range(25):
        ends = [lived(connection, random.Random(f"{seed} {history}"), policy, how) for how in (TOGETHER, ONE_BY_ONE)]
        assert ends[0] == ends[1], history


def test_events_on_the_fast_path_are_written_once(connection: Connection) -> None:
    """The fast path inserts finished rows into the ledger, which halves the writes to its indexes."""
    ids = [linked(connection, user) for user in range(1, 9)]
    works = [work(n, n, email=f"{n}@example.com", names={"first_name": f"N{n}"}) for n in range(1, 9)]
    with connection.transaction():
        connection.execute(TOGETHER, [Jsonb([to_json(one) for one in works])])
        updated = connection.execute("select pg_stat_get_xact_tuples_updated('integration_sync_log'::regclass) as rows")
        assert updated.fetchone() == {"rows": 0}
    assert [employee(connection, id)["first_name"] for id in ids] == [f"N{n}" for n in range(1, 9)]


def test_plans_made_on_empty_tables_stay_fast(connection: Connection) -> None:
    """A session's plan that was made on empty tables does not read whole tables after they have been filled.

    The planner is more likely to choose such a plan for a table that is known to be empty, as after an autovacuum, than
    for
    a table without statistics.
    """
    batches = [[work(n, n, email=f"{n}@example.com") for n in numbers] for numbers in ((1, 2), (3, 4, 5, 6))]
    connection.execute("analyze")
    connection.execute(TOGETHER, [Jsonb([to_json(one) for one in batches[0]])])
    for user in range(3, 6):
        linked(connection, user)
    connection.execute("""
        insert into integration_sync_log (event_id, direction, operation, status, outcome, via, completed_at)
        select 'old-' || n, 'inbound', 'UPDATE', 'SUCCESS', 'unmatched', 'webhook', now()
          from generate_series(1, 3000) as n
    """)
    connection.execute("insert into auth_user_state select gen_random_uuid() from generate_series(1, 3000)")
    some_captured(connection, random.Random(1), batches[1])
    with connection.transaction():
        answer = connection.execute(TOGETHER, [Jsonb([to_json(one) for one in batches[1]])]).fetchone()
        read = connection.execute("select sum(seq_tup_read + idx_tup_fetch) as rows from pg_stat_xact_user_tables")
        assert (read.fetchone() or {})["rows"] < 100
    assert len((answer or {})["auth_sync_process_v1"]["results"]) == 4


def test_an_event_that_searches_an_employee_waits_for_older_events(connection: Connection, database: Database) -> None:
    """An event that searches for an employee is applied after older events of its call, which may change e-mails."""
    held = linked(connection, 1)
    gone = decide(AuthEvent("evt-2", Operation.DELETE, 2, AuthUser(UUID(int=1), deleted_at=LONG_AGO)), Policy())
    works = [work(1, 1, email="new@example.com"), gone, work(3, 2, email="new@example.com")]
    results = process_batch(database, works, Policy())
    assert {result.event_id: result.outcome for result in results} == {
        "evt-1": "synced",
        "evt-2": "orphaned",
        "evt-3": "linked",
    }
    assert employee(connection, held)["auth_user_id"] == UUID(int=2)


def test_a_change_during_a_batch_is_not_overwritten(
    connection: Connection, database: Database, database_url: str
) -> None:
    """A change of the employee that commits while a batch waits is not overwritten."""
    held = linked(connection, 1)
    with psycopg.connect(database_url) as hr, ThreadPoolExecutor(1) as threads:
        hr.execute("update employees set last_name = 'Married' where employee_id = %s", [held])
        made = work(1, 1, email="1@example.com", names={"first_name": "Janet"})
        running = threads.submit(process_batch, database, [made], Policy())
        wait_for_a_blocked_lock(connection)
        hr.commit()
        assert running.result(10)[0].outcome == "synced"
    assert (employee(connection, held)["first_name"], employee(connection, held)["last_name"]) == ("Janet", "Married")


def test_the_newer_event_of_two_concurrent_batches_wins(
    connection: Connection, database: Database, database_url: str
) -> None:
    """If two batches run at the same time, the older event ends as stale, although it read the earlier state."""
    held = linked(connection, 1)
    older, newer = (work(n, 1, email="1@example.com", names={"first_name": f"N{n}"}) for n in (1, 2))
    process_batch(database, [work(0, 1, email="1@example.com")], Policy())
    with psycopg.connect(database_url) as other, ThreadPoolExecutor(1) as threads:
        other.execute(TOGETHER, [Jsonb([to_json(newer)])])
        running = threads.submit(process_batch, database, [older], Policy())
        wait_for_a_blocked_lock(connection)
        other.commit()
        assert running.result(10)[0].outcome == "stale"
    assert employee(connection, held)["first_name"] == "N2"


def test_the_values_that_a_trigger_writes_are_recorded(connection: Connection, database: Database) -> None:
    """The ledger records the values that a trigger of the employees' owner has written."""
    connection.execute("""
        create function shout() returns trigger language plpgsql as
        $$ begin new.first_name := upper(new.first_name); new.email := upper(new.email); return new; end $$;
        create trigger shout before update on employees for each row execute function shout()
    """)
    ids = [linked(connection, user) for user in (1, 2)]
    works = [work(n, n, email=f"{n}@example.com", names={"first_name": "Ann"}) for n in (1, 2)]
    assert {result.outcome for result in process_batch(database, works, Policy())} == {"synced"}
    assert [employee(connection, id)["first_name"] for id in ids] == ["ANN", "ANN"]
    changes = [
        row["changes"] for row in connection.execute("select changes from integration_sync_log order by version")
    ]
    assert [change["first_name"] for change in changes] == [{"from": "Jane", "to": "ANN"}] * 2
    assert [change["email"]["to"] for change in changes] == ["1@EXAMPLE.COM", "2@EXAMPLE.COM"]


def wait_for_a_blocked_lock(connection: Connection) -> None:
    deadline = time.monotonic() + 10
    while not connection.execute("select from pg_locks where not granted").rowcount:
        assert time.monotonic() < deadline
