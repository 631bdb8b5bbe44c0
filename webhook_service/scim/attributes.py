"""The attributes of a SCIM user that this server keeps, and their names in requests."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
SCHEMAS = {CORE.lower(): CORE, ENTERPRISE.lower(): ENTERPRISE}

ENTERPRISE_NAMES = ("employeeNumber", "costCenter", "organization", "division", "department")
"""The attributes of the enterprise extension. All others of SCIM_ATTRIBUTES belong to the core schema."""

Kind = Literal["text", "boolean", "time"]


@dataclass(frozen=True, slots=True)
class Name:
    """The name of an attribute in lower case, except for `schema`. An empty `attribute` is the whole schema.

    `schema` is CORE, ENTERPRISE, the lower-case URN of an unknown schema, or None if the name has no URN.
    """

    schema: str | None
    attribute: str
    sub: str | None = None

    @property
    def path(self) -> str:
        """The name without its schema."""
        return f"{self.attribute}.{self.sub}" if self.sub else self.attribute


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute without sub-attributes, such as `name.givenName`, and its place in the values of a person."""

    path: str
    place: str
    kind: Kind = "text"
    schema: str = CORE


STANDARD = (
    Attribute("userName", "user_name"),
    Attribute("name.givenName", "first_name"),
    Attribute("name.familyName", "last_name"),
    Attribute("active", "active", "boolean"),
    Attribute("externalId", "external_id"),
    Attribute("employeeNumber", "employee_number", schema=ENTERPRISE),
    Attribute("id", "id"),
    Attribute("meta.created", "created", "time"),
    Attribute("meta.lastModified", "modified", "time"),
)

EMAIL = Attribute("emails.value", "email")

READ_ONLY = ("id", "meta", "groups")
"""The attributes that a request must not change. A body may contain them."""


class Attributes:
    """The attributes of STANDARD and of SCIM_ATTRIBUTES, whose names are `extra`."""

    def __init__(self, extra: Iterable[str] = ()) -> None:
        self.extra = tuple(extra)
        known = (*STANDARD, *(Attribute(name, name, schema=schema_of(name)) for name in self.extra))
        self._by_path = {(each.schema, each.path.lower()): each for each in known}

    def find(self, name: Name) -> Attribute | None:
        """Return the attribute with this name, or None if the server does not keep it. The URN may be missing."""
        schemas = (name.schema,) if name.schema is not None else (CORE, ENTERPRISE)
        return next((found for each in schemas if (found := self._by_path.get((each, name.path)))), None)


def schema_of(attribute: str) -> str:
    """Return the schema of an attribute without a URN."""
    return ENTERPRISE if attribute.lower() in {name.lower() for name in ENTERPRISE_NAMES} else CORE


def name_of(text: str, schema: str | None = None) -> Name:
    """Read a name such as `name.givenName` or `urn:...:User:employeeNumber`. `schema` applies to a name without URN."""
    lower = text.lower()
    if not lower.startswith("urn:"):
        attribute, _, sub = lower.partition(".")
        return Name(schema, attribute, sub or None)
    for urn, known in SCHEMAS.items():
        if lower == urn:
            return Name(known, "")
        if lower.startswith(f"{urn}:"):
            attribute, _, sub = lower[len(urn) + 1 :].partition(".")
            return Name(known, attribute, sub or None)
    urn, _, attribute = lower.rpartition(":")
    return Name(urn, attribute)
