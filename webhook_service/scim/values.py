"""The values that the SCIM protocol and the store exchange."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Column = str
"""A name of COLUMNS, or the name of an attribute of SCIM_ATTRIBUTES."""

COLUMNS = ("email", "first_name", "last_name", "employee_number", "active", "external_id", "user_name", "email_parts")
"""The values of a person that every installation has. A filter cannot name `email_parts`."""

Condition = dict[str, Any]
"""A parsed filter, as JSON: {"and": [Condition, ...]}, {"or": [Condition, ...]}, {"not": Condition},
or {"place": a Column, "id", "created" or "modified", "operator": one of OPERATORS, "value": a JSON value}.

The operator `pr` has no value. The value of `created` and `modified` is an ISO 8601 time with an offset.
"""

OPERATORS = ("eq", "ne", "co", "sw", "ew", "pr", "gt", "ge", "lt", "le")


@dataclass(frozen=True, slots=True)
class Client:
    """A directory that has shown its token."""

    client_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Person:
    """An employee as a client sees it.

    `id` is the key of the employee as text. `external_id` is the client's own name for the person. `user_name` is the
    userName that the client has sent, and `email_parts` has `value`, `type` and `primary` of the e-mail that it has
    sent. They are None if it has sent none. `extra` has the columns of SCIM_ATTRIBUTES by the name of their SCIM
    attribute. `version` is a digest of the values.
    """

    id: str
    email: str | None
    first_name: str | None
    last_name: str | None
    employee_number: str | None
    active: bool
    external_id: str | None
    created: datetime
    modified: datetime
    version: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    user_name: str | None = None
    email_parts: Mapping[str, Any] | None = None
