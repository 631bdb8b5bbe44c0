"""The checks of values and filters, before the database gets them."""

import re
from collections.abc import Mapping
from typing import Any

from webhook_service.scim.refusals import InvalidFilter, InvalidValue
from webhook_service.scim.values import Column, Condition

MAX_TEXT_LENGTH = 1000
"""The number of characters of a text that a directory may write. An index on external_id refuses far longer ones."""

MAX_CONDITION_DEPTH = 100
"""The levels of a filter. The SQL function that reads a filter calls itself for each level."""

KEY = re.compile("[1-9][0-9]{0,17}")
"""The id of a user, which is an employee_id."""

UNSTORABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, which no value contains, and halves of surrogate pairs, which PostgreSQL cannot store."""

ATTRIBUTES: Mapping[str, str] = {
    "email": "userName",
    "user_name": "userName",
    "first_name": "name.givenName",
    "last_name": "name.familyName",
    "employee_number": "employeeNumber",
    "active": "active",
    "external_id": "externalId",
}
"""The names of the columns in SCIM. The columns of SCIM_ATTRIBUTES have the name of their attribute."""

TOO_LONG = f"is longer than {MAX_TEXT_LENGTH} characters."
HAS_CONTROL_CHARACTERS = "contains a control character."


def check_values(values: Mapping[Column, Any]) -> None:
    """Raise InvalidValue for a text that PostgreSQL or an index cannot store, and for a control character."""
    for column, value in values.items():
        attribute = ATTRIBUTES.get(column, column)
        if column == "active" and not isinstance(value, bool):
            raise InvalidValue(attribute, "must be true or false.")
        if isinstance(value, str) and UNSTORABLE.search(value):
            raise InvalidValue(attribute, HAS_CONTROL_CHARACTERS)
        if isinstance(value, str) and len(value) > MAX_TEXT_LENGTH:
            raise InvalidValue(attribute, TOO_LONG)


def stored(values: Mapping[Column, Any]) -> dict[str, Any]:
    """Return the values for the database. An empty externalId is none, because several people may have it."""
    return dict(values) | ({"external_id": None} if values.get("external_id") == "" else {})


def check_condition(condition: Condition | None, depth: int = 0) -> None:
    """Raise InvalidFilter for a condition that is too deep, or has a text that PostgreSQL cannot store."""
    if condition is None:
        return
    if depth > MAX_CONDITION_DEPTH:
        raise InvalidFilter("The filter is too deep.")
    value = condition.get("value")
    if isinstance(value, str) and re.search("[\x00\ud800-\udfff]", value):
        raise InvalidFilter("The filter contains a character that no value has.")
    for part in (*condition.get("and", ()), *condition.get("or", ()), *filter(None, [condition.get("not")])):
        check_condition(part, depth + 1)
