"""The multi-valued attribute `emails`. An employee has one e-mail, of which a directory may choose type and primary."""

from collections.abc import Mapping, Sequence
from typing import Any

from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
)

from webhook_service.addresses import INVISIBLE, normal_address
from webhook_service.events import Json
from webhook_service.scim.filters import is_true
from webhook_service.scim.grammar import UNSTORABLE
from webhook_service.scim.refusals import InvalidPath, InvalidValue, NoTarget
from webhook_service.scim.values import Person

Email = dict[str, Any]
"""The sub-attributes of an e-mail by their name in lower case: value, type, primary and others."""

KEPT_TYPE = "work"
KEPT_PARTS = ("value", "type", "primary")
"""The sub-attributes that the server keeps as they were sent. The employee has the value in lower case."""

LONGEST_TYPE = 100

MOST_EMAILS = 100
"""The limit of e-mails in a request, because each operation of a PATCH compares its e-mails with those before."""


def emails_of(person: Person) -> list[Email]:
    """Return the e-mails of a person: one, or none if the employee has none."""
    if not person.email:
        return []
    parts: Email = {"type": KEPT_TYPE, "primary": True} if person.email_parts is None else dict(person.email_parts)
    if normal_address(parts.get("value") or "") != normal_address(person.email):
        parts["value"] = person.email
    return [parts]


def parts_of(email: Email) -> dict[str, Any]:
    """Return the sub-attributes that the server keeps."""
    return {name: email[name] for name in KEPT_PARTS if email.get(name) is not None}


def read_emails(value: Json) -> list[Email]:
    """Read the value of `emails`: a list of objects, one object, or an address. Raises InvalidValue."""
    if value is None:
        return []
    given = value if isinstance(value, list) else [value]
    check_number(given)
    found = [_read_email(each) for each in given]
    if sum(each.get("primary") is True for each in found) > 1:
        raise InvalidValue("emails", "has more than one primary value.")
    return found


def _read_email(value: Json) -> Email:
    if isinstance(value, str):
        value = {"value": value}
    if not isinstance(value, Mapping):
        raise InvalidValue("emails", "must be a list of objects.")
    email = {name.lower(): part for name, part in value.items()}
    if len(email) != len(value):
        raise InvalidValue("emails", "has a value with the same name twice.")
    for name, part in email.items():
        check_part(name, part)
    if isinstance(primary := email.get("primary"), str):
        email["primary"] = primary.lower() == "true"
    return email


def check_number(emails: Sequence[Json]) -> None:
    """Raise InvalidValue for too many e-mails."""
    if len(emails) > MOST_EMAILS:
        raise InvalidValue("emails", f"has more than {MOST_EMAILS} values.")


def check_part(name: str, part: Json) -> None:
    """Raise InvalidValue if a sub-attribute has the wrong type."""
    if name in ("value", "type"):
        if part is not None and not isinstance(part, str):
            raise InvalidValue(f"emails.{name}", "must be a string.")
        if part is not None and UNSTORABLE.search(part.strip() if name == "value" else part):
            raise InvalidValue(f"emails.{name}", "has a control character.")
        if part is not None and name == "type" and len(part) > LONGEST_TYPE:
            raise InvalidValue("emails.type", f"is longer than {LONGEST_TYPE} characters.")
    elif name == "primary" and not (
        part is None or isinstance(part, bool) or (isinstance(part, str) and part.lower() in ("true", "false"))
    ):
        raise InvalidValue("emails.primary", "must be true or false.")


def chosen_email(emails: list[Email]) -> Email | None:
    """Return the primary e-mail, else the one at work, else the first. An e-mail without an address is none."""
    usable = [each for each in emails if isinstance(each.get("value"), str) and each["value"].strip(INVISIBLE)]
    usable.sort(key=lambda each: (each.get("primary") is not True, str(each.get("type")).lower() != KEPT_TYPE))
    return usable[0] | {"value": usable[0]["value"].strip(INVISIBLE)} if usable else None


def added(emails: list[Email], new: list[Email]) -> list[Email]:
    """Return the e-mails with others. A new primary e-mail is the only primary one."""
    if any(each.get("primary") is True for each in new):
        emails = [each | {"primary": False} for each in emails]
    found = [*(each for each in emails if each not in new), *new]
    check_number(found)
    return found


def changed(emails: list[Email], node: FilterNode | None, sub: str | None, value: Json, *, add: bool) -> list[Email]:
    """Return the e-mails after `add` or `replace` of the values that the filter `node` selects.

    `add` of a value that no e-mail has creates the e-mail. `replace` raises NoTarget, except for a type that this
    server does not keep, because the directory cannot know this, and its other changes must not be lost. Then the same
    list is returned.
    """
    part = _part(sub, value)
    selected = [node is None or matches(node, each) for each in emails]
    if any(selected):
        if part.get("primary") is True and not all(selected):
            emails = [each | {"primary": False} for each in emails]
        return [each | part if is_selected else each for each, is_selected in zip(emails, selected, strict=True)]
    defaults = _equal_parts(node)
    if str(defaults.get("type", KEPT_TYPE)).lower() != KEPT_TYPE and not part.get("primary"):
        return emails
    if node is not None and not add and "type" not in defaults:
        raise NoTarget
    check_number([*emails, part])
    return [*emails, defaults | part]


def removed(emails: list[Email], node: FilterNode | None, sub: str | None) -> list[Email]:
    """Return the e-mails without the values, or without the sub-attribute of the values, that the filter selects.

    Returns the same list if nothing is removed.
    """
    if node is not None and "type" not in _equal_parts(node) and not any(matches(node, each) for each in emails):
        raise NoTarget
    kept = []
    for each in emails:
        if node is not None and not matches(node, each):
            kept.append(each)
        elif sub is not None:
            kept.append({name: part for name, part in each.items() if name != sub})
    return kept if kept != emails else emails


def matches(node: FilterNode, email: Email) -> bool:
    """Return whether an e-mail fulfils a filter. Raises InvalidPath if the filter names another attribute."""
    match node:
        case LogicalExpr(operator, terms):
            found = [matches(term, email) for term in terms]
            return all(found) if operator == LogicalOperator.and_ else any(found)
        case Not(inner):
            return not matches(inner, email)
        case Comparison(AttrPath(name, None, None), operator, value):
            return is_true(email.get(name.lower()), operator.value, value)
        case Present(AttrPath(name, None, None)):
            return is_true(email.get(name.lower()), "pr", None)
    raise InvalidPath("The names in brackets must be sub-attributes.")


def _part(sub: str | None, value: Json) -> Email:
    if sub is not None:
        return _read_email({sub: value})
    if not isinstance(value, Mapping):
        raise InvalidValue("emails", "must be an object.")
    return _read_email(value)


def _equal_parts(node: FilterNode | None) -> Email:
    """Return the values that a filter of equal comparisons demands, such as {"type": "work"}."""
    match node:
        case LogicalExpr(LogicalOperator.and_, terms):
            return {name: value for term in terms for name, value in _equal_parts(term).items()}
        case Comparison(AttrPath(name, None), CompareOperator.eq, str() | bool() as value):
            return {name.lower(): value}
    return {}
