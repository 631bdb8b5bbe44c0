"""What doctor finds."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is a stable name; `says` what is the case; `todo` what to do about it, if anything."""

    check: str
    level: Level
    says: str
    todo: str = ""


def ok(check: str, says: str) -> Finding:
    return Finding(check, Level.OK, says)


def note(check: str, says: str, todo: str) -> Finding:
    return Finding(check, Level.NOTE, says, todo)


def wrong(check: str, says: str, todo: str) -> Finding:
    return Finding(check, Level.WRONG, says, todo)


def describe(seconds: float) -> str:
    """83 -> 1 min."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"
