"""Collects the values of a request for a person: the body of POST and PUT, and the operations of PATCH."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook_service.events import Json
from webhook_service.scim.attributes import CORE, ENTERPRISE, READ_ONLY, Attribute, Attributes, Name
from webhook_service.scim.emails import Email
from webhook_service.scim.grammar import UNSTORABLE, Path, parse_path
from webhook_service.scim.refusals import InvalidPath, InvalidSyntax, InvalidValue

BOOLEANS = {"true": True, "false": False}
"""Entra sends booleans as strings."""

Assignment = tuple[Path, Json]


@dataclass(slots=True)
class Draft:
    """The requested values by column, and the e-mails. A column that the request does not name is missing."""

    values: dict[str, Any] = field(default_factory=dict)
    emails: list[Email] = field(default_factory=list)


def assignments(body: Mapping[str, Json], attributes: Attributes, schema: str | None = None) -> list[Assignment]:
    """Return the path and the value of each attribute in an object.

    The keys may be paths, such as `name.givenName` and `emails[type eq "work"].value`, or begin with a URN. Keys that
    are not paths are ignored. Raises InvalidSyntax if two keys are the same attribute, and InvalidPath (check_active).
    """
    found: list[Assignment] = []
    seen = set()
    for path, value in _spread_all(body, attributes, schema):
        check_active(path.name)
        attribute = attributes.find(path.name)
        identity = (attribute or (path.name.schema if path.name.schema != CORE else None, path.name.path), path.node)
        if identity in seen:
            raise InvalidSyntax("The same attribute is in the object twice.")
        seen.add(identity)
        found.append((path, value))
    return found


def spread(path: Path, value: Json, attributes: Attributes) -> list[Assignment]:
    """Return the parts of the value of a schema or of the attribute `name`, and every other assignment as it is."""
    name = path.name
    if path.node is None and isinstance(value, Mapping):
        if not name.attribute:
            return assignments(value, attributes, name.schema)
        if is_complex(name, attributes):
            return assignments(
                {f"{name.attribute}.{key}": part for key, part in value.items()}, attributes, name.schema
            )
    return [(path, value)]


def _spread_all(body: Mapping[str, Json], attributes: Attributes, schema: str | None) -> Iterator[Assignment]:
    for key, value in body.items():
        try:
            path = parse_path(key, schema)
        except InvalidPath:
            continue
        yield from spread(path, value, attributes)


def check_active(name: Name) -> None:
    """Raise InvalidPath for `active` with a sub-attribute, or in the enterprise schema.

    If it was ignored as an unknown attribute, the directory would believe that the person is deactivated.
    """
    if name.attribute == "active" and (name.sub is not None or name.schema == ENTERPRISE):
        raise InvalidPath("The attribute active has no sub-attributes, and is one of the core schema.")


def is_complex(name: Name, attributes: Attributes) -> bool:
    """Return whether the name is a schema, or an attribute with sub-attributes that this server keeps."""
    return not name.attribute or (name.sub is None and name.attribute == "name" and bool(attributes.within(name)))


def is_read_only(name: Name) -> bool:
    """Return whether the name is an attribute that only the server sets."""
    return name.schema in (None, CORE) and name.attribute in READ_ONLY


def is_emails(name: Name) -> bool:
    """Return whether the name is `emails` or one of its sub-attributes."""
    return name.schema in (None, CORE) and name.attribute == "emails"


def value_of(attribute: Attribute, value: Json) -> Any:
    """Return the value in the form of its column. An empty text is None. Raises InvalidValue."""
    if isinstance(value, list) and len(value) == 1:  # an old form of Entra: [{"value": "..."}]
        value = value[0]
    if isinstance(value, Mapping) and "value" in value:
        value = value["value"]
    if attribute.kind == "boolean":
        return _boolean(attribute.path, value)
    return text_of(attribute.path, value, keep_space=attribute.place == "external_id")


def text_of(path: str, value: Json, *, keep_space: bool = False) -> str | None:
    """Return a text without space around it, or None for an empty text. A whole number becomes a text."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise InvalidValue(path, "must be a string.")
    text = value if keep_space else value.strip()
    if UNSTORABLE.search(text):
        raise InvalidValue(path, "has a control character.")
    return text or None


def _boolean(path: str, value: Json) -> bool:
    found = BOOLEANS.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise InvalidValue(path, "must be true or false.")
    return found
