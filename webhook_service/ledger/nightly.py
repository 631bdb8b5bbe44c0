"""Reconciles once a day in a relay, so that nobody needs a cron job. All relays share the day's run."""

import logging
from datetime import time

from webhook_service.errors import NotPossible
from webhook_service.ledger import comparison
from webhook_service.ledger.plan import Plan, plan
from webhook_service.ledger.reconcile import begin, end, reconcile
from webhook_service.loops import PassResult
from webhook_service.policy import Policy
from webhook_service.ports import Database

log = logging.getLogger(__name__)

POLL_SECONDS = 60.0
REQUESTED_BY = "relay"


def run_once(database: Database, policy: Policy, at: time) -> PassResult:
    """Reconcile if no run has begun since this time of the day (UTC) was last reached, or an hour after a failed run.

    On the day of the installation there is no run, so that a person can make the first one. If the run would ban
    more logins than `reconcile` allows without `--max-bans`, it changes nothing, and the ledger records it as failed.
    Raises Unavailable, DatabaseError.
    """
    if not is_due(database, at):
        return PassResult()
    try:
        planned = plan(database, policy)
        if not is_due(database, at):  # another relay was faster
            return PassResult()
        if planned.bans > planned.most_bans:
            refuse(database, planned)
        else:
            done = reconcile(database, policy, requested_by=REQUESTED_BY, dry_run=False)
            log.info("reconciled", extra={"differences": dict(done.differences), "outcomes": dict(done.outcomes)})
    except NotPossible as error:  # another run is in progress
        log.info("not reconciled", extra={"reason": error.reason})
    return PassResult()


def is_due(database: Database, at: time) -> bool:
    return bool(database.call("auth_sync_reconcile_is_due_v1", p_at=at.isoformat("minutes")))


def refuse(database: Database, planned: Plan) -> None:
    """Record a run that has changed nothing. Raises NotPossible if another run is in progress."""
    detail = (
        f"The run would ban {planned.bans} logins, and the limit is {planned.most_bans}. Nothing was changed. See the"
        " names with `webhook-service reconcile --dry-run`, and run it with --max-bans if these people have left."
    )
    end(database, begin(database, REQUESTED_BY, dry_run=False)["run"], planned.compared, detail)
    comparison.note(database, planned, REQUESTED_BY)
    log.warning("not reconciled", extra={"reason": "too_many_bans"})
