"""The findings of `doctor`."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of doctor's report.

    `check` is the stable name of the check, `says` what it found, and `todo` what to do about it ("": nothing).
    """

    check: str
    level: Level
    says: str
    todo: str = ""


def ok(check: str, says: str) -> Finding:
    """A finding that needs no attention."""
    return Finding(check, Level.OK, says)


def note(check: str, says: str, todo: str) -> Finding:
    """A finding that may be intended."""
    return Finding(check, Level.NOTE, says, todo)


def wrong(check: str, says: str, todo: str) -> Finding:
    """A finding that must be fixed."""
    return Finding(check, Level.WRONG, says, todo)
