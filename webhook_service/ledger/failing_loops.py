"""The loops of relays that fail: recorded by each relay, and read by doctor, /readyz, the overview and the notices."""

from collections.abc import Iterable

from webhook_service.events import Json
from webhook_service.loops import LoopFailure
from webhook_service.ports import Database
from webhook_service.wording.counts import describe

CONSEQUENCES = {
    "events": "Meanwhile changes in Auth reach employees only if a webhook delivers them, and failed events are not"
    " retried.",
    "actions": "Meanwhile a dismissed employee may still be able to sign in.",
    "replays": "Meanwhile bulk replays do not go on.",
    "monitor": "Meanwhile the lists of differences are out of date.",
    "attention": "Meanwhile failed events whose cause is gone do not close.",
    "subscribers": "Meanwhile subscribers get no events; none is lost.",
    "notices": "Meanwhile no notices are sent.",
    "reconcile": "Meanwhile changes that no trigger captured are not found.",
}
"""{loop: what happens while it is failing}."""

FAILS = "The loop `{loop}` has failed for {age}: {detail}"
FAILS_IN_RELAYS = "The loop `{loop}` has failed for {age} in {relays} relays: {detail}"

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
    template = FAILS if failing["relays"] < 2 else FAILS_IN_RELAYS
    values = {name: failing[name] for name in ("loop", "relays", "detail")} | {"age": describe(failing["seconds"])}
    says = template.format(**values)
    consequence = CONSEQUENCES.get(failing["loop"])
    return says if consequence is None else f"{says} {consequence}"


def names(failing: Iterable[Json]) -> str:
    """List the names of failing loops."""
    return ", ".join(f"`{each['loop']}`" for each in failing)
