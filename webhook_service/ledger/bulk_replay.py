"""Bulk replays: an admin previews and confirms a filter, and the relays replay the matching events part by part.

A part has at most BULK_REPLAY_RATE events, the number for one second. A relay claims the part under a lease. If the
relay is killed, another relay claims the part after the lease has ended, and replaying an event again changes nothing.
An event that fails does not stop the job.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from webhook_service.errors import Conflict, DatabaseError, InvalidPayload
from webhook_service.events import Json, Outcome, Result, Status, Via, Work
from webhook_service.inbound import handlers, payload
from webhook_service.inbound.processing import LOCK_TIMEOUT_ALONE, process_batch
from webhook_service.ledger.replay import MAX_CHANGES_SHOWN
from webhook_service.loops import LEASE_SECONDS, PassResult
from webhook_service.policy import Policy
from webhook_service.ports import Database

BULK_REPLAY_RATE = 50
"""Events per second of all jobs and relays together. A database applies twenty times as many events, so new events do
not wait for a job. A job of a hundred thousand events takes about half an hour."""

MAX_PREVIEWED = 200
"""The number of events that a preview tries. One call can apply them well within its time limit."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The effects that a bulk replay would have.

    `matched` is the number of matching rows. `actions` is the number of failed actions among them, which would be due
    again. The first `tried` events were applied in a transaction that was rolled back. Their `outcomes` are
    {outcome: count}. `changed` of them changed an employee. `changes` holds the results of the first MAX_CHANGES_SHOWN
    such events.
    """

    matched: int
    actions: int
    tried: int
    changed: int
    outcomes: Mapping[str, int]
    changes: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """The results of a part of a bulk replay.

    `failed` is {event_id: error} of the `results` that could not be applied. `held_at` is the ledger id of the first
    held event. This event and the events after it are not replayed yet.
    """

    results: Sequence[Result]
    failed: Mapping[str, str] = field(default_factory=dict)
    held_at: int | None = None

    def followed_by(self, other: "Part") -> "Part":
        return Part([*self.results, *other.results], {**self.failed, **other.failed}, other.held_at)

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(str(result.outcome) for result in self.results)

    @property
    def changes(self) -> list[Result]:
        return [result for result in self.results if result.changes]


def preview(database: Database, policy: Policy, filter: Mapping[str, Json]) -> Preview:
    """Preview a bulk replay. No data is written.

    `filter` has the shape that `ledger.queries.filter_json` returns. Raises Unavailable, DatabaseError.
    """
    found = database.call("auth_sync_bulk_preview_v1", p_filter=dict(filter), p_limit=MAX_PREVIEWED)
    tried = replayed(database, policy, found["events"], requested_by="preview", dry_run=True)
    return Preview(
        matched=found["matched"],
        actions=found["actions"],
        tried=len(tried.results),
        changed=len(tried.changes),
        outcomes=dict(tried.outcomes),
        changes=tuple(tried.changes[:MAX_CHANGES_SHOWN]),
    )


def begin(database: Database, filter: Mapping[str, Json], *, requested_by: str) -> Json:
    """Start a job, and return {"id", "matched"}. Events that arrive later do not belong to the job.

    Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_begin_bulk_replay_v1", p_filter=dict(filter), p_requested_by=requested_by)


def cancel(database: Database, id: int, *, requested_by: str) -> Json:
    """Cancel a job, and return it, or None if it does not exist. A relay still finishes the part that it is replaying.

    Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_cancel_bulk_replay_v1", p_id=id, p_requested_by=requested_by)


def jobs(database: Database, *, limit: int) -> Json:
    """Return the newest jobs, newest first. Raises Unavailable, DatabaseError."""
    return database.call("auth_sync_bulk_replays_v1", p_limit=limit)


def page(database: Database, *, below: int | None, limit: int) -> Json:
    """Return {"jobs": newest first, "next": the `below` of the next page, or None}.

    Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_bulk_replays_page_v1", p_below=below, p_limit=limit)


def job(database: Database, id: int) -> Json:
    """Return a job, or None if it does not exist. Raises Unavailable, DatabaseError."""
    return database.call("auth_sync_bulk_replay_v1", p_id=id)


def run_once(
    database: Database, policy: Policy, *, name: str, limit: int = BULK_REPLAY_RATE, lease: int = LEASE_SECONDS
) -> PassResult:
    """Claim the next due part of a job, and replay it. `name` is the relay's name. `lease` is in seconds.

    Raises Unavailable if the part will be retried. Raises DatabaseError if the job has failed with that error.
    """
    due = database.call("auth_sync_claim_bulk_replay_v1", p_relay=name, p_limit=limit, p_lease_seconds=lease)
    rows = due["events"]
    if not rows:
        return PassResult(next_in=due["next_in"])
    job = due["job"]
    try:
        part = replayed(database, policy, rows, requested_by=job["requested_by"], dry_run=False)
        settle(database, job, name, part)
    except DatabaseError as error:  # the database would refuse every retry
        settle(database, job, name, Part([], held_at=rows[0]["id"]), error=error.detail)
        raise
    return PassResult(len(rows), len(rows) - len(part.results), part.outcomes, due["next_in"])


def settle(database: Database, job: Json, name: str, part: Part, error: str | None = None) -> None:
    """Record the results of a part. The database ignores them if the relay `name` no longer holds the lease.

    Raises Unavailable, DatabaseError.
    """
    database.call(
        "auth_sync_settle_bulk_replay_v1",
        p_id=job["id"],
        p_relay=name,
        p_position=job["part_end"] if part.held_at is None else part.held_at - 1,
        p_replayed=len(part.results),
        p_changed=len(part.changes),
        p_outcomes=dict(part.outcomes),
        p_error=error,
        p_failed=[
            {"event_id": result.event_id, "outcome": result.outcome, "error": part.failed[result.event_id]}
            for result in part.results
            if result.event_id in part.failed
        ],
    )


def replayed(
    database: Database, policy: Policy, rows: Sequence[Mapping[str, Json]], *, requested_by: str, dry_run: bool
) -> Part:
    """Replay rows of the ledger in their order, in one transaction.

    If the database refuses the transaction, or another transaction has locked a row, each half of the rows is replayed
    in a separate transaction, down to single events. An event that the database refuses fails. The part ends at the
    first held event. Raises Unavailable.
    """
    works: list[Work] = []
    unreadable = Part([])
    for row in rows:
        try:
            event = payload.from_ledger(row, policy.name_fields)
            works.append(handlers.decide(event, policy, via=Via.REPLAY, requested_by=requested_by))
        except InvalidPayload as error:
            unreadable = unreadable.followed_by(failure(row, Outcome.UNREADABLE, error.detail))
    try:
        return unreadable.followed_by(Part(_applied(database, policy, works, dry_run) if works else []))
    except (DatabaseError, Conflict) as error:
        if len(rows) > 1:
            middle = len(rows) // 2
            first = replayed(database, policy, rows[:middle], requested_by=requested_by, dry_run=dry_run)
            if first.held_at is not None:
                return first
            second = replayed(database, policy, rows[middle:], requested_by=requested_by, dry_run=dry_run)
            return first.followed_by(second)
        if isinstance(error, DatabaseError):
            return failure(rows[0], Outcome.NOT_APPLIED, error.detail)
        return Part([], held_at=rows[0]["id"])


def _applied(database: Database, policy: Policy, works: Sequence[Work], dry_run: bool) -> list[Result]:
    """Apply with a short lock timeout, because new events may need the rows that this transaction has locked."""
    return process_batch(database, works, policy, dry_run=dry_run, lock_timeout=LOCK_TIMEOUT_ALONE)


def failure(row: Mapping[str, Json], outcome: Outcome, error: str) -> Part:
    return Part([Result(row["event_id"], Status.FAILED, outcome)], {row["event_id"]: error})
