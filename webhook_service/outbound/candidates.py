"""Active employees without a login, for whom one can be created."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from webhook_service.events import Json

BEFORE_ALL = -(2**63)
PAGE = 5000

Call = Callable[..., Json]
"""As `Database.call`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An active employee without a login; the e-mail in lower case, without surrounding space."""

    employee_id: int
    email: str


def without_login(call: Call, *, orphans: bool) -> list[Candidate]:
    """All that a login can be created for, by employee_id; with `orphans` also those whose login was deleted."""
    found: list[Candidate] = []
    while page := page_of(call, found[-1].employee_id if found else BEFORE_ALL, PAGE, orphans=orphans):
        found += page
    return found


def page_of(call: Call, after: int, limit: int, *, orphans: bool) -> list[Candidate]:
    page = call("auth_sync_without_login_v1", p_after=after, p_limit=limit, p_orphans=orphans)
    return [Candidate(each["employee_id"], each["email"]) for each in page["employees"]]


def shared_emails(candidates: Sequence[Candidate]) -> frozenset[str]:
    """Those that several have: nobody knows whose the login would be."""
    times = Counter(candidate.email for candidate in candidates)
    return frozenset(email for email, number in times.items() if number > 1)


def printable(email: str) -> str:
    """Without what would move a cursor, or end a line."""
    return "".join(letter if letter.isprintable() else "?" for letter in email)
