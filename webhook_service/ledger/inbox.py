"""The inbox: one row for each person and cause that needs an admin now, with a sentence in words of HR."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhook_service.events import Json
from webhook_service.ledger.rules import rejection
from webhook_service.ports import Database
from webhook_service.wording import inbox as words
from webhook_service.wording.employees import AUTH_FAILURES, NO_ANSWER

MOST_COUNTED = 100
"""The menu counts up to this number."""

URGENT = {"held_mass_deactivation", "held_shared_email", "still_in"}


@dataclass(frozen=True, slots=True)
class Item:
    """A row of the inbox. `kind` is a key of outcomes.KINDS. `facts` is the row of `auth_sync_inbox_v1`."""

    cause: str
    title: str
    kind: str
    says: str
    person: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the inbox. `next` is (group, position) to continue after, or None on the last page."""

    items: list[Item]
    next: tuple[int, int] | None


def page(database: Database, after: tuple[int, int] | None, *, limit: int, has_auth: bool) -> Page:
    """Return a page of the inbox, most severe causes first.

    `has_auth` says whether the Auth Admin API is configured. Raises Unavailable, DatabaseError.
    """
    group, position = after or (None, None)
    found = database.call("auth_sync_inbox_v1", p_group=group, p_position=position, p_limit=limit)
    failure = found["auth_failure"] if has_auth else "no_auth_admin"
    following = found["next"]
    return Page(
        [item(row, auth_failure=failure) for row in found["rows"]],
        (following["group"], following["position"]) if following is not None else None,
    )


def count(database: Database) -> int:
    """Return the number of rows of the inbox, at most MOST_COUNTED. Raises Unavailable, DatabaseError."""
    return int(database.call("auth_sync_inbox_count_v1", p_limit=MOST_COUNTED))


def item(row: Mapping[str, Any], *, auth_failure: str | None) -> Item:
    """Return a row of the inbox in words. `auth_failure` is the reason why Auth is unavailable now, or None."""
    person = name_of(row)
    says = words.SENTENCES[sentence_of(row)].format(
        person=person,
        login=row["login_email"] or words.NO_LOGIN,
        email=row.get("email") or "",
        wanted=row["wanted"] or words.NO_LOGIN,
        number=row.get("employee_number") or "",
        others=", ".join(name_of(other) for other in row["others"]),
        reason=reason_of(row, auth_failure),
        rule=rejection(row["error_message"]),
    )
    cause = row["cause"]
    kind = "waiting" if cause in ("action_waits", "changed_by_client", "same_number", "email_mismatch") else "failed"
    return Item(cause, words.TITLES[cause], kind, says, person, row)


def sentence_of(row: Mapping[str, Any]) -> str:
    """Return the key of the row's sentence in words.SENTENCES."""
    cause, operation = row["cause"], row["operation"]
    if cause == "changed_by_client":
        return "client.update_auth_email" if operation == "update_auth_email" else "client.link"
    if cause in ("action_failed", "action_waits"):
        return f"{cause.removeprefix('action_')}.{operation}"
    if cause == "event_failed":
        key = f"event.{row['outcome']}"
        return f"{key}.none" if not row["others"] and f"{key}.none" in words.SENTENCES else key
    return str(cause)


def name_of(person: Mapping[str, Any]) -> str:
    """Return the name or the e-mail of a person."""
    number = person.get("employee_id")
    without_name = f"employee {number}" if number is not None else person.get("login_email")
    return str(person.get("name") or person.get("email") or without_name or words.NO_NAME)


def reason_of(row: Mapping[str, Any], auth_failure: str | None) -> str:
    """Say why an action is not performed."""
    if row["outcome"] not in (None, "auth_unavailable"):
        return words.REASONS.get(row["outcome"], words.NO_TURN)
    failure = row["error_message"] if row["outcome"] is not None else auth_failure
    if failure is None:
        return words.NO_TURN
    return AUTH_FAILURES.get(str(failure), NO_ANSWER)


def note(compared: Json, *, is_missing: bool, is_old: bool) -> str | None:
    """Say why an empty inbox does not mean that all is well, or return None. `compared`: see `comparison.current`."""
    if is_missing:
        return words.NOT_COMPARED
    if is_old:
        return words.NOT_COMPARED_FOR_A_WEEK
    if compared["can_compare"] and compared["is_dry"] and compared["count"]:
        return words.NOT_CORRECTED
    return None
