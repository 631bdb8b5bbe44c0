"""All requests that arrive during a check share its result."""

from contextlib import suppress
from threading import Event

import pytest

from webhook_service.web.shared_check import SharedCheck

PATIENCE = 60.0


def test_a_kept_result_is_not_checked_again() -> None:
    """A result is used again for the given time."""
    checks: list[int] = []
    shared = SharedCheck(lambda: checks.append(1), PATIENCE, keep_seconds=PATIENCE)
    shared.result()
    shared.result()
    assert checks == [1]


def test_each_request_after_a_check_makes_another() -> None:
    """Without a time for which results are kept, a request after the end of a check makes another check."""
    checks: list[int] = []
    shared = SharedCheck(lambda: checks.append(1), PATIENCE)
    shared.result()
    shared.result()
    assert checks == [1, 1]


def test_a_slow_check_ends_at_the_deadline_and_its_result_is_used() -> None:
    """After the deadline, a request has no result. The check continues, and a later request gets its result."""
    may_end = Event()
    checks: list[int] = []

    def check() -> int:
        checks.append(1)
        may_end.wait(PATIENCE)
        return 7

    shared = SharedCheck(check, seconds=0.0, keep_seconds=PATIENCE)
    with pytest.raises(TimeoutError):
        shared.result()
    may_end.set()
    results: list[int] = []
    while not results:
        with suppress(TimeoutError):
            results.append(shared.result())
    assert (results, checks) == ([7], [1])


def test_an_error_is_raised_for_each_request() -> None:
    """The error of a check is raised, and the next request makes another check."""
    checks: list[int] = []

    def check() -> None:
        checks.append(1)
        raise LookupError

    shared = SharedCheck(check, PATIENCE, keep_seconds=PATIENCE)
    for _ in range(2):
        with pytest.raises(LookupError):
            shared.result()
    assert checks == [1, 1]
