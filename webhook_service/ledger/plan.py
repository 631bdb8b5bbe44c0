"""Shows what a run of `ledger.reconcile` would do: links, names, e-mails, orphans, and the actions for Auth.

Each difference is applied by the same pipeline in a transaction that is rolled back. The batches do not see each other,
so a plan covers the first pass of a run.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from webhook_service.errors import InvalidPayload
from webhook_service.events import Action, Json, Outcome, Result, Status, Via, Work
from webhook_service.inbound import handlers, payload
from webhook_service.inbound.processing import preview
from webhook_service.ledger.reconcile import PARTS, Reconciled, batches_of, begin, columns_of, pages
from webhook_service.policy import NAME_COLUMNS, Policy
from webhook_service.ports import Database

MAX_SHOWN = 100
"""The number of items of each kind that a plan lists."""

LINK, NAME, EMAIL, ORPHAN, UNDECIDED = "link", "name", "email", "orphan", "undecided"
BAN, UNBAN, AUTH_EMAIL = "ban", "unban", "auth_email"
OF_ACTION = {
    Action.DISABLE_AUTH_USER: BAN,
    Action.ENABLE_AUTH_USER: UNBAN,
    Action.UPDATE_AUTH_EMAIL: AUTH_EMAIL,
}
LEAST_LIMIT = 20
SHARE_OF_LINKED = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes that a run would make. `compared` has the differences by kind.

    `counts` is {kind: count}: link, name and email (changes of an employee), orphan, undecided, ban, unban and
    auth_email (actions for Auth). `items` is {kind: the first MAX_SHOWN}, each {"auth_user_id", "employee_id", "email":
    of the auth user}, with "name" of the employee (ban, unban), "changes" {column: {"from", "to"}} (name, email) or
    "outcome" (undecided). `left` events are not known, because another transaction holds their rows. `linked` employees
    have a login now.
    """

    compared: Reconciled
    counts: Mapping[str, int] = field(default_factory=dict)
    items: Mapping[str, tuple[Mapping[str, Json], ...]] = field(default_factory=dict)
    left: int = 0
    linked: int = 0

    @property
    def bans(self) -> int:
        """The number of logins that would be banned."""
        return self.counts.get(BAN, 0)

    @property
    def most_bans(self) -> int:
        """The limit of bans in a run without `--max-bans`: 20, or a tenth of the linked employees if that is more.

        Employees that the run links count too.
        """
        return max(LEAST_LIMIT, (self.linked + self.counts.get(LINK, 0)) // SHARE_OF_LINKED)

    def plus(self, found: list[tuple[str, Mapping[str, Json]]], left: int) -> "Plan":
        items = {kind: list(listed) for kind, listed in self.items.items()}
        for kind, item in found:
            listed = items.setdefault(kind, [])
            if len(listed) < MAX_SHOWN:
                listed.append(item)
        return replace(
            self,
            counts=dict(Counter(self.counts) + Counter(kind for kind, _ in found)),
            items={kind: tuple(listed) for kind, listed in items.items()},
            left=self.left + left,
        )


def plan(
    database: Database,
    policy: Policy,
    *,
    names: bool = False,
    progress: Callable[[Reconciled], None] = lambda so_far: None,
) -> Plan:
    """Compare everything, and return what `reconcile` with the same arguments would do. It keeps no change.

    Raises NotPossible if there is no auth.users, Unavailable, DatabaseError.
    """
    begun = begin(database, "", dry_run=True)
    columns = columns_of(policy, begun, names)
    linked = int(database.call("auth_sync_employees_summary_v1")["linked"])
    planned = Plan(Reconciled(begun["users"], begun["known"], failed=begun["failed"]), linked=linked)
    taken: set[int] = set()
    for part in PARTS:
        for page in pages(database, None, part, columns):
            for rows in batches_of(page["planned"]):
                planned = _with_batch(database, policy, planned, rows, taken)
            planned = replace(planned, compared=planned.compared.plus(page, Counter(), 0))
            progress(planned.compared)
    return planned


def _with_batch(database: Database, policy: Policy, planned: Plan, rows: list[Json], taken: set[int]) -> Plan:
    """Add a batch to the plan. `taken` are the employees that an earlier batch links."""
    works: dict[str, Work] = {}
    found: list[tuple[str, Mapping[str, Json]]] = []
    for row in rows:
        try:
            event = payload.from_ledger(row, policy.name_fields)
            works[event.event_id] = handlers.decide(event, policy, via=Via.RECONCILE)
        except InvalidPayload:
            item = {"auth_user_id": row["auth_user_id"], "outcome": Outcome.UNREADABLE}
            found.append((UNDECIDED, item))
    results, actions = preview(database, list(works.values())) if works else ([], [])
    for result in results:
        found += _items(works[result.event_id], result, taken)
    found += [(OF_ACTION[action["operation"]], action) for action in actions if action["operation"] in OF_ACTION]
    return planned.plus(found, len(works) - len(results))


def _items(work: Work, result: Result, taken: set[int]) -> list[tuple[str, Mapping[str, Json]]]:
    user = work.event.user
    item = {"auth_user_id": str(user.id), "employee_id": result.employee_id, "email": user.email}
    if result.status is Status.FAILED:
        return [(UNDECIDED, item | {"outcome": result.outcome})]
    if result.outcome is Outcome.LINKED and result.employee_id is not None:
        if result.employee_id in taken:
            return [(UNDECIDED, item | {"outcome": Outcome.ALREADY_LINKED})]
        taken.add(result.employee_id)
    kinds = {Outcome.LINKED: [LINK], Outcome.ORPHANED: [ORPHAN]}.get(result.outcome, [])
    kinds = kinds + ([NAME] if result.changes.keys() & set(NAME_COLUMNS) else [])
    kinds = kinds + ([EMAIL] if "email" in result.changes else [])
    return [(kind, item | {"changes": result.changes}) for kind in kinds]


def report(planned: Plan, done: Reconciled | None) -> dict[str, Json]:
    """Return a plan, and the run that followed or None, as JSON, for the command and the admin API."""
    compared = planned.compared if done is None else done
    return {
        "dry_run": done is None,
        "users": compared.users,
        "known": compared.known,
        "failed": compared.failed,
        "differences": dict(compared.differences),
        "planned": {
            "counts": dict(planned.counts),
            "items": {kind: [dict(item) for item in items] for kind, items in planned.items.items()},
            "left": planned.left,
            "most_bans": planned.most_bans,
        },
        "outcomes": dict(compared.outcomes),
        "left": compared.left,
    }
