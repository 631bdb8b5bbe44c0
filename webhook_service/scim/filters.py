"""Converts a filter or the name of an attribute to the values of a person."""

from datetime import UTC, datetime

from scim2_models import InvalidFilterException, Meta, ScimFilter
from scim2_models.path import AttrPath, CompareOperator, Comparison, FilterNode, LogicalExpr, Not, Present, ValuePath

from webhook_service.events import Json
from webhook_service.scim.attributes import CORE, EMAIL, Attribute, Attributes, Name, name_of
from webhook_service.scim.emails import KEPT_TYPE
from webhook_service.scim.grammar import parse_filter, parse_name
from webhook_service.scim.models import BOOLEANS, Email, User
from webhook_service.scim.refusals import InvalidFilter, InvalidPath, InvalidValue
from webhook_service.scim.values import Condition

TRUE: Condition = {"place": "id", "operator": "pr"}
FALSE: Condition = {"not": TRUE}
HAS_EMAIL: Condition = {"place": "email", "operator": "pr"}

OPERATORS_OF = {
    "text": frozenset(("eq", "ne", "co", "sw", "ew", "pr", "gt", "ge", "lt", "le")),
    "boolean": frozenset(("eq", "ne", "pr")),
    "time": frozenset(("eq", "ne", "pr", "gt", "ge", "lt", "le")),
}

ANY_USER = User.model_construct(
    emails=[Email.model_construct(type=KEPT_TYPE, primary=True)], meta=Meta.model_construct(resource_type="User")
)
CONSTANTS: dict[str, Condition] = {"emails.type": HAS_EMAIL, "emails.primary": HAS_EMAIL, "meta.resourcetype": TRUE}
"""The attributes that are the same for all users in a filter, because an employee has one e-mail. A comparison of one
means this condition if it is true of ANY_USER.
"""


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
        path = AttrPath(name.attribute, name.sub)
        node = Present(path) if operator == "pr" else Comparison(path, CompareOperator(operator), value)
        return CONSTANTS[name.path] if is_true(node) else FALSE
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


def is_true(node: Comparison | Present) -> bool:
    """Return whether a comparison of an attribute that is the same for all users is true. Raises InvalidFilter."""
    try:
        return ScimFilter[User](node).match(ANY_USER)
    except InvalidFilterException:
        raise InvalidFilter("The operator or the value does not fit.") from None
