"""Times in the forms of pages."""

import pytest

from webhook_service.web.pages.common import parse_filter


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2026-11-22T14:00", "2026-11-22T14:00:00+00:00"),
        ("2026-11-22", "2026-11-22T00:00:00+00:00"),
        ("2026-11-22T14:00:00+02:00", "2026-11-22T12:00:00+00:00"),
    ],
)
def test_a_time_without_a_zone_is_utc(typed: str, meant: str) -> None:
    """A time without a zone (from a form) is UTC. A time with a zone (from a link) stays the same moment."""
    assert parse_filter({"since": typed}) == ({"since": meant}, {})


@pytest.mark.parametrize("typed", ["yesterday", "9999-12-31T23:59-10:00"])
def test_a_value_that_is_not_a_time_is_marked(typed: str) -> None:
    """The field of an invalid time is marked, and the other fields of the filter apply."""
    filter, wrong = parse_filter({"until": typed, "status": "FAILED"})
    assert (filter, list(wrong)) == ({"status": "FAILED"}, ["until"])
