"""Applies the due events of the ledger with `inbound.processing`: retries, and events that were not delivered.

Any number of relays may run at the same time. A relay claims a row under a lease. If the relay dies, another relay
claims the row after the lease has ended. A failed event is due again later (see `auth_sync_backoff_v1`), until it needs
attention. Actions have a separate loop, `outbound.accounts.Accounts.run_once`. `app.relay_for` builds both loops.
"""

import logging
from collections import Counter

from webhook_service.events import Status, Via
from webhook_service.inbound.processing import process_rows
from webhook_service.loops import LEASE_SECONDS, PassResult
from webhook_service.policy import Policy
from webhook_service.ports import Database

log = logging.getLogger(__name__)

BATCH_SIZE = 200


def run_once(
    database: Database, policy: Policy, *, name: str, limit: int = BATCH_SIZE, lease: int = LEASE_SECONDS
) -> PassResult:
    """Claim at most `limit` due events, and apply them, older versions first.

    `name` is the name of this relay, which its leases carry. `lease` is in seconds. Raises Unavailable, DatabaseError.
    """
    due = database.call("auth_sync_claim_v1", p_relay=name, p_limit=limit, p_lease_seconds=lease)
    rows = due["events"]
    results = process_rows(database, policy, rows, via=Via.RELAY, lease=name)
    settled = {result.event_id for result in results}
    if held := [row["event_id"] for row in rows if row["event_id"] not in settled]:
        database.call("auth_sync_postpone_v1", p_event_ids=held, p_lease=name)
    for result in results:
        if result.status is Status.FAILED:
            fields = {"event_id": result.event_id, "outcome": result.outcome, "employee_id": result.employee_id}
            log.warning("not applied", extra=fields)
    return PassResult(len(rows), len(held), Counter(str(result.outcome) for result in results), due["next_in"])
