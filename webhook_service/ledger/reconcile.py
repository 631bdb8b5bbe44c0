"""Compares auth.users, the last known state and employees, and brings what differs through the same `processing`.

The comparison is the database's, page by page; so memory is flat however many users there are. What differs becomes
events of the ledger, as if it had been captured, so a run that is killed loses nothing: the relay goes on. The run
itself is a row of the ledger too.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import UUID

from webhook_service.errors import NotPossible, ServiceError
from webhook_service.events import Json, Outcome, Result, Via
from webhook_service.inbound.processing import process_rows
from webhook_service.policy import Policy
from webhook_service.ports import Database

PAGE = 1000
BATCH = 200
CONCURRENT_BATCHES = 2
"""Batches of a page that are processed at once: no two have the same auth user."""

PARTS = ("users", "gone")
"""Those in auth.users; then those that only we or employees still know."""

CHANGING = (Outcome.LINKED, Outcome.SYNCED, Outcome.ORPHANED)
MAX_PASSES = 10

BEFORE_ALL = str(UUID(int=0))
MAX_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How far a run is: of `users` auth users and `known` states, in each of `passes`, `seen` in all are compared.

    `differences` counts by kind: unknown (never seen before), deleted, email, ban, changed; orphan, missing_link,
    stale_email; and not_disabled, not_enabled, email_not_sent, employee_gone, which ask for an action. `shown` has the
    first of them, {"auth_user_id", "kind", "employee_id"}. `outcomes` is what came of the events; `left` how many could
    not be applied now, as somebody held their rows: the relay brings them. `failed` is how many events had failed
    before, and wait for their next attempt or an admin: they are no difference here.
    """

    users: int
    known: int
    passes: int = 1
    seen: int = 0
    differences: Mapping[str, int] = field(default_factory=dict)
    shown: tuple[Mapping[str, Json], ...] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)
    left: int = 0
    failed: int = 0

    @property
    def to_see(self) -> int:
        return max(self.seen, (self.users + max(self.known, self.users)) * self.passes)

    @property
    def changes(self) -> int:
        """Events that changed an employee."""
        return sum(self.outcomes.get(outcome, 0) for outcome in CHANGING)

    def plus(self, page: Json, outcomes: Counter[str], left: int) -> "Reconciled":
        return replace(
            self,
            seen=self.seen + page["seen"],
            differences=dict(Counter(self.differences) + Counter(found["kind"] for found in page["differences"])),
            shown=(*self.shown, *page["differences"])[:MAX_SHOWN],
            outcomes=dict(Counter(self.outcomes) + outcomes),
            left=self.left + left,
        )


def reconcile(
    database: Database,
    policy: Policy,
    *,
    requested_by: str,
    dry_run: bool,
    progress: Callable[[Reconciled], None] = lambda so_far: None,
) -> Reconciled:
    """Over everything, and again where employees were changed: of two that fitted a user, one may now be taken.

    `progress` is told after each page. `dry_run` only compares, once.

    Raises NotPossible where there is no auth.users or another run is under way; Unavailable, DatabaseError where the
    run could not go on: then it is in the ledger as FAILED, and what it had entered by then is applied all the same.
    """
    begun = database.call("auth_sync_begin_reconcile_v1", p_requested_by=requested_by, p_dry_run=dry_run)
    if begun is None:
        raise NotPossible("no_auth_users", "This database has no auth.users to compare with.")
    if begun["run"] is None and not dry_run:
        raise NotPossible("run_under_way", "Another run is under way; if it was killed, it is over within a minute.")

    done = Reconciled(begun["users"], begun["known"], failed=begun["failed"])
    try:
        for _ in range(MAX_PASSES):
            before = done.changes
            for part in PARTS:
                done = _compare(database, policy, begun["run"], part, done, progress)
            if dry_run or done.changes == before:
                break
            done = replace(done, passes=done.passes + 1)
    except BaseException as error:
        with suppress(ServiceError):  # of a run that never ends, the next one says that it was interrupted
            _end(database, begun["run"], done, f"ended by {getattr(error, 'reason', type(error).__name__)}")
        raise
    _end(database, begun["run"], done, f"{done.left} events are left to the relay" if done.left else None)
    return done


def _compare(
    database: Database,
    policy: Policy,
    run: str | None,
    part: str,
    done: Reconciled,
    progress: Callable[[Reconciled], None],
) -> Reconciled:
    def process(rows: list[Json]) -> list[Result]:
        return process_rows(database, policy, rows, via=Via.RECONCILE)

    after: str | None = BEFORE_ALL
    with ThreadPoolExecutor(CONCURRENT_BATCHES) as concurrent_batches:
        while after is not None:
            page = database.call(
                "auth_sync_reconcile_page_v1",
                p_run=run,
                p_part=part,
                p_after=after,
                p_limit=PAGE,
                p_columns=sorted(policy.columns),
            )
            events = page["events"]
            batches = [events[start : start + BATCH] for start in range(0, len(events), BATCH)]
            outcomes = Counter(
                str(result.outcome) for results in concurrent_batches.map(process, batches) for result in results
            )
            done = done.plus(page, outcomes, len(events) - outcomes.total())
            progress(done)
            after = page["next"]
    return done


def _end(database: Database, run: str | None, done: Reconciled, error: str | None) -> None:
    if run is not None:
        names = ("users", "passes", "differences", "outcomes", "left")
        summary = {name: getattr(done, name) for name in names}
        database.call("auth_sync_end_reconcile_v1", p_run=run, p_error=error, p_summary=summary)
