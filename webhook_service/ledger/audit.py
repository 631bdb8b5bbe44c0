"""Records each act of an admin: one entry, written before the act, which gets its result afterwards."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from webhook_service.errors import AuthUncertain, Conflict, ServiceError, Unavailable
from webhook_service.events import Json
from webhook_service.ports import Database

log = logging.getLogger(__name__)

DONE, REFUSED, UNKNOWN = "done", "refused", "unknown"


@dataclass(slots=True)
class Attempt:
    """An act under way. `who` is the admin. `outcome` says how it ended, for an act that can end in several ways."""

    who: str
    outcome: str | None = None


@contextmanager
def attempt(database: Database, who: str, action: str, target: str | None = None, **details: Json) -> Iterator[Attempt]:
    """Record an act in the imperative, such as `link a login`, run the block, and record the result.

    `target` is `event:ID`, `employee:ID`, `replay:ID`, `subscriber:NAME` or None. If the entry cannot be written, the
    block does not run.
    A ServiceError of the block means that the act was refused, unless the database or Auth may have performed it.
    Raises Unavailable, DatabaseError, and the errors of the block.
    """
    entry = database.call("auth_sync_audit_v1", p_who=who, p_action=action, p_target=target, p_details=details)
    current = Attempt(who)
    try:
        yield current
    except ServiceError as error:
        may_be_done = isinstance(error, Unavailable | AuthUncertain) and not isinstance(error, Conflict)
        _end(database, entry, UNKNOWN if may_be_done else REFUSED, error.detail)
        raise
    except BaseException:
        _end(database, entry, UNKNOWN, "An unexpected error occurred. The log has the details.")
        raise
    _end(database, entry, DONE, current.outcome)


def search(database: Database, filter: Mapping[str, Json], *, below: int | None, limit: int) -> Json:
    """Return a page of the entries that match all of `filter` (`who`, `target`, `since`, `until`), newest first.

    The requests of directories that changed nothing are only included with the `filter` {"requests": "true"}.
    The result is {"entries", "next": the `below` of the next page}. "next" is None on the last page.
    Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_audit_search_v1", p_filter=dict(filter), p_below=below, p_limit=limit)


def _end(database: Database, entry: int, result: str, reason: str | None) -> None:
    """Write the result. An error is only logged, because the act has ended already. Its result then stays unknown."""
    try:
        database.call("auth_sync_audit_result_v1", p_id=entry, p_result=result, p_reason=reason)
    except ServiceError as error:
        log.warning("result not audited", extra={"entry": entry, "result": result, "reason": error.reason})
