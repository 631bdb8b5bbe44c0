"""Helpers that create many failed events, and that run their bulk replay."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from tests.auth_traffic import CONFIRMED, insert
from tests.employees import Connection
from tests.integration.captured import nothing_linked
from tests.webhook_events import work_of
from webhook_service.events import Json, Work
from webhook_service.inbound.processing import process_batch
from webhook_service.ledger import bulk_replay
from webhook_service.policy import Policy
from webhook_service.ports import Database

FAILED: dict[str, Json] = {"status": "FAILED"}


def fail_many(connection: Connection, database: Database, count: int, *, first: int = 1) -> None:
    """Create ambiguous events evt-1, evt-2, ... of users 1, 2, ..., and remove the cause, so that a replay links."""
    numbers = range(first, first + count)
    with nothing_linked(connection):  # otherwise the relay would link the employees without a replay
        connection.execute(
            "insert into employees (email) select 'user' || n || '@example.com'"
            " from generate_series(%s::int, %s) as n, generate_series(1, 2)",
            [numbers[0], numbers[-1]],
        )
        for some in (numbers[start : start + 64] for start in range(0, count, 64)):
            process_batch(database, [ambiguous(n) for n in some], Policy())
        connection.execute(
            "delete from employees a using employees b where a.email = b.email and a.employee_id > b.employee_id"
        )
    connection.execute(
        "update integration_sync_log set next_attempt_at = now() + interval '1 hour' where status = 'FAILED'"
    )


def ambiguous(number: int) -> Work:
    webhook = insert(UUID(int=number), email=f"user{number}@example.com", email_confirmed_at=CONFIRMED)
    return work_of(webhook, f"evt-{number}")


def let_pass(connection: Connection, *, leases: bool = False) -> None:
    """Move the times back, as if the second until the next part were over, and the leases if `leases`."""
    connection.execute("update auth_sync_bulk_replays set next_due = next_due - interval '2 seconds'")
    if leases:
        connection.execute("update auth_sync_bulk_replays set leased_until = now() - interval '1 second'")


def work_off(connection: Connection, database: Database, job: int, name: str = "a") -> Json:
    """Run passes until the job is over, without waiting between the parts, and return the job."""
    while (found := bulk_replay.job(database, job))["status"] == "RUNNING":
        let_pass(connection)
        bulk_replay.run_once(database, Policy(), name=name)
    return found


@contextmanager
def running(database: Database, name: str) -> Iterator[None]:
    """Run another relay in a thread, without a pause between its passes."""
    is_over = threading.Event()

    def run_passes() -> None:
        while not is_over.is_set():
            bulk_replay.run_once(database, Policy(), name=name)

    thread = threading.Thread(target=run_passes)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def replays(connection: Connection) -> list[tuple[str, str, str, str]]:
    """Return all recorded replays as (event id, requested_by, outcome before, outcome after)."""
    found = connection.execute(
        "select l.event_id, r.requested_by, r.outcome_before, r.outcome"
        " from integration_sync_replays r join integration_sync_log l on l.id = r.log_id order by r.id"
    ).fetchall()
    return [(row["event_id"], row["requested_by"], row["outcome_before"], row["outcome"]) for row in found]


def linked_employees(connection: Connection) -> int:
    return connection.execute("select from employees where auth_user_id is not null").rowcount
