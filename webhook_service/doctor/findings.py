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
