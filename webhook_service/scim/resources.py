"""Converts a person to a SCIM user, and the body of a request to the values that change."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from marshmallow import ValidationError
from marshmallow.validate import Email as is_email

from webhook_service.addresses import normal_address
from webhook_service.events import Json
from webhook_service.scim.attributes import CORE, EMAIL, ENTERPRISE, Attributes
from webhook_service.scim.drafts import Draft, assignments, is_complex, is_emails, is_read_only, value_of
from webhook_service.scim.emails import Email, chosen_email, emails_of, parts_of, read_emails
from webhook_service.scim.patch import patch
from webhook_service.scim.refusals import InvalidSyntax, InvalidValue
from webhook_service.scim.values import Person

LONGEST = {
    "user_name": 255,
    "email": 255,
    "first_name": 200,
    "last_name": 200,
    "employee_number": 200,
    "external_id": 255,
}
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
        if attribute.place == "user_name":
            value = user_name_of(person)
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
    if emails := emails_of(person):
        found["emails"] = emails
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


def user_name_of(person: Person) -> str | None:
    """Return the userName that the directory has sent, or else the e-mail."""
    return person.user_name or person.email or None


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
    require_user_name(values)
    values |= email_values(draft.emails) or {"email": values["user_name"]}
    if not is_address(values["email"]):
        raise InvalidValue("userName", "must be an e-mail address, or emails must have one.")
    values["email"] = normal_address(values["email"])
    check(values, attributes)
    return values


def replaced_values(body: Json, person: Person, attributes: Attributes) -> Values:
    """Return the values that the body of a PUT changes. Raises InvalidSyntax, InvalidValue.

    An attribute that the body does not have is unchanged, because a directory that does not know an attribute must not
    erase its value. The value null erases.
    """
    draft = draft_of(body, attributes)
    require_user_name(draft.values)
    return changes(draft, person, attributes)


def patched_values(body: Json, person: Person, attributes: Attributes) -> Values:
    """Return the values that the operations of a PATCH change. Raises the refusals of `patch`, and InvalidValue."""
    check_depth(body)
    present = emails_of(person)
    draft = Draft(emails=present)
    patch(draft, body, attributes)
    if "user_name" in draft.values:
        require_user_name(draft.values)
    if draft.emails is present:
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
    """Return the values of the draft that the person does not have, after a check of only these.

    E-mails in the draft change the e-mail of the employee. While the directory has never sent any, a new userName that
    is an address changes it.
    """
    values = draft.values | email_values(draft.emails)
    changed = {column: value for column, value in values.items() if value != value_in(person, column)}
    user_name = changed.get("user_name")
    is_new = normal_address(user_name or "") != normal_address(user_name_of(person) or "")
    if (
        user_name is not None
        and is_new
        and "email" not in values
        and person.email_parts is None
        and is_address(user_name)
    ):
        changed["email"] = user_name
    if (address := changed.pop("email", None)) is not None:
        address = normal_address(address)
        if address != normal_address(person.email or ""):
            if not is_address(address):
                raise InvalidValue(EMAIL.path, "must be an e-mail address.")
            changed["email"] = address
    check(changed, attributes)
    return changed


def email_values(emails: list[Email]) -> Values:
    """Return the e-mail of the employee and its other parts, or nothing if there is no e-mail."""
    chosen = chosen_email(emails)
    return {"email": chosen["value"], "email_parts": parts_of(chosen)} if chosen is not None else {}


def require_user_name(values: Values) -> None:
    """Raise InvalidValue if there is no userName."""
    if values.get("user_name") is None:
        raise InvalidValue("userName", "is required.")


def is_address(text: str) -> bool:
    """Return whether a text is an e-mail address."""
    try:
        is_email()(normal_address(text))
    except ValidationError:
        return False
    return True


def check(values: Values, attributes: Attributes) -> None:
    """Raise InvalidValue if a value is too long."""
    paths = {each.place: each.path for each in (EMAIL, *attributes.all)}
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
