"""How long the ledger keeps what is done."""

from collections.abc import Callable
from datetime import datetime

from webhook_service.ports import Database

BATCH = 5000


def prunable(database: Database, before: datetime) -> int:
    """How many events are done and older."""
    return int(database.call("auth_sync_prune_v1", p_before=before.isoformat(), p_limit=BATCH, p_dry_run=True))


def prune(database: Database, before: datetime, *, progress: Callable[[int], None] = lambda removed: None) -> int:
    """Removes them, batch by batch; `progress` is told how many each one had. Returns how many in all."""
    total = 0
    while removed := database.call("auth_sync_prune_v1", p_before=before.isoformat(), p_limit=BATCH, p_dry_run=False):
        total += removed
        progress(removed)
    return total
