"""Doctor's checks of the relay: whether one runs, and which of its loops fail."""

from webhook_service.doctor.findings import Finding, ok, wrong
from webhook_service.events import Json
from webhook_service.ledger import failing_loops
from webhook_service.ledger.wording import describe

MAX_RELAY_SILENCE_SECONDS = 120


def relay(facts: Json) -> list[Finding]:
    """Check the relays. `facts` is the result of `auth_sync_inspect_v1`."""
    return [relay_runs(facts), *loops(facts)]


def relay_runs(facts: Json) -> Finding:
    """Check that a relay has run recently."""
    silent = facts["relay_last_run_seconds"]
    if silent is None or silent > MAX_RELAY_SILENCE_SECONDS:
        says = "none has ever run" if silent is None else f"none has run for {describe(silent)}"
        return wrong("relay", says, "run `webhook-service relay`, or `serve` without RELAY=off")
    return ok("relay", f"ran {describe(silent)} ago")


def loops(facts: Json) -> list[Finding]:
    """Check that the last pass of each relay's loops succeeded."""
    failing = facts["failing_loops"]
    if not failing:
        return [ok("loops", "none is failing")]
    return [wrong("loops", failing_loops.sentence(each), failing_loops.TODO) for each in failing]
