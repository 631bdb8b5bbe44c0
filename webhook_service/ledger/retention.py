"""Removes old rows that succeeded from the ledger."""

from collections.abc import Callable
from datetime import datetime

from webhook_service.ports import Database

BATCH_SIZE = 5000


def prunable(database: Database, before: datetime) -> int:
    """Count the rows that succeeded and are older than `before`. Raises Unavailable, DatabaseError."""
    return int(database.call("auth_sync_prune_v1", p_before=before.isoformat(), p_limit=BATCH_SIZE, p_dry_run=True))


def prune(database: Database, before: datetime, *, progress: Callable[[int], None] = lambda removed: None) -> int:
    """Remove the rows that succeeded and are older than `before`, and return the number of removed rows.

    `progress` receives the number of rows in each batch. Raises Unavailable, DatabaseError. Earlier batches stay
    removed.
    """
    total = 0
    arguments = {"p_before": before.isoformat(), "p_limit": BATCH_SIZE, "p_dry_run": False}
    while removed := database.call("auth_sync_prune_v1", **arguments):
        total += removed
        progress(removed)
    return total
