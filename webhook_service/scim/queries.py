"""The parameters of a list of users, in a URL or in the body of `.search` (RFC 7644, 3.4.2 and 3.4.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scim2_models import Path, ResponseParameters

from webhook_service.events import Json
from webhook_service.scim.attributes import Attributes
from webhook_service.scim.filters import condition_of, place_of
from webhook_service.scim.grammar import parse_name
from webhook_service.scim.patch import members_of, qualified
from webhook_service.scim.refusals import InvalidPath, InvalidSyntax, InvalidValue
from webhook_service.scim.values import Condition

USUAL_COUNT, MOST_RESULTS = 100, 200
MOST_NAMES = 100
"""The limit of `attributes` and `excludedAttributes`, with each of which each attribute of each user is compared."""

LAST_INDEX = 2**31 - 1
ORDERS = ("ascending", "descending")


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a list. `start` begins with 1. Without `condition`, the list has all users."""

    condition: Condition | None
    sort_by: str | None
    descending: bool
    start: int
    count: int
    shown: ResponseParameters[Any] | None


def query_of(parameters: Mapping[str, Json], attributes: Attributes) -> Query:
    """Read the parameters, whose names may have any case. Raises InvalidFilter, InvalidValue, InvalidSyntax."""
    given = members_of(parameters)
    condition, sort_by = _text(given, "filter"), _text(given, "sortby")
    order = (_text(given, "sortorder") or ORDERS[0]).lower()
    if order not in ORDERS:
        raise InvalidValue("sortOrder", "must be ascending or descending.")
    return Query(
        condition_of(condition, attributes) if condition is not None else None,
        place_of(sort_by, attributes) if sort_by is not None else None,
        order == ORDERS[1],
        max(1, _whole(given, "startIndex", 1)),
        min(MOST_RESULTS, max(0, _whole(given, "count", USUAL_COUNT))),
        shown_in(given),
    )


def search_of(body: Json, attributes: Attributes) -> Query:
    """Read the body of `.search`. Raises the refusals of `query_of`."""
    if not isinstance(body, Mapping):
        raise InvalidSyntax("The body must be an object.")
    return query_of(body, attributes)


def shown_in(parameters: Mapping[str, Json]) -> ResponseParameters[Any] | None:
    """Return the parts of a user that a response contains, or None for all. Raises InvalidValue. `attributes` wins."""
    given = members_of(parameters)
    only, excluded = _names(given, "attributes"), _names(given, "excludedAttributes")
    if not only and not excluded:
        return None
    return ResponseParameters(attributes=only or None, excluded_attributes=None if only else excluded)


def _names(given: Mapping[str, Json], parameter: str) -> list[Path[Any]]:
    """Return the names in a list, or in a text with commas."""
    value = given.get(parameter.lower()) or []
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise InvalidValue(parameter, "must be a list of names.")
    if len(parts) > MOST_NAMES:
        raise InvalidValue(parameter, f"has more than {MOST_NAMES} names.")
    names = [part.strip() for part in parts if part.strip()]
    try:
        return [Path(qualified(each, parse_name(each))) for each in names]
    except InvalidPath:
        raise InvalidValue(parameter, "must be a list of names.") from None


def _text(given: Mapping[str, Json], parameter: str) -> str | None:
    value = given.get(parameter)
    if value is None or isinstance(value, str):
        return value or None
    raise InvalidValue(parameter, "must be a string.")


def _whole(given: Mapping[str, Json], parameter: str, default: int) -> int:
    value = given.get(parameter.lower())
    if value is None or value == "":
        return default
    try:
        if isinstance(value, bool | float) or len(str(value)) > len("-1234567890"):
            raise ValueError
        return min(int(value), LAST_INDEX)
    except (TypeError, ValueError):
        raise InvalidValue(parameter, "must be a whole number.") from None
