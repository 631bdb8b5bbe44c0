"""Doctor's checks of the relay: whether one runs, and which of its loops fail."""

from webhook_service.doctor.findings import Finding, ok, wrong
from webhook_service.events import Json
from webhook_service.ledger import failing_loops
from webhook_service.wording.counts import describe, relay_silence


def relay(facts: Json) -> list[Finding]:
    """Check the relays. `facts` is the result of `auth_sync_inspect_v1`."""
    return [relay_runs(facts), *loops(facts)]


def relay_runs(facts: Json) -> Finding:
    """Check that a relay has run recently."""
    seconds = facts["relay_last_run_seconds"]
    silence = relay_silence(seconds, never="no relay has ever run", silent="no relay has run for {age}")
    if silence is not None:
        return wrong("relay", silence, "start one, or `serve` without RELAY=off", "webhook-service relay")
    return ok("relay", f"one ran {describe(seconds)} ago")


def loops(facts: Json) -> list[Finding]:
    """Check that the last pass of each relay's loops succeeded."""
    failing = facts["failing_loops"]
    if not failing:
        return [ok("loops", "none is failing")]
    return [wrong("loops", failing_loops.sentence(each), failing_loops.TODO) for each in failing]
