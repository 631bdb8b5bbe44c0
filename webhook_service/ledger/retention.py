"""Removes old rows that succeeded from the ledger, and old entries from the audit."""

from collections.abc import Callable
from datetime import datetime

from webhook_service.ports import Database

BATCH_SIZE = 5000
LEDGER = "auth_sync_prune_v1"
AUDIT = "auth_sync_prune_audit_v1"
DELIVERIES = "auth_sync_prune_deliveries_v1"


def prunable(database: Database, before: datetime, *, function: str = LEDGER) -> int:
    """Count the rows that succeeded, or with AUDIT the audit's entries, and are older than `before`.

    Raises Unavailable, DatabaseError.
    """
    return int(database.call(function, p_before=before.isoformat(), p_limit=BATCH_SIZE, p_dry_run=True))


def prune(
    database: Database,
    before: datetime,
    *,
    function: str = LEDGER,
    progress: Callable[[int], None] = lambda removed: None,
) -> int:
    """Remove the rows that succeeded, or the entries of the AUDIT, from before `before`. Return their number.

    `progress` receives the number of rows in each batch. Raises Unavailable, DatabaseError. Earlier batches stay
    removed.
    """
    total = 0
    arguments = {"p_before": before.isoformat(), "p_limit": BATCH_SIZE, "p_dry_run": False}
    while removed := database.call(function, **arguments):
        total += removed
        progress(removed)
    return total
