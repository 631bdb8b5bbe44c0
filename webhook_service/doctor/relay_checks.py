"""Doctor's checks of the relay: whether one runs, which of its loops fail, and what subscribers did not get."""

from webhook_service.doctor.findings import Finding, note, ok, wrong
from webhook_service.events import Json
from webhook_service.ledger import failing_loops
from webhook_service.wording.counts import counted, describe, relay_silence

COMMAND = "webhook-service subscribers"


def relay(facts: Json) -> list[Finding]:
    """Check the relays. `facts` is the result of `auth_sync_inspect_v1`."""
    return [relay_runs(facts), *loops(facts), *subscribers(facts)]


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


def subscribers(facts: Json) -> list[Finding]:
    """Check that no delivery is dead, and that no subscriber was disabled by a 410. If all is well, find nothing."""
    numbers = facts.get("deliveries") or {}
    found = []
    if dead := numbers.get("dead_deliveries"):
        says = counted(dead, "{count} delivery is no longer retried", "{count} deliveries are no longer retried")
        found.append(wrong("subscribers", says, "fix the subscriber, then replay them", f"{COMMAND} list"))
    if disabled := numbers.get("disabled_subscribers"):
        says = counted(disabled, "{count} subscriber answered 410", "{count} subscribers answered 410")
        found.append(note("subscribers", f"{says} and is disabled", "enable or remove it", f"{COMMAND} list"))
    return found
