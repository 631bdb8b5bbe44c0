"""The times of a relay, and the end of its loops."""

from webhook_service.loops import LEASE_SECONDS, MAX_WAIT_SECONDS, POLL_SECONDS, Loop, PassResult, Relay


def test_a_killed_relay_is_replaced_within_a_minute() -> None:
    """Another relay claims the rows of a killed relay in less than 60 seconds."""
    assert LEASE_SECONDS + POLL_SECONDS < 60


def test_a_relay_that_waits_notices_its_stop() -> None:
    """A relay that is stopped during a long wait ends after the current call of `wait`, which is short."""
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        relay.stop()
        return False

    relay = Relay(Loop("events", lambda name: PassResult(), wait, every=3600))
    relay.run()
    assert waits == [MAX_WAIT_SECONDS]
