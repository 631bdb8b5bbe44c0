"""Step 4: Work -> Result. The one way into the database, for webhooks, replays, the relay and reconciliation alike."""

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

LOCK_TIMEOUT = "1500ms"
"""How long a batch waits for a row that another transaction holds: longer than PostgreSQL needs to find a deadlock."""

LOCK_TIMEOUT_ALONE = "100ms"
"""For the works of a batch that had to wait in vain, one by one: the one that is held shall not hold up the others."""


def process_batch(
    database: Database,
    works: Sequence[Work],
    policy: Policy,
    *,
    dry_run: bool = False,
    lock_timeout: str = LOCK_TIMEOUT,
    skip_held: bool = False,
) -> list[Result]:
    """Applies all of them in one transaction. The results of those that the ledger holds, in no certain order.

    What the ledger holds pending for their users at older versions is applied before. `dry_run` gives the same results
    and keeps nothing. With `skip_held`, works that would have to wait for somebody have no result and are not applied.
    Raises Unavailable (nothing is kept) or DatabaseError.
    """
    while True:
        answer = database.call(PROCESS, **parameters(works, dry_run, lock_timeout, skip_held))
        if "results" in answer:
            return [result_of(item) for item in answer["results"]]
        if not process_rows(database, policy, answer["earlier"], via=Via.RELAY):
            raise Conflict("database_conflict", "Something is in the way of an earlier event of the same user.")


async def process_batch_soon(
    database: Database,
    works: Sequence[Work],
    policy: Policy,
    *,
    lock_timeout: str = LOCK_TIMEOUT,
    skip_held: bool = False,
) -> list[Result]:
    """The same in an event loop. Where earlier events are to be applied before, a thread does it all."""
    answer = await database.call_soon(PROCESS, **parameters(works, lock_timeout=lock_timeout, skip_held=skip_held))
    if "results" in answer:
        return [result_of(item) for item in answer["results"]]
    return await asyncio.to_thread(
        process_batch, database, works, policy, lock_timeout=lock_timeout, skip_held=skip_held
    )


def process(database: Database, work: Work, policy: Policy) -> Result:
    """One event in a transaction of its own. Raises Unavailable, DatabaseError."""
    [answer] = results_by_work([work], process_batch(database, [work], policy))
    if isinstance(answer, ServiceError):
        raise answer
    return answer


def results_by_work(works: Sequence[Work], results: Sequence[Result]) -> list[Result | Unavailable]:
    """Each work's result, in the order of the works. The same event twice in one batch has two results: one that was
    applied, and a duplicate.
    """
    by_event: dict[str, list[Result]] = {}
    for result in results:
        by_event.setdefault(result.event_id, []).append(result)
    return [
        found.pop(0)
        if (found := by_event.get(work.event.event_id))
        else Unavailable("not_recorded", "The event was not recorded.")  # its row was deleted while it waited for it
        for work in works
    ]


def process_rows(
    database: Database, policy: Policy, rows: Sequence[Mapping[str, Json]], *, via: Via, lease: str | None = None
) -> list[Result]:
    """Rows of the ledger, each failing alone: what cannot be read or applied is written down as that.

    `rows` as the ledger hands them out: {event_id, operation, version, auth_user_id, request_data}. Those that somebody
    is in the way of have no result; they are still pending. Raises Unavailable.
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
    """As one batch; where that is refused or held up, as two halves, down to the one work that is to blame."""
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
    """Writes down that an event could not be applied; it is tried again later."""
    database.call("auth_sync_fail_v1", p_event_id=event_id, p_outcome=outcome, p_error=detail, p_lease=lease)
    return Result(event_id, Status.FAILED, outcome)


def parameters(
    works: Sequence[Work], dry_run: bool = False, lock_timeout: str = LOCK_TIMEOUT, skip_held: bool = False
) -> dict[str, Json]:
    """What `auth_sync_process_v1` takes."""
    return {
        "p_works": [to_json(work) for work in works],
        "p_dry_run": dry_run,
        "p_lock_timeout": lock_timeout,
        "p_skip_held": skip_held,
    }


def to_json(work: Work) -> dict[str, Json]:
    """A work as `auth_sync_process_v1` takes it."""
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
    return Result(
        event_id=item["event_id"],
        status=Status(item["status"]),
        outcome=Outcome(item["outcome"]),
        employee_id=item["employee_id"],
        changes=item.get("changes", {}),
    )
