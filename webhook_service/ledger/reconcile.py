"""Compares auth.users, auth_user_state and employees, and applies the differences with `inbound.processing`.

The database compares page by page, so memory does not grow with the number of users. Each difference becomes an event
of the ledger, as if it had been captured. If a run is killed, the relay applies its events. Each run has a row in the
ledger.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import UUID

from webhook_service.errors import NotPossible, ServiceError
from webhook_service.events import Json, Outcome, Result, Via
from webhook_service.inbound.processing import process_rows
from webhook_service.policy import NAME_COLUMNS, Policy
from webhook_service.ports import Database

PAGE_SIZE = 1000
BATCH_SIZE = 200
CONCURRENT_BATCHES = 2
"""The number of batches of a page that are processed at the same time. No two batches have the same auth user."""

PARTS = ("users", "gone")
"""`users` are the auth users in auth.users. `gone` are the auth users that only auth_user_state or employees name."""

CHANGING = (Outcome.LINKED, Outcome.SYNCED, Outcome.ORPHANED)
MAX_PASSES = 10

BEFORE_ALL = str(UUID(int=0))
MAX_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The progress of a run.

    Each of the `passes` compares `users` auth users and `known` states. `seen` counts the comparisons so far.
    `differences` is {kind: count}. The kinds are unknown (never seen before), deleted, email, ban, changed, orphan,
    missing_link and stale_email. The kinds not_disabled, not_enabled, email_not_sent and employee_gone request an
    action.
    `shown` holds the first MAX_SHOWN differences, {"auth_user_id", "kind", "employee_id"}. `outcomes` is
    {outcome: count} of the events. `left` counts the events that the relay applies later, because another transaction
    has locked their rows. `failed` counts the events that had failed before the run, which are not differences.
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
        """An estimate of the number of comparisons in all passes."""
        return max(self.seen, (self.users + max(self.known, self.users)) * self.passes)

    @property
    def changes(self) -> int:
        """The number of events that changed an employee."""
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
    names: bool = False,
    progress: Callable[[Reconciled], None] = lambda so_far: None,
) -> Reconciled:
    """Compare all auth users and employees, and apply the differences.

    Until a run has succeeded, the employees of auth users that were never seen keep their names, because users choose
    the names in Auth themselves. With `names`, the run copies these names too.

    If a pass changed employees, another pass follows, up to MAX_PASSES: an auth user that matched two employees may now
    match one, because the other employee was linked. `progress` receives the counts after each page. A `dry_run`
    compares once and applies nothing. `ledger.plan` shows what the run would do.

    Raises NotPossible if there is no auth.users (`no_auth_users`) or if another run is in progress (`run_under_way`).
    Raises Unavailable or DatabaseError if the run cannot continue. The ledger then records the run as FAILED, and the
    relay applies the events that the run has written.
    """
    begun = begin(database, requested_by, dry_run)
    columns = columns_of(policy, begun, names)
    done = Reconciled(begun["users"], begun["known"], failed=begun["failed"])
    try:
        for _ in range(MAX_PASSES):
            before = done.changes
            for part in PARTS:
                done = _compare(database, policy, columns, begun["run"], part, done, progress)
            if dry_run or done.changes == before:
                break
            done = replace(done, passes=done.passes + 1)
    except BaseException as error:
        with suppress(ServiceError):  # if this fails, the next run records this run as interrupted
            end(database, begun["run"], done, f"ended by {getattr(error, 'reason', type(error).__name__)}")
        raise
    end(database, begun["run"], done, f"{done.left} events are left to the relay" if done.left else None)
    return done


def begin(database: Database, requested_by: str, dry_run: bool) -> Json:
    """Begin a run, and return the JSON object of `auth_sync_begin_reconcile_v1`. Raises NotPossible."""
    begun = database.call("auth_sync_begin_reconcile_v1", p_requested_by=requested_by, p_dry_run=dry_run)
    if begun is None:
        raise NotPossible("no_auth_users", "This database has no auth.users to compare with.")
    if begun["run"] is None and not dry_run:
        detail = "Another run is in progress. If it was killed, a new run can begin within a minute."
        raise NotPossible("run_under_way", detail)
    return begun


def columns_of(policy: Policy, begun: Json, names: bool) -> list[str]:
    """Return the columns for `pages`. A first run omits the names, unless `names` is set."""
    return sorted(policy.columns if names or not begun["is_first"] else policy.columns - set(NAME_COLUMNS))


def pages(database: Database, run: str | None, part: str, columns: list[str]) -> Iterator[Json]:
    """Yield the pages of one part, each as the JSON object of `auth_sync_reconcile_page_v1`."""
    after: str | None = BEFORE_ALL
    while after is not None:
        page = database.call(
            "auth_sync_reconcile_page_v1",
            p_run=run,
            p_part=part,
            p_after=after,
            p_limit=PAGE_SIZE,
            p_columns=columns,
        )
        yield page
        after = page["next"]


def batches_of(events: list[Json]) -> list[list[Json]]:
    """The events in batches of BATCH_SIZE."""
    return [events[start : start + BATCH_SIZE] for start in range(0, len(events), BATCH_SIZE)]


def _compare(
    database: Database,
    policy: Policy,
    columns: list[str],
    run: str | None,
    part: str,
    done: Reconciled,
    progress: Callable[[Reconciled], None],
) -> Reconciled:
    def process(rows: list[Json]) -> list[Result]:
        return process_rows(database, policy, rows, via=Via.RECONCILE)

    with ThreadPoolExecutor(CONCURRENT_BATCHES) as concurrent_batches:
        for page in pages(database, run, part, columns):
            batches = batches_of(page["events"])
            outcomes = Counter(
                str(result.outcome) for results in concurrent_batches.map(process, batches) for result in results
            )
            done = done.plus(page, outcomes, len(page["events"]) - outcomes.total())
            progress(done)
    return done


def end(database: Database, run: str | None, done: Reconciled, error: str | None) -> None:
    """Record the result of a run, which has failed if there is an `error`. A dry run (None) has no record."""
    if run is not None:
        names = ("users", "passes", "differences", "outcomes", "left", "shown")
        summary = {name: getattr(done, name) for name in names}
        database.call("auth_sync_end_reconcile_v1", p_run=run, p_error=error, p_summary=summary)
