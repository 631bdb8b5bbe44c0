"""The times of a relay."""

from webhook_service.loops import LEASE_SECONDS, POLL_SECONDS


def test_a_killed_relay_is_replaced_within_a_minute() -> None:
    """Another relay claims the rows of a killed relay in less than 60 seconds."""
    assert LEASE_SECONDS + POLL_SECONDS < 60
