"""The relay's times."""

from webhook_service.loops import LEASE_SECONDS, POLL_SECONDS


def test_a_killed_relay_is_followed_within_a_minute() -> None:
    """A lease ends, and another relay looks, well before 60 seconds are over."""
    assert LEASE_SECONDS + POLL_SECONDS < 60
