"""The operations of PATCH (RFC 7644, 3.5.2)."""

from collections.abc import Mapping

from webhook_service.events import Json
from webhook_service.scim import emails
from webhook_service.scim.attributes import REQUIRED, Attributes
from webhook_service.scim.drafts import (
    Draft,
    assignments,
    check_active,
    is_complex,
    is_emails,
    is_read_only,
    spread,
    value_of,
)
from webhook_service.scim.grammar import Path, parse_path
from webhook_service.scim.refusals import InvalidPath, InvalidSyntax, InvalidValue, NoTarget, NotMutable, TooMuch

MOST_OPERATIONS = 1000
OPERATIONS = ("add", "replace", "remove")


def patch(draft: Draft, body: Json, attributes: Attributes) -> None:
    """Apply the operations of a body to the draft in their order. Attributes that the server does not keep are ignored.

    Raises InvalidSyntax, InvalidPath, InvalidValue, NoTarget, NotMutable, TooMuch.
    """
    for operation in operations_of(body):
        kind, text, value = parts_of(operation)
        if kind == "remove":
            if text is None:
                raise NoTarget
            _remove(draft, parse_path(text), attributes)
        elif "value" not in operation:
            raise InvalidValue("value", "is required for add and replace.")
        elif text is None:
            if not isinstance(value, Mapping):
                raise InvalidSyntax("An operation without a path must have an object as its value.")
            for path, part in assignments(value, attributes):
                if not is_read_only(path.name):
                    _assign(draft, path, part, attributes, add=kind == "add")
        else:
            for path, part in spread(parse_path(text), value, attributes):
                if is_read_only(path.name):
                    raise NotMutable(path.name.attribute)
                _assign(draft, path, part, attributes, add=kind == "add")


def operations_of(body: Json) -> list[dict[str, Json]]:
    """Return the operations of a body, with the names of their members in lower case."""
    if not isinstance(body, Mapping):
        raise InvalidSyntax("The body must be an object.")
    operations = members_of(body).get("operations")
    if not isinstance(operations, list) or not operations:
        raise InvalidSyntax("The body must have a list of Operations.")
    if len(operations) > MOST_OPERATIONS:
        raise TooMuch(f"The body has more than {MOST_OPERATIONS} operations.")
    if not all(isinstance(each, Mapping) for each in operations):
        raise InvalidSyntax("Each operation must be an object.")
    return [members_of(each) for each in operations]


def members_of(body: Mapping[str, Json]) -> dict[str, Json]:
    """Return the members of a message with their names in lower case. Raises InvalidSyntax if a name is there twice."""
    members = {name.lower(): value for name, value in body.items()}
    if len(members) != len(body):
        raise InvalidSyntax("An object has the same member twice.")
    return members


def parts_of(operation: Mapping[str, Json]) -> tuple[str, str | None, Json]:
    """Return the kind of an operation in lower case (Entra sends `Add`), its path if it has one, and its value."""
    kind, path = operation.get("op"), operation.get("path")
    if not isinstance(kind, str) or kind.lower() not in OPERATIONS:
        raise InvalidSyntax("The op of an operation must be add, replace or remove.")
    if path is not None and not isinstance(path, str):
        raise InvalidPath("A path must be a string.")
    return kind.lower(), path or None, operation.get("value")


def _assign(draft: Draft, path: Path, value: Json, attributes: Attributes, *, add: bool) -> None:
    name = path.name
    if is_emails(name):
        if path.node is not None or name.sub is not None:
            draft.emails = emails.changed(draft.emails, path.node, name.sub, value, add=add)
        elif add:
            draft.emails = emails.added(draft.emails, emails.read_emails(value))
        else:
            draft.emails = emails.read_emails(value)
        return
    if path.node is None and is_complex(name, attributes):
        if value is not None:
            raise InvalidValue(name.attribute or "value", "must be an object.")
        _remove(draft, path, attributes)
        return
    attribute = attributes.find(name)
    check_active(name)
    if attribute is None:
        return
    if path.node is not None:
        raise InvalidPath("Brackets must follow an attribute with several values.")
    draft.values[attribute.place] = value_of(attribute, value)


def _remove(draft: Draft, path: Path, attributes: Attributes) -> None:
    name = path.name
    if is_read_only(name):
        raise NotMutable(name.attribute)
    if is_emails(name):
        draft.emails = emails.removed(draft.emails, path.node, name.sub)
        return
    found = attributes.find(name)
    within = attributes.within(name) if path.node is None and is_complex(name, attributes) else []
    for attribute in [found] if found is not None else within:
        if path.node is not None:
            raise InvalidPath("Brackets must follow an attribute with several values.")
        if attribute.place in REQUIRED:
            raise NotMutable(attribute.path, "is required.")
        draft.values[attribute.place] = None
