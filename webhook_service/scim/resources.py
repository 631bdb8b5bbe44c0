"""Converts a person to a SCIM user, and the body of a request to the values that change."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from marshmallow import ValidationError
from marshmallow.validate import Email as is_email

from webhook_service.addresses import normal_address
from webhook_service.events import Json
from webhook_service.scim.attributes import CORE, ENTERPRISE, Attributes
from webhook_service.scim.drafts import Draft, assignments, is_complex, is_emails, is_read_only, value_of
from webhook_service.scim.emails import emails_of, primary_address, read_emails
from webhook_service.scim.patch import patch
from webhook_service.scim.refusals import InvalidSyntax, InvalidValue
from webhook_service.scim.values import Person

LONGEST = {"email": 255, "first_name": 200, "last_name": 200, "employee_number": 200, "external_id": 255}
LONGEST_EXTRA = 1000
"""The limits of values in characters. They apply only to values that change."""

DEEPEST_BODY = 64

Values = dict[str, Any]
"""The values of a person by column."""


def resource_of(person: Person, attributes: Attributes, base: str) -> dict[str, Json]:
    """Return the SCIM user of a person, without empty attributes. `base` is the URL or path of the server."""
    found: dict[str, Json] = {"schemas": [CORE], "id": person.id}
    for attribute in attributes.all:
        value = value_in(person, attribute.place) if attribute.is_writable else None
        if value is None:
            continue
        if attribute.schema == ENTERPRISE:
            if ENTERPRISE not in found:
                found["schemas"] = [CORE, ENTERPRISE]
            found.setdefault(ENTERPRISE, {})[attribute.path] = value
        elif "." in attribute.path:
            parent, _, sub = attribute.path.partition(".")
            found.setdefault(parent, {})[sub] = value
        else:
            found[attribute.path] = value
    if person.email:
        found["emails"] = emails_of(person.email)
    found["meta"] = {
        "resourceType": "User",
        "created": time_text(person.created),
        "lastModified": time_text(person.modified),
        "location": location_of(person, base),
        "version": etag_of(person),
    }
    return found


def value_in(person: Person, place: str) -> Any:
    """Return the value of a column or of an attribute of SCIM_ATTRIBUTES, whose other types than boolean are texts."""
    if place in person.extra:
        value = person.extra[place]
        return value if value is None else str(value)
    return getattr(person, place, None)


def location_of(person: Person, base: str) -> str:
    """Return the URL of a user."""
    return f"{base}/Users/{person.id}"


def etag_of(person: Person) -> str:
    """Return the weak ETag of a user."""
    return f'W/"{person.version}"'


def time_text(moment: datetime) -> str:
    """Return a time in the form of SCIM."""
    return moment.isoformat().replace("+00:00", "Z")


def new_values(body: Json, attributes: Attributes) -> Values:
    """Return the values of the body of a POST. Raises InvalidSyntax, InvalidValue."""
    draft = draft_of(body, attributes)
    values = {column: value for column, value in draft.values.items() if value is not None}
    values["email"] = required_address(draft)
    check(values, attributes)
    return values


def replaced_values(body: Json, person: Person, attributes: Attributes) -> Values:
    """Return the values that the body of a PUT changes. Raises InvalidSyntax, InvalidValue.

    An attribute that the body does not have is unchanged, because a directory that does not know an attribute must not
    erase its value. The value null erases.
    """
    draft = draft_of(body, attributes)
    if draft.values.get("email") is None:
        raise InvalidValue("userName", "is required.")
    return changes(draft, person, attributes)


def patched_values(body: Json, person: Person, attributes: Attributes) -> Values:
    """Return the values that the operations of a PATCH change. Raises the refusals of `patch`, and InvalidValue."""
    check_depth(body)
    draft = Draft(emails=emails_of(person.email))
    patch(draft, body, attributes)
    if "email" not in draft.values:
        address = primary_address(draft.emails)
        if address is not None and draft.emails != emails_of(person.email):
            draft.values["email"] = address
    elif draft.values["email"] is None:
        raise InvalidValue("userName", "is required.")
    elif draft.emails == emails_of(person.email):
        draft.emails = []
    return changes(draft, person, attributes)


def draft_of(body: Json, attributes: Attributes) -> Draft:
    """Read the body of a POST or PUT. Raises InvalidSyntax, InvalidValue."""
    check_depth(body)
    if not isinstance(body, Mapping):
        raise InvalidSyntax("The body must be an object.")
    draft = Draft()
    for path, value in assignments(body, attributes):
        name = path.name
        if is_read_only(name):
            continue
        if is_emails(name):
            if path.node is None and name.sub is None:
                draft.emails = read_emails(value)
        elif is_complex(name, attributes):
            if value is not None:
                raise InvalidValue(name.attribute or "The extension", "must be an object.")
            draft.values |= {each.place: None for each in attributes.within(name)}
        elif (attribute := attributes.find(name)) is not None and path.node is None:
            if attribute.kind == "boolean" and value is None:
                continue
            draft.values[attribute.place] = value_of(attribute, value)
    return draft


def changes(draft: Draft, person: Person, attributes: Attributes) -> Values:
    """Return the values of the draft that the person does not have, after a check of only these."""
    values = {column: value for column, value in draft.values.items() if column != "email"}
    changed = {column: value for column, value in values.items() if value != value_in(person, column)}
    user_name = draft.values.get("email")
    if user_name is not None and normal_address(user_name) != normal_address(person.email or ""):
        address = required_address(draft)
        if normal_address(address) != normal_address(person.email or ""):
            changed["email"] = address
    check(changed, attributes)
    return changed


def required_address(draft: Draft) -> str:
    """Return the userName if it is an address, else the primary e-mail. Raises InvalidValue."""
    user_name = draft.values.get("email")
    if user_name is None:
        raise InvalidValue("userName", "is required.")
    for address in (user_name, primary_address(draft.emails)):
        if address is not None and is_address(address):
            return normal_address(address)
    raise InvalidValue("userName", "must be an e-mail address, or the user must have a primary e-mail.")


def is_address(text: str) -> bool:
    """Return whether a text is an e-mail address."""
    try:
        is_email()(normal_address(text))
    except ValidationError:
        return False
    return True


def check(values: Values, attributes: Attributes) -> None:
    """Raise InvalidValue if a value is too long."""
    paths = {each.place: each.path for each in attributes.all}
    for column, value in values.items():
        longest = LONGEST.get(column, LONGEST_EXTRA)
        if isinstance(value, str) and len(value) > longest:
            raise InvalidValue(paths.get(column, column), f"is longer than {longest} characters.")


def check_depth(body: Json) -> None:
    """Raise InvalidSyntax if a body is nested more deeply than a user can be. Does not recurse."""
    level: Sequence[Json] = [body]
    for _ in range(DEEPEST_BODY):
        level = [
            part
            for each in level
            if isinstance(each, dict | list)
            for part in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise InvalidSyntax("The body is nested too deeply.")
