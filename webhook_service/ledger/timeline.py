"""The timeline of an employee: events, failed attempts, actions and the acts of admins, as sentences."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webhook_service.events import Json
from webhook_service.ledger.rules import rejection
from webhook_service.ports import Database
from webhook_service.wording import timeline as words
from webhook_service.wording.audit import LONGEST_ACT
from webhook_service.wording.outcomes import meaning

CURSOR = re.compile(r"(-?[0-9]{1,18})\.(act|attempt|event)\.([0-9]{1,18})", re.ASCII)
NAMES = ("first_name", "last_name")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its time, its sentences, and `kind`, a key of outcomes.KINDS.

    `event_id` is the event or action that it is about, or None. `technical` is the recorded data.
    """

    at: str
    says: tuple[str, ...]
    kind: str
    event_id: str | None
    technical: Json


@dataclass(frozen=True, slots=True)
class Page:
    """A page of entries, newest first. `next` is the cursor of the next page, or None.

    `is_cut` says whether the ledger has older events of the person, which no page shows.
    """

    entries: list[Entry]
    next: str | None
    is_cut: bool


def page(database: Database, employee_id: int, cursor: str, *, limit: int, now: datetime) -> Page:
    """Return the entries of an employee after a cursor. An invalid cursor is the start.

    Raises Unavailable, DatabaseError.
    """
    match = CURSOR.fullmatch(cursor)
    before = {"at": int(match[1]), "source": match[2], "id": int(match[3])} if match else None
    found = database.call("auth_sync_timeline_v1", p_employee_id=employee_id, p_before=before, p_limit=limit)
    following = found["next"]
    return Page(
        [entry(row, now) for row in found["entries"]],
        "{at}.{source}.{id}".format(**following) if following is not None else None,
        found["is_cut"],
    )


def entry(row: Mapping[str, Any], now: datetime) -> Entry:
    """Return an entry of `auth_sync_timeline_v1` in words."""
    if row["source"] == "act":
        target = row["target"] or ""
        event_id = target.removeprefix("event:") if target.startswith("event:") else None
        kind = {"done": "done", "pending": "waiting"}.get(row["result"], "failed")
        return Entry(row["at"], tuple(act(row, now)), kind, event_id, None)
    technical = {"event_id": row["event_id"], "changes": row["changes"], "request_data": row["request_data"]}
    if row["error_message"]:
        technical["error_message"] = row["error_message"]
    if row["source"] == "attempt":
        failed = words.NOT_APPLIED_AT_FIRST.format(reason=reason(row))
        return Entry(row["at"], (full(failed), *tried(row["times"])), "same", row["event_id"], technical)
    state = {"FAILED": "failed", "PENDING": "waiting"}.get(row["status"])
    return Entry(
        row["at"],
        tuple(sentences(row)),
        state or meaning(row["direction"], row["outcome"]).kind,
        row["event_id"],
        technical,
    )


def sentences(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield what became of an event or action, with a full stop. `row` has changes and request_data."""
    if row["direction"] == "outbound":
        yield full(action(row))
    elif row["status"] == "FAILED":
        yield full(words.NOT_APPLIED.format(reason=reason(row)))
    else:
        changes = list(changed(row["changes"]))
        if row["outcome"] != "synced" or not changes:
            yield full(event(row))
        yield from map(full, changes)
    if row["status"] == "FAILED":
        yield from tried(row["attempts"])


def full(sentence: str) -> str:
    """Return the sentence with a full stop."""
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def tried(times: int) -> tuple[str, ...]:
    return (words.TRIED.format(times=times),) if times > 1 else ()


def event(row: Mapping[str, Any]) -> str:
    """Return the sentence about an event that was applied, or waits."""
    outcome = row["outcome"] or "pending"
    if outcome == "linked" and number_of(row["request_data"]):
        return words.EVENTS["linked.number"]
    known = words.EVENTS.get(f"{outcome}.{row['operation']}") or words.EVENTS.get(outcome)
    return known or words.OTHER.format(operation=row["operation"], outcome=outcome)


def number_of(data: Mapping[str, Any]) -> Json:
    """Return the employee number of a login, from the payload of a captured event or from the mapped state."""
    record = data.get("record")
    if isinstance(record, dict):
        metadata = record.get("raw_app_meta_data")
        return metadata.get("employee_number") if isinstance(metadata, dict) else None
    return data.get("employee_number")


def changed(changes: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for the name and one for the e-mail, if they were changed."""
    for key, columns in (("name", NAMES), ("email", ("email",))):
        found = [changes[column] for column in columns if isinstance(changes.get(column), dict)]
        before = " ".join(str(each["from"]) for each in found if each.get("from"))
        after = " ".join(str(each["to"]) for each in found if each.get("to"))
        if before != after:
            form = key if before and after else f"{key}.added" if after else f"{key}.removed"
            yield words.CHANGED[form].format(before=before, after=after)


def reason(row: Mapping[str, Any]) -> str:
    """Say why an event or action failed."""
    if row["direction"] == "outbound":
        return words.ACTION_FAILURES.get(row["outcome"], words.UNKNOWN_FAILURE)
    rule = rejection(row["error_message"])
    return words.FAILURES.get(row["outcome"], words.UNKNOWN_FAILURE).format(rule=rule[:1].lower() + rule[1:])


def action(row: Mapping[str, Any]) -> str:
    """Return the sentence about an action in Auth."""
    state = {"FAILED": "failed", "PENDING": "pending"}.get(row["status"], row["outcome"])
    who, key = row["request_data"].get("requested_by"), f"{row['operation']}.{state}"
    key = f"{key}.by" if who and f"{key}.by" in words.ACTIONS else key
    values = {"email": row["request_data"].get("email") or "", "who": who, "reason": reason(row)}
    values |= {"operation": row["operation"], "outcome": row["outcome"]}
    return words.ACTIONS.get(key, words.OTHER).format(**values)


def act(row: Mapping[str, Any], now: datetime) -> Iterator[str]:
    """Yield what an admin did, or tried to do. `row` is an entry of the audit."""
    values = {"who": row["who"], "action": row["action"]}
    if row["result"] == "refused":
        template = words.REFUSED.get(row["action"], words.OTHER_REFUSED)
        yield full(template.format(reason=row["reason"] or words.UNKNOWN_FAILURE, **values))
        return
    template = words.ACTS.get(row["action"], words.OTHER_ACT)
    yield full(template.format(reason=row["details"].get("reason") or "", **values))
    if row["result"] == "pending":
        is_new = now - datetime.fromisoformat(row["at"]) < LONGEST_ACT
        yield words.UNDER_WAY if is_new else words.NOT_KNOWN
    elif row["result"] == "unknown":
        yield words.NOT_KNOWN
    elif row["action"] == "edit an employee" and row["reason"]:
        yield words.EDITED.format(columns=row["reason"])
