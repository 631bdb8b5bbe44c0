"""A person for the tests of values."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from webhook_service.scim.values import Person

MOMENT = datetime(2026, 12, 1, 12, tzinfo=UTC)
WORK = {"value": "jane@example.com", "type": "work", "primary": True}
JANE = Person(
    *("5", "jane@example.com", "Jane", "Doe", "7", True, "x1", MOMENT, MOMENT, "abc"),
    user_name="Jane@example.com",
    email_parts=WORK,
)


def person(**values: Any) -> Person:
    """Jane with other values."""
    return replace(JANE, **values)
