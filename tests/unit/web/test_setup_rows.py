"""The rows of the page /admin/setup, from doctor's findings."""

from dataclasses import replace

import pytest

from webhook_service.doctor.findings import Level, ok, wrong
from webhook_service.web.pages import setup


@pytest.mark.parametrize("level", [Level.NOTE, Level.WRONG, Level.UNKNOWN])
def test_every_problem_is_shown(level: Level) -> None:
    """The page shows each finding that is not ok, also of a check that it does not always name."""
    problem = replace(wrong("held_bans", "3 wait for an admin", "read the list"), level=level)
    assert [row.says for row in setup.grouped([problem])[setup.OTHERS]] == ["3 wait for an admin."]


def test_other_good_findings_are_not_shown() -> None:
    """A finding that is ok is left out if it belongs to no step of the setup."""
    assert setup.OTHERS not in setup.grouped([ok("silence", "the newest user has an event")])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("it answers", "It answers."),
        ("auth.users has users", "auth.users has users."),
        ("It broke.", "It broke."),
        ("migrate; or is it another one?", "migrate; or is it another one?"),
        ("", ""),
    ],
)
def test_a_finding_is_a_sentence(text: str, shown: str) -> None:
    """A finding begins with a capital letter, unless it begins with a name, and ends with one full stop."""
    assert setup.sentence(text) == shown
