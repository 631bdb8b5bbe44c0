"""Times that a page's form sends."""

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
    """A form's field has no zone, and its label says UTC; what comes with a zone, as in a link, is the same moment."""
    assert parse_filter({"since": typed}) == ({"since": meant}, {})


@pytest.mark.parametrize("typed", ["yesterday", "9999-12-31T23:59-10:00"])
def test_what_is_no_time_is_said_so(typed: str) -> None:
    """The field is marked, and the rest of the filter holds."""
    filter, wrong = parse_filter({"until": typed, "status": "FAILED"})
    assert (filter, list(wrong)) == ({"status": "FAILED"}, ["until"])
