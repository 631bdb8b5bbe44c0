"""Replays events for an admin with `inbound.processing`. The ledger records each replay with the admin's name."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from webhook_service.errors import EventNotFound, InvalidPayload
from webhook_service.events import Json, Outcome, Result, Status, Via
from webhook_service.inbound import handlers, payload
from webhook_service.inbound.processing import MAX_BATCH, process_batch
from webhook_service.ledger import queries
from webhook_service.policy import Policy
from webhook_service.ports import Database

DRY_RUN_BATCH_SIZE = 200
"""Larger than MAX_BATCH, because the batches of a dry run do not see each other's changes. Limited, because a batch
locks rows that new events need."""

MAX_CHANGES_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Replayed:
    """The effects of replays, or the effects that they would have (`dry_run`).

    `matched` is the number of matching events, or None in later parts. `replayed` events were replayed. `next` is the
    `after` of the next part, or None after the last part. `changed` events changed an employee. `changes` holds the
    results of the first MAX_CHANGES_SHOWN such events. `outcomes` is {outcome: count}.
    """

    dry_run: bool
    matched: int | None = None
    replayed: int = 0
    next: int | None = None
    changed: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[Result, ...] = ()

    def plus(self, results: list[Result], next: int | None) -> "Replayed":
        changing = [result for result in results if result.changes]
        return Replayed(
            dry_run=self.dry_run,
            matched=self.matched,
            replayed=self.replayed + len(results),
            next=next,
            changed=self.changed + len(changing),
            outcomes=dict(Counter(self.outcomes) + Counter(str(result.outcome) for result in results)),
            changes=(*self.changes, *changing)[:MAX_CHANGES_SHOWN],
        )


def replay_event(database: Database, policy: Policy, event_id: str, *, requested_by: str) -> Result:
    """Replay one event of any status. Raises EventNotFound, Unavailable, DatabaseError."""
    queries.event(database, event_id)
    page = database.call("auth_sync_replayable_v1", p_filter={"event_id": event_id}, p_after=0, p_limit=1)
    results = _replay(database, policy, page["events"], requested_by=requested_by, dry_run=False)
    if not results:
        raise EventNotFound("event_not_found", "That is not an event, so it cannot be replayed.")
    return results[0]


def replay_newest(database: Database, policy: Policy, auth_user_id: UUID, *, requested_by: str) -> None:
    """Replay the newest event of an auth user, if there is one: it decides anew who the user is, and copies the values.

    Raises Unavailable, DatabaseError.
    """
    of_user: dict[str, Json] = {"auth_user_id": str(auth_user_id), "direction": "inbound"}
    for event in queries.events(database, of_user, below=None, limit=1)["events"]:
        replay_event(database, policy, event["event_id"], requested_by=requested_by)


def replay_of(database: Database, policy: Policy, auth_user_id: UUID, *, requested_by: str) -> None:
    """Replay the user's ambiguous events. Replay the newest event too, which copies Auth's data to the employee.

    Raises Unavailable, DatabaseError.
    """
    ambiguous: dict[str, Json] = {"auth_user_id": str(auth_user_id), "status": "FAILED", "outcome": "ambiguous"}
    replay_events(database, policy, ambiguous, requested_by=requested_by, dry_run=False, limit=100)
    replay_newest(database, policy, auth_user_id, requested_by=requested_by)


def replay_events(
    database: Database,
    policy: Policy,
    filter: Mapping[str, Json],
    *,
    requested_by: str,
    dry_run: bool,
    limit: int | None = None,
    after: int = 0,
    progress: Callable[[Replayed], None] = lambda so_far: None,
) -> Replayed:
    """Replay at most `limit` matching inbound events, oldest first. `progress` receives the counts after each batch.

    `filter` has the shape that `ledger.queries.filter_json` returns. `after` is the `next` of the previous part. Each
    batch is a separate transaction, so the batches before an error stay applied. Replaying them again changes nothing.
    Raises Unavailable, DatabaseError.
    """
    size = DRY_RUN_BATCH_SIZE if dry_run else MAX_BATCH
    done = Replayed(dry_run, next=after)
    while done.next is not None and (limit is None or done.replayed < limit):
        wanted = size if limit is None else min(size, limit - done.replayed)
        page = database.call("auth_sync_replayable_v1", p_filter=dict(filter), p_after=done.next, p_limit=wanted)
        if page["matched"] is not None:
            done = replace(done, matched=page["matched"])
        results = _replay(database, policy, page["events"], requested_by=requested_by, dry_run=dry_run)
        done = done.plus(results, page["next"])
        progress(done)
    return done


def _replay(database: Database, policy: Policy, rows: Json, *, requested_by: str, dry_run: bool) -> list[Result]:
    """Replay rows of the ledger. A row that is not a readable event stays FAILED, with the outcome `unreadable`."""
    works, unreadable = [], []
    for row in rows:
        try:
            event = payload.from_ledger(row, policy.name_fields)
        except InvalidPayload:
            unreadable.append(Result(row["event_id"], Status.FAILED, Outcome.UNREADABLE))
        else:
            works.append(handlers.decide(event, policy, via=Via.REPLAY, requested_by=requested_by))
    return unreadable + (process_batch(database, works, policy, dry_run=dry_run) if works else [])
