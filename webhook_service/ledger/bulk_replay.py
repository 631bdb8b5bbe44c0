"""All events again that fit a filter: previewed, confirmed, and then replayed by the relays part by part.

A part is at most a second's worth of BULK_REPLAY_RATE. It is leased like everything else that a relay takes: who is
killed is followed, and what a part had done by then is not done again. A failing event does not stop the job.
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
"""Events a second, of all jobs and relays together: a twentieth of what one database applies, so that live events do
not wait for it; a hundred thousand take about half an hour."""

PREVIEWED = 200
"""How many events a preview tries out: one call, well within its time limit."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a bulk replay would do: `matched` rows fit, `actions` of them are failed actions, which would be asked for
    again. The first events, `tried` of them, were applied and forgotten: their `outcomes`, how many `changed` an
    employee, and the `changes` of the first MAX_CHANGES_SHOWN of those.
    """

    matched: int
    actions: int
    tried: int
    changed: int
    outcomes: Mapping[str, int]
    changes: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """What became of a part: of `results`, the `failed` could not be applied at all, {event_id: why}. `held_at` is the
    id of the event that somebody is in the way of; it and those behind it are still to be done.
    """

    results: Sequence[Result]
    failed: Mapping[str, str] = field(default_factory=dict)
    held_at: int | None = None

    def before(self, other: "Part") -> "Part":
        return Part([*self.results, *other.results], {**self.failed, **other.failed}, other.held_at)

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(str(result.outcome) for result in self.results)

    @property
    def changes(self) -> list[Result]:
        return [result for result in self.results if result.changes]


def preview(database: Database, policy: Policy, filter: Mapping[str, Json]) -> Preview:
    """Writes nothing. `filter` as in `ledger.queries.events`, and `needs_attention`. Raises Unavailable."""
    found = database.call("auth_sync_bulk_preview_v1", p_filter=dict(filter), p_limit=PREVIEWED)
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
    """Confirmed: {"id", "matched"}. Events that come later are not taken."""
    return database.call("auth_sync_begin_bulk_replay_v1", p_filter=dict(filter), p_requested_by=requested_by)


def cancel(database: Database, id: int, *, requested_by: str) -> Json:
    """The job as it is then, None where there is none. At most the part that is under way still ends."""
    return database.call("auth_sync_cancel_bulk_replay_v1", p_id=id, p_requested_by=requested_by)


def jobs(database: Database, *, limit: int) -> Json:
    """The newest first."""
    return database.call("auth_sync_bulk_replays_v1", p_limit=limit)


def job(database: Database, id: int) -> Json:
    """None where there is none."""
    return database.call("auth_sync_bulk_replay_v1", p_id=id)


def run_once(
    database: Database, policy: Policy, *, name: str, limit: int = BULK_REPLAY_RATE, lease: int = LEASE_SECONDS
) -> PassResult:
    """Takes the next part of a job, if one is due, and replays it. Raises Unavailable: the part is then taken again."""
    due = database.call("auth_sync_claim_bulk_replay_v1", p_relay=name, p_limit=limit, p_lease_seconds=lease)
    rows = due["events"]
    if not rows:
        return PassResult(next_in=due["next_in"])
    job = due["job"]
    try:
        part = replayed(database, policy, rows, requested_by=job["requested_by"], dry_run=False)
        settle(database, job, name, part)
    except DatabaseError as error:  # it would refuse that again and again
        settle(database, job, name, Part([], held_at=rows[0]["id"]), error=error.detail)
        raise
    return PassResult(len(rows), len(rows) - len(part.results), part.outcomes, due["next_in"])


def settle(database: Database, job: Json, name: str, part: Part, error: str | None = None) -> None:
    """Writes down what became of a part, which counts only while it is ours."""
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
    """Rows of the ledger in their order, in one transaction; where that is refused or held up, as two halves, down to
    the one event that is to blame: a refused one has failed, at a held one it ends. Raises Unavailable.
    """
    works: list[Work] = []
    unreadable = Part([])
    for row in rows:
        try:
            event = payload.from_ledger(row, policy.name_fields)
            works.append(handlers.decide(event, policy, via=Via.REPLAY, requested_by=requested_by))
        except InvalidPayload as error:
            unreadable = unreadable.before(failure(row, Outcome.UNREADABLE, error.detail))
    try:
        return unreadable.before(Part(_applied(database, policy, works, dry_run) if works else []))
    except (DatabaseError, Conflict) as error:
        if len(rows) > 1:
            middle = len(rows) // 2
            first = replayed(database, policy, rows[:middle], requested_by=requested_by, dry_run=dry_run)
            if first.held_at is not None:
                return first
            return first.before(replayed(database, policy, rows[middle:], requested_by=requested_by, dry_run=dry_run))
        if isinstance(error, DatabaseError):
            return failure(rows[0], Outcome.NOT_APPLIED, error.detail)
        return Part([], held_at=rows[0]["id"])


def _applied(database: Database, policy: Policy, works: Sequence[Work], dry_run: bool) -> list[Result]:
    """It does not wait long for anybody: what it has locked by then, live events may need."""
    return process_batch(database, works, policy, dry_run=dry_run, lock_timeout=LOCK_TIMEOUT_ALONE)


def failure(row: Mapping[str, Json], outcome: Outcome, error: str) -> Part:
    return Part([Result(row["event_id"], Status.FAILED, outcome)], {row["event_id"]: error})
