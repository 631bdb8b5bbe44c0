"""A person asks for events again: ledger row -> the same `processing`. Every replay is recorded with who asked."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from webhook_service import handlers, ledger, payload
from webhook_service.errors import EventNotFound
from webhook_service.events import Json, Result, Via
from webhook_service.handlers import Policy
from webhook_service.ports import Database
from webhook_service.processing import MAX_BATCH, process_batch

DRY_RUN_BATCH = 1000
"""A dry run forgets a batch before the next one, so its batches are large."""

MAX_CHANGES_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Replayed:
    """What replays did, or in a dry run would do.

    `matched` is how many events fit; `replayed` how many of them were taken. `changes` holds the results that changed
    an employee, the first MAX_CHANGES_SHOWN of `changed`.
    """

    dry_run: bool
    matched: int = 0
    replayed: int = 0
    changed: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[Result, ...] = ()

    def plus(self, results: list[Result]) -> "Replayed":
        changing = [result for result in results if result.changes]
        return Replayed(
            dry_run=self.dry_run,
            matched=self.matched,
            replayed=self.replayed + len(results),
            changed=self.changed + len(changing),
            outcomes=dict(Counter(self.outcomes) + Counter(str(result.outcome) for result in results)),
            changes=(*self.changes, *changing)[:MAX_CHANGES_SHOWN],
        )


def replay_event(database: Database, policy: Policy, event_id: str, *, requested_by: str) -> Result:
    """One event, whatever its status. Raises EventNotFound."""
    ledger.event(database, event_id)
    page = database.call("auth_sync_replayable_v1", p_filter={"event_id": event_id}, p_after=0, p_limit=1)
    results = _replay(database, policy, page["events"], requested_by=requested_by, dry_run=False)
    if not results:
        raise EventNotFound("event_not_found", "That is no event, but an action; it cannot be replayed.")
    return results[0]


def replay_events(
    database: Database,
    policy: Policy,
    criteria: Mapping[str, Json],
    *,
    requested_by: str,
    dry_run: bool,
    limit: int,
    progress: Callable[[Replayed], None] = lambda so_far: None,
) -> Replayed:
    """All inbound events that fit, oldest first, at most `limit`; `progress` is told after each batch.

    Each batch is a transaction of its own: where one raises Unavailable, those before it are done, and doing them again
    changes nothing. `criteria` as in `ledger.events`.
    """
    size = DRY_RUN_BATCH if dry_run else MAX_BATCH
    done = Replayed(dry_run)
    after = 0
    while done.replayed < limit:
        page = database.call(
            "auth_sync_replayable_v1", p_filter=dict(criteria), p_after=after, p_limit=min(size, limit - done.replayed)
        )
        if after == 0:
            done = Replayed(dry_run, matched=page["matched"])
        if not page["events"]:
            break
        done = done.plus(_replay(database, policy, page["events"], requested_by=requested_by, dry_run=dry_run))
        after = page["events"][-1]["id"]
        progress(done)
    return done


def _replay(database: Database, policy: Policy, rows: Json, *, requested_by: str, dry_run: bool) -> list[Result]:
    works = [
        handlers.decide(payload.from_ledger(row), policy, via=Via.REPLAY, requested_by=requested_by) for row in rows
    ]
    return process_batch(database, works, dry_run=dry_run) if works else []
