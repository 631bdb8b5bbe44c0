"""Step 4: Work -> Result. Webhooks, replays, the relay and reconciliation all apply events through this module."""

import asyncio
from collections.abc import Mapping, Sequence

from webhook_service.errors import Conflict, DatabaseError, InvalidPayload, ServiceError, Unavailable
from webhook_service.events import Json, Outcome, Result, Status, Via, Work
from webhook_service.inbound import handlers, payload
from webhook_service.inbound.payload import to_request_data
from webhook_service.policy import Policy
from webhook_service.ports import Database

PROCESS = "auth_sync_process_v1"

MAX_BATCH = 64
"""The maximum number of works in one call."""

LOCK_TIMEOUT = "1500ms"
"""The longest wait of a batch for a row that another transaction has locked. PostgreSQL detects a deadlock sooner."""

LOCK_TIMEOUT_ALONE = "100ms"
"""The lock timeout of the works of a held-up batch, which are tried one by one. It is short, so that a held work does
not delay other works.
"""


def process_batch(
    database: Database,
    works: Sequence[Work],
    policy: Policy,
    *,
    dry_run: bool = False,
    lock_timeout: str = LOCK_TIMEOUT,
    skip_held: bool = False,
) -> list[Result]:
    """Apply all works in one transaction. Return the results of the works in the ledger, in no particular order.

    Older pending events of the same auth users are applied first. `dry_run` returns the same results and rolls the
    changes back. With `skip_held`, works that would wait for another transaction's lock are not applied, and have no
    result. Raises Unavailable or DatabaseError if no work was applied.
    """
    while True:
        answer = database.call(PROCESS, **parameters(works, dry_run, lock_timeout, skip_held))
        if "results" in answer:
            return [result_of(item) for item in answer["results"]]
        if not process_rows(database, policy, answer["earlier"], via=Via.RELAY):
            raise Conflict("database_conflict", "Another transaction holds an earlier event of the same auth user.")


async def process_batch_soon(
    database: Database,
    works: Sequence[Work],
    policy: Policy,
    *,
    lock_timeout: str = LOCK_TIMEOUT,
    skip_held: bool = False,
) -> list[Result]:
    """Do the same as `process_batch` without blocking the event loop.

    If earlier events must be applied first, a thread calls `process_batch`.
    """
    answer = await database.call_soon(PROCESS, **parameters(works, lock_timeout=lock_timeout, skip_held=skip_held))
    if "results" in answer:
        return [result_of(item) for item in answer["results"]]
    return await asyncio.to_thread(
        process_batch, database, works, policy, lock_timeout=lock_timeout, skip_held=skip_held
    )


def preview(database: Database, works: Sequence[Work]) -> tuple[list[Result], list[Json]]:
    """Apply the works, roll all of it back, and return the results and the actions that were entered for Auth.

    An action is {"operation", "auth_user_id", "employee_id", "name", "email"}, with the employee's name and the auth
    user's e-mail. A work that the database refuses is `not_applied`. A work whose rows another transaction has locked
    has no result. Raises Unavailable.
    """
    try:
        answer = database.call(PROCESS, **parameters(works, dry_run=True))
    except (DatabaseError, Conflict) as error:
        if len(works) > 1:
            middle = len(works) // 2
            results, actions = preview(database, works[:middle])
            more_results, more_actions = preview(database, works[middle:])
            return results + more_results, actions + more_actions
        if isinstance(error, DatabaseError):
            return [Result(works[0].event.event_id, Status.FAILED, Outcome.NOT_APPLIED)], []
        return [], []
    return [result_of(item) for item in answer["results"]], answer["actions"]


def process(database: Database, work: Work, policy: Policy) -> Result:
    """Apply one work in a separate transaction. Raises Unavailable or DatabaseError."""
    [answer] = results_by_work([work], process_batch(database, [work], policy))
    if isinstance(answer, ServiceError):
        raise answer
    return answer


def results_by_work(works: Sequence[Work], results: Sequence[Result]) -> list[Result | Unavailable]:
    """Return the result of each work, in the order of the works, or Unavailable for a work without a result.

    An event that is in the batch twice has two results, and one of them has the outcome `duplicate`.
    """
    by_event: dict[str, list[Result]] = {}
    for result in results:
        by_event.setdefault(result.event_id, []).append(result)
    return [
        found.pop(0)
        if (found := by_event.get(work.event.event_id))
        else Unavailable("not_recorded", "The event was not recorded.")  # its row was deleted while the call waited
        for work in works
    ]


def process_rows(
    database: Database, policy: Policy, rows: Sequence[Mapping[str, Json]], *, via: Via, lease: str | None = None
) -> list[Result]:
    """Apply rows of the ledger, and return their results. A bad row does not stop the other rows.

    A row is {event_id, operation, version, auth_user_id, request_data}. A row that cannot be read or applied is
    recorded as failed. A held row has no result, and does not change. Raises Unavailable.
    """
    works, results = [], []
    for row in rows:
        try:
            works.append(handlers.decide(payload.from_ledger(row, policy.name_fields), policy, via=via, lease=lease))
        except InvalidPayload as error:
            results.append(fail(database, row["event_id"], Outcome.UNREADABLE, error.detail, lease))
    return results + (process_apart(database, policy, works) if works else [])


def process_apart(
    database: Database, policy: Policy, works: Sequence[Work], lock_timeout: str = LOCK_TIMEOUT
) -> list[Result]:
    """Apply the works as one batch. If the batch is refused or held up, try each half, down to single works."""
    try:
        return process_batch(database, works, policy, lock_timeout=lock_timeout, skip_held=True)
    except (DatabaseError, Conflict) as error:
        if len(works) > 1:
            middle = len(works) // 2
            return [
                result
                for half in (works[:middle], works[middle:])
                for result in process_apart(database, policy, half, LOCK_TIMEOUT_ALONE)
            ]
        if isinstance(error, DatabaseError):
            work = works[0]
            return [fail(database, work.event.event_id, Outcome.NOT_APPLIED, error.detail, work.lease)]
        return []


def fail(database: Database, event_id: str, outcome: Outcome, detail: str, lease: str | None) -> Result:
    """Record that an event could not be applied and is retried later."""
    database.call("auth_sync_fail_v1", p_event_id=event_id, p_outcome=outcome, p_error=detail, p_lease=lease)
    return Result(event_id, Status.FAILED, outcome)


def parameters(
    works: Sequence[Work], dry_run: bool = False, lock_timeout: str = LOCK_TIMEOUT, skip_held: bool = False
) -> dict[str, Json]:
    """Return the parameters of `auth_sync_process_v1`."""
    return {
        "p_works": [to_json(work) for work in works],
        "p_dry_run": dry_run,
        "p_lock_timeout": lock_timeout,
        "p_skip_held": skip_held,
    }


def to_json(work: Work) -> dict[str, Json]:
    """Convert a work into a JSON object for `auth_sync_process_v1`."""
    return {
        "event_id": work.event.event_id,
        "operation": work.event.operation,
        "auth_user_id": str(work.event.user.id),
        "version": work.event.version,
        "via": work.via,
        "requested_by": work.requested_by,
        "lease": work.lease,
        "user": to_request_data(work.event.user),
        "copy": work.copy,
        "columns": sorted(work.columns),
        "key": work.key,
        "steps": work.steps,
    }


def result_of(item: Json) -> Result:
    """Convert a JSON result of `auth_sync_process_v1`."""
    return Result(
        event_id=item["event_id"],
        status=Status(item["status"]),
        outcome=Outcome(item["outcome"]),
        employee_id=item["employee_id"],
        changes=item.get("changes", {}),
    )
