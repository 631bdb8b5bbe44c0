"""The page /admin/inbox, which lists what needs an admin now, each with the actions that end it."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, g, render_template, request, url_for

from webhook_service.errors import ServiceError
from webhook_service.ledger import comparison, inbox
from webhook_service.ledger.inbox import MOST_COUNTED, Item
from webhook_service.outbound import held
from webhook_service.outbound.held import Reason
from webhook_service.ports import Database
from webhook_service.web import Wiring
from webhook_service.web.pages.common import PAGE
from webhook_service.web.pages.roles import may_use
from webhook_service.wording import inbox as words
from webhook_service.wording.counts import relay_silence

POSITION = re.compile(r"([1-9])\.(-?[0-9]{1,18})", re.ASCII)
MAX_HELD = 20


@dataclass(frozen=True, slots=True)
class Offer:
    """A link to a page, or a button that posts `fields`. `question` is asked before the form is sent."""

    label: str
    endpoint: str
    path: str
    is_link: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)
    question: str | None = None
    is_severe: bool = False


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("inbox", __name__, url_prefix="/admin")
    database = wiring.database

    @views.get("/inbox")
    def page() -> str:
        after = position()
        found = inbox.page(database, after, limit=PAGE, has_auth=wiring.accounts is not None)
        compared = comparison.current(database)
        is_missing = comparison.is_missing(compared)
        is_old = not is_missing and (compared["seconds"] or 0) > comparison.OLD_SECONDS
        is_empty = not found.items and after is None
        has_held = after is None and any(item.cause.startswith("held_") for item in found.items)
        here = url_for("inbox.page", after=request.args.get("after") if after is not None else None)
        return render_template(
            "inbox.html",
            rows=[(item, [each for each in offers(item, here) if may_use(each.endpoint)]) for item in found.items],
            next=f"{found.next[0]}.{found.next[1]}" if found.next is not None else None,
            is_first=after is None,
            here=here,
            held={reason: held.held(database, MAX_HELD, reason) for reason in Reason} if has_held else {},
            note=inbox.note(compared, is_missing=is_missing, is_old=is_old),
            can_compare=is_missing or is_old,
            silence=silence(database) if is_empty else None,
        )

    return views


def silence(database: Database) -> str | None:
    """Say that no relay runs, or return None. Raises Unavailable, DatabaseError."""
    seconds = database.call("auth_sync_readiness_v1")["relay_last_run_seconds"]
    return relay_silence(seconds, never=words.RELAY_NEVER_RAN, silent=words.RELAY_SILENT)


def position() -> tuple[int, int] | None:
    """Return the position after which the page continues, or None for the first page."""
    found = POSITION.fullmatch(request.args.get("after", ""))
    return (int(found[1]), int(found[2])) if found else None


def menu_count(wiring: Wiring) -> Callable[[], str]:
    """Return the function that gives the menu the number of rows, such as 7 or 99+, or an empty text.

    A page never fails because of it, and a page about an error has no number.
    """

    def counted() -> str:
        if g.get("is_error"):
            return ""
        try:
            found = inbox.count(wiring.database)
        except ServiceError:
            return ""
        return f"{MOST_COUNTED - 1}+" if found >= MOST_COUNTED else str(found or "")

    return counted


def offers(item: Item, here: str) -> Iterator[Offer]:
    """Yield what an admin can do about a row. `here` is the page of the inbox, to which an edit returns."""
    facts, cause = item.facts, item.cause
    employee_id, outcome = facts.get("employee_id"), facts["outcome"]
    if cause in inbox.URGENT and employee_id is not None:
        yield switch(item, words.LABELS["ban"], words.BAN_QUESTION)
    elif cause == "changed_by_client":
        yield on_event(facts, words.LABELS["approve"], "events.replay_event")
        yield on_event(facts, words.LABELS["drop"], "events.drop_change")
    elif cause in ("action_failed", "action_waits"):
        label = words.LABELS["try_again" if cause == "action_failed" else "try_now"]
        yield on_event(facts, label, "events.replay_event")
    elif cause == "event_failed":
        if outcome == "ambiguous":
            yield from (choose(item, other) for other in facts["others"])
        yield on_event(facts, words.LABELS["try_again"], "events.replay_event")
    elif cause == "orphaned":
        path = url_for("people.person", employee_id=employee_id, _anchor="choose-title")
        yield Offer(words.LABELS["give_login"], "people.give_login", path, is_link=True)
        yield switch(item, words.LABELS["deactivate"], words.DEACTIVATE_QUESTION)
    if is_about_values(item):
        if employee_id is not None:
            yield edit(facts, item.person, here)
        if outcome != "ambiguous":
            yield from (edit(other, inbox.name_of(other), here) for other in facts["others"] if other["employee_id"])


def is_about_values(item: Item) -> bool:
    """Return whether a correction of an employee ends the cause."""
    if item.cause in ("same_number", "email_mismatch", "unusable_email"):
        return True
    return item.cause in ("event_failed", "action_failed") and item.facts["outcome"] in (
        "email_taken",
        "already_linked",
        "employee_rejected",
    )


def switch(item: Item, label: str, question: str) -> Offer:
    endpoint = "people.switch"
    path = url_for(endpoint, employee_id=item.facts["employee_id"])
    asked = question.format(person=item.person)
    return Offer(label, endpoint, path, fields={"is_active": "false"}, question=asked, is_severe=True)


def on_event(facts: Mapping[str, Any], label: str, endpoint: str) -> Offer:
    return Offer(label, endpoint, url_for(endpoint, event_id=facts["event_id"]))


def choose(item: Item, other: Mapping[str, Any]) -> Offer:
    """Return the button that gives the login to one of the employees who match it."""
    name, login = inbox.name_of(other), item.facts["login_email"] or item.facts["auth_user_id"]
    endpoint = "people.give_login"
    return Offer(
        words.LABELS["choose"].format(person=name),
        endpoint,
        url_for(endpoint, employee_id=other["employee_id"]),
        fields={"auth_user_id": item.facts["auth_user_id"]},
        question=words.CHOOSE_QUESTION.format(login=login, person=name),
    )


def edit(person: Mapping[str, Any], name: str, here: str) -> Offer:
    endpoint = "edit.page"
    label = words.LABELS["edit"].format(person=name)
    return Offer(label, endpoint, url_for(endpoint, employee_id=person["employee_id"], next=here), is_link=True)
