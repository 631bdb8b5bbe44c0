"""The position in a list of several pages, which the address of a page holds.

`after` or `before` is the id of a row at the edge of the page, so that a page stays the same if rows are added before
it. `from` is the number of rows before the page. It is only shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from flask import request

from webhook_service.events import Json
from webhook_service.web.pages.common import PAGE
from webhook_service.wording import outcomes
from webhook_service.wording.employees import SYNC_STATUSES
from webhook_service.wording.lists import FILTERS


@dataclass(frozen=True, slots=True)
class Position:
    """A position in a list.

    `at` is the last row of the page before or, with `is_back`, the first row of the page after.
    """

    at: int | None = None
    is_back: bool = False
    seen: int = 0
    wrong: str | None = None
    """A value in the address that is not a position."""


def position(values: Mapping[str, str], after: str, before: str) -> Position:
    """Return the position from the parameters with these names and `from`."""
    numbers: dict[str, int] = {}
    for name in (after, before, "from"):
        text = values.get(name, "")
        if text and not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 19):
            return Position(wrong=text)
        if text:
            numbers[name] = int(text)
    if after not in numbers and before not in numbers:
        return Position()
    is_back = before in numbers
    return Position(numbers[before if is_back else after], is_back, max(numbers.get("from", 0), 0))


def pages_of(where: Position, rows: int, *, first: int | None, has_previous: bool, has_next: bool) -> dict[str, Json]:
    """Return {"first", "last": the numbers of the rows on the page, "has_previous", "has_next", "before": rows before
    the page before, "after": rows before the page after}. `first` is the number of the first row, if it is known.
    """
    start = first if first is not None else where.seen + 1
    if not has_previous:
        start = 1
    return {
        "first": start,
        "last": start + rows - 1,
        "has_previous": has_previous,
        "has_next": has_next,
        "before": max(start - 1 - PAGE, 0),
        "after": start + rows - 1,
    }


def this_page(**changed: str | None) -> str:
    """Return the address of this page with changed parameters. None removes a parameter.

    `url_for` would take some parameters of the address, such as `_external`, for options of its own.
    """
    values = {name: value for name, value in (request.args.to_dict() | changed).items() if value is not None}
    return f"{request.path}?{urlencode(values)}" if values else request.path


def without(filter: Mapping[str, Json], name: str) -> dict[str, Json]:
    """Return the filter without one of its fields."""
    return {other: value for other, value in filter.items() if other != name}


def people_filter_in_words(filter: Mapping[str, str], name: str) -> str:
    """Return one field of the filter of a list of employees in words."""
    value = SYNC_STATUSES[filter[name]][0] if name == "sync_status" else filter[name]
    return FILTERS[name].format(value=value)


def event_filter_in_words(filter: Mapping[str, str], name: str) -> str:
    """Return one field of the filter of a list of events in words. A bulk replay may have stored the filter."""
    value = filter[name]
    if (flag := FILTERS.get(f"{name}.{str(value).lower()}")) is not None:
        return flag
    words = {"status": outcomes.STATUSES, "operation": outcomes.OPERATIONS, "direction": outcomes.DIRECTIONS}
    if name == "outcome":
        value = outcomes.label(value)
    elif name in ("since", "until"):
        value = f"{datetime.fromisoformat(value).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return FILTERS.get(name, "{value}").format(value=words[name].get(value, value) if name in words else value)
