"""Functions that several pages share, for the filter of a list, for the audit and for refused forms."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from flask import g, request
from marshmallow import EXCLUDE, ValidationError

from webhook_service.errors import EmailTaken, EmployeeRejected, InvalidQuery
from webhook_service.events import Json
from webhook_service.ledger import audit
from webhook_service.ledger.queries import Filter, filter_json
from webhook_service.ports import Database
from webhook_service.web import Wiring
from webhook_service.wording.employees import SYNC_STATUSES

PAGE = 50
LONGEST_PERSON = 200


class Query(Filter):
    """The filter of a list in a page's URL. Empty and unknown parameters are ignored."""

    class Meta:
        unknown = EXCLUDE


def parse_filter(values: Mapping[str, str]) -> tuple[dict[str, Json], dict[str, Any]]:
    """Return the filter, and its errors, {field: messages}. The filter does not contain the fields with errors."""
    given = {name: value.strip() for name, value in values.items() if value.strip()}
    given |= {name: in_utc(given[name]) for name in ("since", "until") if name in given}
    try:
        return filter_json(Query().load(given)), {}
    except ValidationError as error:
        good = error.valid_data if isinstance(error.valid_data, dict) else {}
        return filter_json(good), error.messages_dict


def people_filter(values: Mapping[str, str]) -> tuple[dict[str, str], bool]:
    """Return the filter of a list of employees, and whether its sync status is unknown."""
    given = {name: values.get(name, "").strip() for name in ("sync_status", "person")}
    filter = {name: text.replace("\0", "")[:LONGEST_PERSON] for name, text in given.items() if text}
    return filter, filter.get("sync_status") not in (None, *SYNC_STATUSES)


def in_utc(text: str) -> str:
    """Return a time in UTC, with its zone. A time in a form has no zone, and the form's label says that it is UTC.

    A text that is not a time is returned unchanged.
    """
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except ValueError:
        return text
    except OverflowError:
        return "out of range"  # the filter rejects this text, because it is not a time


def cursor(name: str) -> int | None:
    """Return the position in a list from the query parameter `name`, or None for the start of the list."""
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def attempt(
    wiring: Wiring, action: str, target: str | None = None, **details: Json
) -> AbstractContextManager[audit.Attempt]:
    """Record an act of the signed-in admin, and its result when the block ends. See `ledger.audit.attempt`."""
    return audit.attempt(wiring.database, g.admin.name, action, target, **details)


def audit_of(database: Database, target: str) -> Json:
    """Return the newest entries of the audit about an event or an employee. Raises Unavailable, DatabaseError."""
    return audit.search(database, {"target": target}, below=None, limit=20)["entries"]


def audit_filter(values: Mapping[str, str]) -> dict[str, str]:
    """Return the filter of the audit: `requests` includes the requests of directories that changed nothing."""
    return {"requests": "true"} if values.get("requests") == "true" else {}


def wrong_fields(error: InvalidQuery | EmailTaken | EmployeeRejected) -> dict[str, list[str]]:
    """Return the error's messages by field. Messages without a field are under ""."""
    if isinstance(error, InvalidQuery):
        return {name: [str(text) for text in texts] for name, texts in error.fields.items()}
    if isinstance(error, EmailTaken):
        return {"email": [error.detail]}
    return {str(error.facts.get("column") or ""): [error.detail]}
