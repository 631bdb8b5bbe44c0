"""The parameters `attributes` and `excludedAttributes`: the parts of a user that a response contains."""

from collections.abc import Mapping, Sequence

from webhook_service.events import Json
from webhook_service.scim.attributes import CORE, SCHEMAS, Name

ALWAYS = ("schemas", "id")


def projected(resource: Mapping[str, Json], only: Sequence[Name], excluded: Sequence[Name]) -> dict[str, Json]:
    """Return the requested attributes of a user, or, if `only` is empty, all but the excluded ones."""
    found: dict[str, Json] = {}
    for key, value in resource.items():
        if key in ALWAYS:
            found[key] = value
        elif key.lower() in SCHEMAS:
            parts = {name: part for name, part in value.items() if is_returned(Name(key, name.lower()), only, excluded)}
            if parts:
                found[key] = parts
        elif (kept := _kept(key.lower(), value, only, excluded)) not in (None, {}, []):
            found[key] = kept
    return found


def is_returned(leaf: Name, only: Sequence[Name], excluded: Sequence[Name]) -> bool:
    """Return whether a response contains an attribute or sub-attribute."""
    if only:
        return any(names(each, leaf) for each in only)
    return not any(names(each, leaf) for each in excluded)


def names(requested: Name, leaf: Name) -> bool:
    """Return whether a requested name is that of the attribute, of the attribute that contains it, or of its schema."""
    if requested.schema not in (None, leaf.schema):
        return False
    if not requested.attribute:
        return True
    return requested.attribute == leaf.attribute and requested.sub in (None, leaf.sub)


def _kept(key: str, value: Json, only: Sequence[Name], excluded: Sequence[Name]) -> Json:
    if isinstance(value, list):
        return [kept for each in value if (kept := _kept(key, each, only, excluded))]
    if isinstance(value, Mapping):
        return {sub: part for sub, part in value.items() if is_returned(Name(CORE, key, sub.lower()), only, excluded)}
    return value if is_returned(Name(CORE, key), only, excluded) else None
