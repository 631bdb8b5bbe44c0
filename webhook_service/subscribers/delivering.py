"""The relay's loop of subscribers: makes deliveries from the ledger, and sends those that are due.

Any number of relays may run at the same time. A relay claims a delivery under a lease. If the relay dies, another relay
sends the event again after the lease has ended, so a subscriber may get an event twice, with the same webhook-id.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from webhook_service.events import Json
from webhook_service.loops import LEASE_SECONDS, PassResult
from webhook_service.ports import Database
from webhook_service.subscribers.sending import (
    Answer,
    Resolve,
    completed,
    resolve_host,
    send_to,
    trusted_authorities,
)

log = logging.getLogger(__name__)

LOOP = "subscribers"
FEED_SIZE = 1000
"""The number of new rows of the ledger that a pass reads."""

BATCH_SIZE = 20
"""The number of events that a pass sends at once. All end within the time limit of one, long before the lease."""


def run_once(
    database: Database,
    *,
    name: str,
    private_addresses: bool,
    now: Callable[[], datetime],
    limit: int = BATCH_SIZE,
    resolve: Resolve = resolve_host,
) -> PassResult:
    """Make deliveries from the rows of the ledger that have ended, and send at most `limit` due ones.

    `name` is the name of this relay, which its leases carry. The outcomes are done, retried, dead, gone and lease_lost.
    Raises Unavailable, DatabaseError.
    """
    read = database.call("auth_sync_read_feed_v1", p_limit=FEED_SIZE)
    claimed = database.call("auth_sync_claim_deliveries_v1", p_relay=name, p_limit=limit, p_lease_seconds=LEASE_SECONDS)

    tls = trusted_authorities() if claimed else None

    async def deliver(delivery: Json) -> str:
        answer = await send_to(
            delivery,
            delivery["webhook_id"],
            delivery["payload"],
            private_addresses=private_addresses,
            now=now(),
            resolve=resolve,
            tls=tls,
        )
        return await asyncio.to_thread(settle, database, delivery, name, answer)

    async def deliver_all() -> list[str]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(len(claimed)))  # one thread for each settle
        return await asyncio.gather(*map(deliver, claimed))

    outcomes = completed(deliver_all()) if claimed else []
    next_in = 0.0 if read["read"] >= FEED_SIZE else None  # after an import, more rows than one pass reads
    return PassResult(len(claimed) + read["deliveries"], outcomes=Counter(outcomes), next_in=next_in)


def settle(database: Database, delivery: Json, lease: str, answer: Answer) -> str:
    """Record the answer to a delivery, and return the outcome. Raises Unavailable, DatabaseError."""
    outcome = database.call(
        "auth_sync_settle_delivery_v1",
        p_id=delivery["id"],
        p_lease=lease,
        p_status_code=answer.status_code,
        p_error=answer.error,
        p_retry_after=answer.retry_after,
    )
    if answer.error is not None:
        fields = {"subscriber": delivery["subscriber"], "webhook_id": delivery["webhook_id"], "reason": answer.error}
        log.warning("not delivered", extra=fields | {"outcome": outcome, "attempt": delivery["attempts"] + 1})
    return outcome or "lease_lost"
