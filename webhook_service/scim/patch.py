"""Applies the operations of PATCH (RFC 7644, 3.5.2) to a user by scim2-models.

The body of a POST or PUT is an operation without a path.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from scim2_models import Context, PatchOp, SCIMException, ScimPolicy

from webhook_service.events import Json
from webhook_service.scim.attributes import CORE, ENTERPRISE, READ_ONLY, Name, name_of, schema_of
from webhook_service.scim.grammar import LONGEST_TEXT, parse_path
from webhook_service.scim.models import User
from webhook_service.scim.refusals import (
    InvalidFilter,
    InvalidPath,
    InvalidSyntax,
    InvalidValue,
    NoTarget,
    NotMutable,
    Refusal,
    TooMuch,
)

MOST_OPERATIONS = 1000

REQUIRED = ("username", "active")
"""The attributes of which null in a POST or PUT is ignored."""

CORE_URNS = "urn:ietf:params:scim:schemas:core:"
"""The beginning of the URNs of the core schemas."""

ENTRA = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)
"""Unknown attributes are ignored. A change of an e-mail that does not exist creates it."""


def patch(user: User, body: Json) -> None:
    """Apply the operations of a body in their order. Attributes that the server does not keep are ignored.

    Raises InvalidSyntax, InvalidPath, InvalidFilter, InvalidValue, NoTarget, NotMutable, TooMuch.
    """
    if not isinstance(body, Mapping):
        raise InvalidSyntax("The body must be an object.")
    operations = members_of(body).get("operations")
    if not isinstance(operations, list) or not operations:
        raise InvalidSyntax("The body must have a list of Operations.")
    if len(operations) > MOST_OPERATIONS:
        raise TooMuch(f"The body has more than {MOST_OPERATIONS} operations.")
    if not all(isinstance(each, Mapping) for each in operations):
        raise InvalidSyntax("Each operation must be an object.")
    _apply(user, (part for each in operations for part in parts_of(members_of(each))))


def write(user: User, body: Json) -> None:
    """Write the attributes in the body of a POST or PUT. Raises the refusals of `patch`."""
    if not isinstance(body, Mapping):
        raise InvalidSyntax("The body must be an object.")
    value = {name: part for name, part in body.items() if part is not None or name.lower() not in REQUIRED}
    _apply(user, parts_of({"op": "replace", "value": value}))


def members_of(body: Mapping[str, Json]) -> dict[str, Json]:
    """Return the members of a message with their names in lower case. Raises InvalidSyntax if a name is there twice."""
    members = {name.lower(): value for name, value in body.items()}
    if len(members) != len(body):
        raise InvalidSyntax("An object has the same member twice.")
    return members


def parts_of(operation: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """Return the operations in the forms that scim2-models reads. Raises InvalidSyntax, InvalidPath, NotMutable.

    A key of the value with a filter, which Entra sends, or of e-mails becomes a path. The value null is a removal. The
    value of a removal is ignored, and so are read-only attributes and malformed keys (but not of active).
    """
    path, value = operation.get("path") or "", operation.get("value")
    if not isinstance(path, str):
        raise InvalidPath("A path must be a string.")
    kind = str(operation.get("op")).lower()
    if kind == "remove" or (kind in ("add", "replace") and value is None and "value" in operation):
        operation = {"op": "remove", "path": path}
    name = parse_path(path).name if path else Name(CORE, "")
    check_active(name)
    if not name.attribute and isinstance(value, Mapping) and kind != "remove":
        names = names_in(value, name.schema)
        for key, each in names.items():
            if is_path(key, each) and (each.attribute.startswith("active") or is_well_formed(key)):
                yield from parts_of({**operation, "path": key, "value": value[key]})
        kept = [key for key, each in names.items() if key and not is_path(key, each) and not is_read_only(each)]
        keys = {key: qualified(key, names[key]) if not path else key for key in kept}
        yield {**operation, "path": path or None, "value": {keys[key]: value[key] for key in kept}}
    elif is_read_only(name):
        raise NotMutable(name.attribute)
    elif name.attribute != "schemas":
        yield {**operation, "path": qualified(path, name) or None}


def is_path(key: str, name: Name) -> bool:
    """Return whether a key is read as a path."""
    return name.schema == CORE and (name.attribute == "emails" or "[" in key)


def is_well_formed(path: str) -> bool:
    """Return whether a path can be parsed."""
    try:
        parse_path(path)
    except InvalidPath:
        return False
    return True


def names_in(value: Mapping[str, Json], schema: str | None) -> dict[str, Name]:
    """Return the names of the keys. Raises InvalidSyntax if one is there twice, and InvalidPath (check_active)."""
    inner = list(inner_names(value, schema))
    if len(set(inner)) != len(inner):
        raise InvalidSyntax("The same attribute is in the object twice.")
    for name in inner:
        check_active(name)
    return {key: name_of(key, schema) for key in value}


def inner_names(value: Mapping[str, Json], schema: str | None) -> Iterator[Name]:
    """Yield the names of the keys, and of those in the objects of schemas and of `name`."""
    for key, part in value.items():
        name = name_of(key, schema)
        yield name
        if isinstance(part, Mapping) and not name.attribute:
            yield from inner_names(part, name.schema)
        elif isinstance(part, Mapping) and name == Name(CORE, "name"):
            yield from (Name(CORE, "name", sub.lower()) for sub in part)


def qualified(path: str, name: Name) -> str:
    """Return the path, with the URN of the enterprise extension if this is missing."""
    is_missing = ":" not in path and schema_of(name.attribute) == ENTERPRISE
    return f"{ENTERPRISE}:{path}" if is_missing else path


def check_active(name: Name) -> None:
    """Raise InvalidPath for `active` with a sub-attribute, in the enterprise schema, or after a wrong core URN.

    If it was ignored as an unknown attribute, the directory would believe that the person is deactivated.
    """
    is_wrong_urn = name.schema not in (None, CORE) and str(name.schema).startswith(CORE_URNS)
    if (
        (name.attribute == "active" and (name.sub is not None or name.schema == ENTERPRISE))
        or (is_wrong_urn and name.attribute.rpartition(".")[2] == "active")
        or name.path in ("user.active", "user:active")
    ):
        raise InvalidPath("The attribute active has no sub-attributes, and is one of the core schema.")


def is_read_only(name: Name) -> bool:
    """Return whether the name is an attribute that only the server sets."""
    return name.schema in (None, CORE) and name.attribute in READ_ONLY


def _apply(user: User, operations: Iterable[Mapping[str, Json]]) -> None:
    message = {"Operations": list(operations)}
    if not message["Operations"]:
        return
    paths = [str(each.get("path")).lower() for each in message["Operations"]]
    if sum(len(path) for path in paths if " " in path or "emails" in path) > LONGEST_TEXT:
        raise TooMuch(f"The paths with filters and to e-mails have more than {LONGEST_TEXT} characters.")
    try:
        model: type[PatchOp[Any]] = PatchOp.__class_getitem__(type(user))
        model.model_validate(message, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=ENTRA).patch(user, ENTRA)
    except ValidationError as error:
        first = error.errors()[0]
        raise refusal_of(first.get("ctx", {}).get("scim_type", "invalidSyntax")) from None
    except SCIMException as error:
        raise refusal_of(error.scim_type, error.__cause__) from None


def refusal_of(scim_type: str, cause: BaseException | None = None) -> Refusal:
    """Return the refusal for an error of scim2-models, whose own text may have a value of the request."""
    match scim_type:
        case "noTarget":
            return NoTarget()
        case "mutability":
            return NotMutable("An attribute", "is read-only, or is required and cannot be removed.")
        case "invalidPath":
            return InvalidPath("The path is not one of an attribute of this server.")
        case "invalidFilter":
            return InvalidFilter("The filter of a path does not fit its attribute.")
        case "invalidSyntax":
            return InvalidSyntax("An operation is malformed.")
    places = cause.errors()[0]["loc"] if isinstance(cause, ValidationError) else ()
    return InvalidValue(".".join(to_camel(str(each)) for each in places) or "The value", "does not fit.")
