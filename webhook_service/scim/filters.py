"""Converts a filter or the name of an attribute to the values of a person."""

from datetime import UTC, datetime

from scim2_models.path import AttrPath, Comparison, FilterNode, LogicalExpr, Not, Present, ValuePath

from webhook_service.events import Json
from webhook_service.scim.attributes import CORE, EMAIL, Attribute, Attributes, Name, name_of
from webhook_service.scim.grammar import parse_filter, parse_name
from webhook_service.scim.refusals import InvalidFilter, InvalidPath, InvalidValue
from webhook_service.scim.values import Condition

TRUE: Condition = {"place": "id", "operator": "pr"}
FALSE: Condition = {"not": TRUE}

OPERATORS_OF = {
    "text": frozenset(("eq", "ne", "co", "sw", "ew", "pr", "gt", "ge", "lt", "le")),
    "boolean": frozenset(("eq", "ne", "pr")),
    "time": frozenset(("eq", "ne", "pr", "gt", "ge", "lt", "le")),
}

CONSTANTS: dict[str, Json] = {"emails.type": "work", "emails.primary": True}
"""The sub-attributes for which all e-mails are the same in a filter, because an employee has one."""

RESOURCE_TYPE = "meta.resourcetype"
BOOLEANS = {"true": True, "false": False}


def condition_of(text: str, attributes: Attributes) -> Condition:
    """Parse a filter. Raises InvalidFilter."""
    return convert(parse_filter(text), attributes, None)


def place_of(text: str, attributes: Attributes) -> str:
    """Return the place by which `sortBy` orders. Raises InvalidValue."""
    try:
        name = parse_name(text)
    except InvalidPath:
        raise InvalidValue("sortBy", "is not the name of an attribute.") from None
    if (found := attribute_of(name, attributes)) is None:
        raise InvalidValue("sortBy", "is not an attribute by which this server sorts.")
    return found.place


def convert(node: FilterNode, attributes: Attributes, parent: Name | None) -> Condition:
    """Convert a node. `parent` is the attribute in whose brackets the node is."""
    match node:
        case LogicalExpr(operator, terms):
            return {operator.value: [convert(term, attributes, parent) for term in terms]}
        case Not(inner):
            return {"not": convert(inner, attributes, parent)}
        case ValuePath(path, inner):
            name = name_of(str(path))
            if name.attribute not in ("emails", "name", "meta"):
                raise InvalidFilter("Brackets must follow an attribute with sub-attributes.")
            return convert(inner, attributes, name)
        case Comparison(path, operator, value):
            return test_of(name_within(parent, path), operator.value, value, attributes)
        case Present(path):
            return test_of(name_within(parent, path), "pr", None, attributes)
    raise InvalidFilter("The filter has an unknown part.")


def name_within(parent: Name | None, path: AttrPath) -> Name:
    """Return the name of an attribute, or of a sub-attribute of `parent`. Raises InvalidFilter."""
    if parent is None:
        return name_of(str(path))
    if path.uri is not None or path.sub_attr is not None:
        raise InvalidFilter("The names in brackets must be sub-attributes.")
    return Name(parent.schema, parent.attribute, path.attr.lower())


def attribute_of(name: Name, attributes: Attributes) -> Attribute | None:
    """Return the attribute that a filter or `sortBy` names."""
    if name.schema in (None, CORE) and name.path in ("emails", "emails.value"):
        return EMAIL
    return attributes.find(name)


def test_of(name: Name, operator: str, value: Json, attributes: Attributes) -> Condition:
    """Convert a comparison. Raises InvalidFilter if the attribute is unknown or the operator or value does not fit."""
    if name.schema in (None, CORE) and name.path in CONSTANTS:
        found = is_true(CONSTANTS[name.path], operator, value)
        return {"place": "email", "operator": "pr"} if found else FALSE
    if name.schema in (None, CORE) and name.path == RESOURCE_TYPE:
        return TRUE if is_true("User", operator, value) else FALSE
    attribute = attribute_of(name, attributes)
    if attribute is None:
        raise InvalidFilter("The filter has an attribute by which this server does not filter.")
    if operator not in OPERATORS_OF[attribute.kind]:
        raise InvalidFilter(f"The operator {operator} does not fit {attribute.path}.")
    if operator == "pr":
        return {"place": attribute.place, "operator": "pr"}
    if value is None and operator in ("eq", "ne"):
        present: Condition = {"place": attribute.place, "operator": "pr"}
        return {"not": present} if operator == "eq" else present
    return {"place": attribute.place, "operator": operator, "value": fitting(attribute, value)}


def fitting(attribute: Attribute, value: Json) -> Json:
    """Return the value in the form of the attribute. Raises InvalidFilter."""
    if attribute.kind == "boolean":
        if isinstance(value, str):  # Entra
            value = BOOLEANS.get(value.lower())
        if isinstance(value, bool):
            return value
    elif isinstance(value, str):
        if attribute.kind == "text":
            return value
        if (moment := time_of(value)) is not None:
            return moment.isoformat()
    raise InvalidFilter(f"The value does not fit {attribute.path}.")


def time_of(text: str) -> datetime | None:
    """Read an ISO 8601 time, which is UTC without an offset. Returns None for another text."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def is_true(found: Json, operator: str, value: Json) -> bool:
    """Compare a value in Python. Texts are compared in lower case. A value of another type does not match."""
    if operator == "pr":
        return found is not None and found != ""
    if isinstance(found, str) and isinstance(value, str):
        return compare_texts(found.lower(), operator, value.lower())
    is_equal = type(found) is type(value) and found == value
    return is_equal if operator == "eq" else operator == "ne" and not is_equal


def compare_texts(found: str, operator: str, value: str) -> bool:
    """Compare two texts of the same case."""
    match operator:
        case "eq":
            return found == value
        case "ne":
            return found != value
        case "co":
            return value in found
        case "sw":
            return found.startswith(value)
        case "ew":
            return found.endswith(value)
        case "gt":
            return found > value
        case "ge":
            return found >= value
        case "lt":
            return found < value
        case _:
            return found <= value
