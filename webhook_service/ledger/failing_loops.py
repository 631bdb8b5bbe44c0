"""The loops of relays that fail: recorded by each relay, and read by doctor, /readyz, the overview and the notices."""

from collections.abc import Iterable

from webhook_service.events import Json
from webhook_service.ledger.wording import describe
from webhook_service.loops import LoopFailure
from webhook_service.ports import Database

CONSEQUENCES = {
    "events": "changes in Auth reach employees only if a webhook delivers them, and failed events are not retried",
    "actions": "a dismissed employee can still sign in",
    "replays": "bulk replays do not go on",
    "monitor": "the lists of differences are out of date",
    "attention": "failed events whose cause is gone do not close",
    "notices": "no notices are sent",
    "reconcile": "changes that no trigger captured are not found",
}
"""{loop: what happens while it is failing}."""

TODO = "fix the cause; the warnings `relay pass failed` in the log of the relay have the whole error"


def record(database: Database, relay: str, loop: str, failure: LoopFailure | None) -> None:
    """Record a failed pass of a loop, or with None that it is failing no longer. Raises Unavailable, DatabaseError."""
    if failure is None:
        database.call("auth_sync_loop_recovered_v1", p_relay=relay, p_loop=loop)
    else:
        database.call(
            "auth_sync_loop_failed_v1",
            p_relay=relay,
            p_loop=loop,
            p_reason=failure.reason,
            p_detail=failure.detail,
            p_seconds=failure.seconds,
        )


def sentence(failing: Json) -> str:
    """Describe a loop of `auth_sync_failing_loops_v1`: its name, for how long it fails, why, and the consequence."""
    relays = f" in {failing['relays']} relays" if failing["relays"] > 1 else ""
    consequence = CONSEQUENCES.get(failing["loop"])
    then = f" Meanwhile {consequence}." if consequence else ""
    return (
        f"The loop `{failing['loop']}` has failed for {describe(failing['seconds'])}{relays}: {failing['detail']}{then}"
    )


def names(failing: Iterable[Json]) -> str:
    """List the names of failing loops."""
    return ", ".join(f"`{each['loop']}`" for each in failing)
