"""Active employees without a login."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from webhook_service.events import Json

BEFORE_ALL = -(2**63)
PAGE_SIZE = 5000

Call = Callable[..., Json]
"""A function with the signature of `Database.call`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An active employee without a login. `email` is in lower case, without surrounding spaces."""

    employee_id: int
    email: str


def without_login(call: Call, *, orphans: bool) -> list[Candidate]:
    """Return all candidates, ordered by employee_id. `orphans` includes employees whose login was deleted.

    Raises the errors of `call`.
    """
    found: list[Candidate] = []
    while page := page_of(call, found[-1].employee_id if found else BEFORE_ALL, PAGE_SIZE, orphans=orphans):
        found += page
    return found


def page_of(call: Call, after: int, limit: int, *, orphans: bool) -> list[Candidate]:
    """Return at most `limit` candidates whose employee_id is greater than `after`."""
    page = call("auth_sync_without_login_v1", p_after=after, p_limit=limit, p_orphans=orphans)
    return [Candidate(each["employee_id"], each["email"]) for each in page["employees"]]


def shared_emails(candidates: Sequence[Candidate]) -> frozenset[str]:
    """Return the e-mails that several candidates have. A login with such an e-mail would be ambiguous."""
    times = Counter(candidate.email for candidate in candidates)
    return frozenset(email for email, number in times.items() if number > 1)


def shared_among(call: Call, emails: Sequence[str], *, orphans: bool) -> frozenset[str]:
    """Return those of the e-mails that several candidates have, without reading all candidates.

    Raises the errors of `call`.
    """
    return frozenset(call("auth_sync_shared_emails_v1", p_emails=list(emails), p_orphans=orphans))


def printable(email: str) -> str:
    """Replace the characters that move a terminal's cursor or end a line by `?`."""
    return "".join(letter if letter.isprintable() else "?" for letter in email)
