"""The inbox: one row for each person and cause that needs an admin now, with a sentence in words of HR."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhook_service.events import Json
from webhook_service.ledger.rules import rejection
from webhook_service.ledger.wording import AUTH_FAILURES, NO_ANSWER
from webhook_service.ports import Database

MOST_COUNTED = 100
"""The menu counts up to this number."""

SENTENCES = {
    "held_mass_deactivation": "{person} was deactivated together with an unusual share of the employees."
    " The login still works until you decide.",
    "held_shared_email": "{person} was deactivated, but another employee may own the login {login}."
    " It still works until you decide.",
    "still_in": "{person} was deactivated, but the login still works, and nothing is under way to disable it.",
    "client.update_auth_email": "A user changed the e-mail of {person} to {wanted} without proof. Is it right?",
    "client.link": "A user gave the login {login} to {person} without proof. Is it right?",
    "failed.disable_auth_user": "The login of {person}, who does not work here, could not be disabled"
    " and still works: {reason}.",
    "failed.enable_auth_user": "The login of {person} could not be enabled: {reason}.",
    "failed.update_auth_email": "The login of {person} could not get the e-mail {wanted}: {reason}.",
    "failed.create_auth_user": "A login for {person} could not be created: {reason}.",
    "waits.disable_auth_user": "{person} does not work here, but the login still works, because {reason}."
    " It is retried.",
    "waits.enable_auth_user": "The login of {person} is still disabled, because {reason}. It is retried.",
    "waits.update_auth_email": "The login of {person} does not have the e-mail {wanted} yet, because {reason}."
    " It is retried.",
    "waits.create_auth_user": "The login of {person} is not created yet, because {reason}. It is retried.",
    "event.ambiguous": "Several employees match the login {login}: {others}. Choose the one who owns it.",
    "event.ambiguous.none": "Several employees matched the login {login}. Try again.",
    "event.already_linked": "A second login, {login}, matches {others}, who has another login.",
    "event.already_linked.none": "A second login, {login}, matches an employee who has another login.",
    "event.email_taken": "The e-mail {login} of the login of {person} belongs to {others} in the employees table.",
    "event.email_taken.none": "The e-mail {login} of the login of {person} belongs to another employee.",
    "event.employee_rejected": "The login of {person} could not be linked or copied. {rule}",
    "event.unreadable": "A change of the login of {person} cannot be read, so it is missing here.",
    "event.not_applied": "A change of the login of {person} could not be saved, and is no longer retried.",
    "same_number": "{person} and {others} have the same employee number, {number}."
    " The number decides who gets a login.",
    "orphaned": "The login of {person}, who works here, was deleted.",
    "email_mismatch": "{person} has the e-mail {email}, but the login has {login}.",
    "unusable_email": "{person} cannot get a login, because “{email}” is not an e-mail address.",
}
"""The sentences, whole, with named values."""

REASONS = {
    "user_not_found": "Supabase does not know the login",
    "email_taken": "another login has this e-mail",
    "auth_refused": "Supabase refused the change",
    "auth_unavailable": NO_ANSWER,
    "not_performed": "Supabase accepted the change, but did not keep it",
}
"""Why an action is not performed, by its outcome."""

NOT_CONFIGURED = AUTH_FAILURES["no_auth_admin"]
NO_TURN = "the service has not come to it"
NO_NAME = "an unknown person"
NO_LOGIN = "without an e-mail"

TITLES = {
    "held_mass_deactivation": "Ban waits for you",
    "held_shared_email": "Ban waits for you",
    "still_in": "Can still sign in",
    "changed_by_client": "Waits for approval",
    "action_failed": "Needs attention",
    "action_waits": "Retrying",
    "event_failed": "Needs attention",
    "same_number": "Same number",
    "orphaned": "Login deleted",
    "email_mismatch": "E-mail differs",
    "unusable_email": "Unusable e-mail",
}
"""The causes in a few words."""

URGENT = {"held_mass_deactivation", "held_shared_email", "still_in"}


@dataclass(frozen=True, slots=True)
class Item:
    """A row of the inbox. `kind` is a key of wording.KINDS. `facts` is the row of `auth_sync_inbox_v1`."""

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
    says = SENTENCES[sentence_of(row)].format(
        person=person,
        login=row["login_email"] or NO_LOGIN,
        email=row.get("email") or "",
        wanted=row["wanted"] or NO_LOGIN,
        number=row.get("employee_number") or "",
        others=" and ".join(name_of(other) for other in row["others"]),
        reason=reason_of(row, auth_failure),
        rule=rejection(row["error_message"]),
    )
    cause = row["cause"]
    kind = "waiting" if cause in ("action_waits", "changed_by_client", "same_number", "email_mismatch") else "failed"
    return Item(cause, TITLES[cause], kind, says, person, row)


def sentence_of(row: Mapping[str, Any]) -> str:
    """Return the key of the row's sentence in SENTENCES."""
    cause, operation = row["cause"], row["operation"]
    if cause == "changed_by_client":
        return "client.update_auth_email" if operation == "update_auth_email" else "client.link"
    if cause in ("action_failed", "action_waits"):
        return f"{cause.removeprefix('action_')}.{operation}"
    if cause == "event_failed":
        key = f"event.{row['outcome']}"
        return f"{key}.none" if not row["others"] and f"{key}.none" in SENTENCES else key
    return str(cause)


def name_of(person: Mapping[str, Any]) -> str:
    """Return the name or the e-mail of a person."""
    number = person.get("employee_id")
    without_name = f"employee {number}" if number is not None else person.get("login_email")
    return str(person.get("name") or person.get("email") or without_name or NO_NAME)


def reason_of(row: Mapping[str, Any], auth_failure: str | None) -> str:
    """Say why an action is not performed."""
    if row["outcome"] not in (None, "auth_unavailable"):
        return REASONS.get(row["outcome"], NO_TURN)
    failure = row["error_message"] if row["outcome"] is not None else auth_failure
    if failure is None:
        return NO_TURN
    return AUTH_FAILURES.get(str(failure), NO_ANSWER)


def note(compared: Json, *, is_missing: bool, is_old: bool) -> str | None:
    """Say why an empty inbox does not mean that all is well, or return None. `compared`: see `comparison.current`."""
    if is_missing:
        return "Employees and logins have not been compared yet, so there may be problems that are not known here."
    if is_old:
        return "Employees and logins were not compared for a week, so there may be problems that are not known here."
    if compared["can_compare"] and compared["is_dry"] and compared["count"]:
        return "The last comparison found differences that are not corrected yet."
    return None
