"""The last complete comparison of auth users with employees, and a comparison that an admin requests.

Until the first comparison, the logins from before the installation are unknown, so nobody can say that all is well.
"""

import time
from collections.abc import Callable

from webhook_service.errors import NotPossible
from webhook_service.events import Json
from webhook_service.ledger import plan as plans
from webhook_service.ledger.plan import MAX_SHOWN, Plan
from webhook_service.ledger.reconcile import Reconciled
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.wording.comparisons import PLANNED
from webhook_service.wording.counts import counted, describe

MAX_SECONDS = 20.0
"""The longest comparison that an admin can request from the dashboard."""

OLD_SECONDS = 7 * 86400
"""The age from which a comparison is a finding."""

COMMAND = "webhook-service reconcile"


def current(database: Database) -> Json:
    """Return the last comparison in short: {"can_compare", "seconds", "is_dry", "count"}.

    "can_compare" is False if the database has no auth.users. "seconds" is the age, or None if there was no comparison.
    Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_compared_v1")


def last(database: Database) -> Json:
    """Return the last comparison with its differences, or None: see `auth_sync_comparison_v1`.

    Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_comparison_v1")


def is_missing(compared: Json) -> bool:
    """Return whether auth users and employees could be compared, and never were."""
    return bool(compared["can_compare"]) and compared["seconds"] is None


def compare(
    database: Database, policy: Policy, *, requested_by: str, names: bool = False, max_seconds: float = MAX_SECONDS
) -> Plan:
    """Compare everything, record the comparison, and return what a run of reconcile would do. Changes nothing else.

    Raises NotPossible if there is no auth.users (`no_auth_users`), or if the comparison takes longer than `max_seconds`
    (`comparison_too_long`). Raises Unavailable, DatabaseError.
    """
    detail = f"The company is too large to compare from here. Run `{COMMAND} --dry-run`."
    planned = plans.plan(database, policy, names=names, progress=within(max_seconds, detail))
    note(database, planned, requested_by)
    return planned


def within(max_seconds: float, detail: str) -> Callable[[Reconciled], None]:
    """Return a function that raises NotPossible (`comparison_too_long`) when the time is over."""
    ends = time.monotonic() + max_seconds

    def check(so_far: Reconciled) -> None:
        if time.monotonic() > ends:
            raise NotPossible("comparison_too_long", detail)

    return check


def run(database: Database) -> Json:
    """Return the newest run of reconcile, or None: see `auth_sync_reconcile_run_v1`.

    Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_reconcile_run_v1")


def note(database: Database, planned: Plan, requested_by: str) -> None:
    """Record a comparison whose differences are not corrected. Raises Unavailable, DatabaseError."""
    result = {
        "users": planned.compared.users,
        "differences": dict(planned.compared.differences),
        "shown": people_of(planned),
        "planned": dict(planned.counts),
    }
    database.call("auth_sync_note_comparison_v1", p_who=requested_by, p_is_dry=True, p_result=result)


def people_of(planned: Plan) -> list[Json]:
    """Return the first people that a run would change: {"kind" of PLANNED, "auth_user_id", "employee_id", "email"}."""
    names = ("auth_user_id", "employee_id", "email")
    found = [
        {"kind": kind} | {name: item.get(name) for name in names}
        for kind in PLANNED
        for item in planned.items.get(kind, ())
    ]
    return found[:MAX_SHOWN]


def problem(compared: Json) -> str | None:
    """Say what is wrong with the last comparison, or return None. A run of COMMAND solves it."""
    if not compared["can_compare"]:
        return None
    if compared["seconds"] is None:
        return "employees and auth users were never compared"
    if compared["is_dry"] and compared["count"]:
        one = "the last comparison found {count} difference, not corrected yet"
        many = "the last comparison found {count} differences, not corrected yet"
        return counted(compared["count"], one, many)
    if compared["seconds"] > OLD_SECONDS:
        return f"the last comparison was {describe(compared['seconds'])} ago"
    return None
