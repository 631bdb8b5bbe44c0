"""The findings of `doctor`, which the Setup page shows too."""

from dataclasses import dataclass
from enum import StrEnum

from webhook_service.ledger import comparison

MIGRATE = "webhook-service migrate"
RECONCILE = comparison.COMMAND
MIGRATE_AND_RECONCILE = f"{MIGRATE} && {RECONCILE}"


class Level(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of doctor's report.

    `check` is the stable name of the check. `says` is the finding in words. `todo` is the advice to the admin, or "".
    `command` is the command, the setting or the SQL of the advice, to be copied, or "".
    """

    check: str
    level: Level
    says: str
    todo: str = ""
    command: str = ""


def ok(check: str, says: str) -> Finding:
    """Return a finding that needs no attention."""
    return Finding(check, Level.OK, says)


def note(check: str, says: str, todo: str, command: str = "") -> Finding:
    """Return a finding that may be intended."""
    return Finding(check, Level.NOTE, says, todo, command)


def wrong(check: str, says: str, todo: str, command: str = "") -> Finding:
    """Return a finding that must be fixed."""
    return Finding(check, Level.WRONG, says, todo, command)


def unknown(check: str, says: str, todo: str) -> Finding:
    """Return a finding of a check that failed with an error."""
    return Finding(check, Level.UNKNOWN, says, todo)
