"""Converts a person to a SCIM user, and the body of a request to the values that change."""

from collections.abc import Sequence
from typing import Any

from marshmallow import ValidationError
from marshmallow.validate import Email as is_email
from scim2_models import Meta

from webhook_service.addresses import normal_address
from webhook_service.events import Json
from webhook_service.scim.attributes import CORE, EMAIL, ENTERPRISE, STANDARD, Attributes, schema_of
from webhook_service.scim.checks import UNSTORABLE
from webhook_service.scim.emails import chosen_email, emails_of
from webhook_service.scim.models import EnterpriseUser, User, UserName, models_of
from webhook_service.scim.patch import members_of, patch, write
from webhook_service.scim.refusals import InvalidSyntax, InvalidValue, TooMuch
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
MOST_VALUES = 10_000
"""The limits of a body: its nested lists and objects, and its values."""

Values = dict[str, Any]
"""The values of a person by column."""


def user_of(person: Person, attributes: Attributes, base: str) -> User:
    """Return the SCIM user of a person. `base` is the URL or path of the server."""
    model, place = models_of(attributes.extra)
    extra: dict[str, Values] = {CORE: {}, ENTERPRISE: {}}
    for name in attributes.extra:
        extra[schema_of(name)][name] = value_in(person, name)
    return model.model_construct(
        schemas=[],  # scim2-models has them
        id=person.id,
        external_id=person.external_id,
        user_name=user_name_of(person),
        name=UserName.model_construct(given_name=person.first_name, family_name=person.last_name),
        active=person.active,
        emails=emails_of(person),
        meta=Meta.model_construct(
            resource_type="User",
            created=person.created,
            last_modified=person.modified,
            location=location_of(person, base),
            version=etag_of(person),
        ),
        EnterpriseUser=place.model_construct(schemas=[], employee_number=person.employee_number, **extra[ENTERPRISE]),
        **extra[CORE],
    )


def values_of(user: User, attributes: Attributes) -> Values:
    """Return the values of a user but for the e-mail. `user_name` is missing if the user has none."""
    place = getattr(user, EnterpriseUser.__name__)
    hosts = {CORE: user, ENTERPRISE: place}
    return {
        **({"user_name": user.user_name} if user.user_name is not None else {}),
        "first_name": getattr(user.name, "given_name", None),
        "last_name": getattr(user.name, "family_name", None),
        "active": user.active,
        "external_id": user.external_id or None,
        "employee_number": getattr(place, "employee_number", None),
        **{name: getattr(hosts[schema_of(name)], name, None) for name in attributes.extra},
    }


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


def new_values(body: Json, attributes: Attributes) -> Values:
    """Return the values of the body of a POST. Raises InvalidSyntax, InvalidValue."""
    check_form(body)
    user = models_of(attributes.extra)[0].model_construct(schemas=[])
    write(user, body)
    require_user_name(user)
    values = {column: value for column, value in values_of(user, attributes).items() if value is not None}
    values |= email_values(chosen_email(user.emails)) or {"email": values["user_name"]}
    if not is_address(values["email"]):
        raise InvalidValue("userName", "must be an e-mail address, or emails must have one.")
    values["email"] = normal_address(values["email"])
    check(values)
    return values


def replaced_values(body: Json, person: Person, attributes: Attributes) -> Values:
    """Return the values that the body of a PUT changes. Raises InvalidSyntax, InvalidValue.

    An attribute that the body does not have is unchanged, because a directory that does not know an attribute must not
    erase its value. The value null erases.
    """
    check_form(body)
    user = sent_user_of(person, attributes)
    user.user_name = None
    write(user, body)
    require_user_name(user)
    return changes(user, person, attributes)


def patched_values(body: Json, person: Person, attributes: Attributes) -> Values:
    """Return the values that the operations of a PATCH change. Raises the refusals of `patch`, and InvalidValue."""
    check_form(body)
    user = sent_user_of(person, attributes)
    patch(user, body)
    return changes(user, person, attributes)


def sent_user_of(person: Person, attributes: Attributes) -> User:
    """Return the user of a person without the userName and the address that the directory has never sent."""
    user = user_of(person, attributes, "")
    user.user_name = person.user_name
    if person.email_parts is None:
        for email in user.emails or ():
            email.value = None
    return user


def changes(user: User, person: Person, attributes: Attributes) -> Values:
    """Return the values of the user that the person does not have, after a check of only these.

    E-mails that the directory sends change the e-mail of the employee. While the directory has never sent any, a new
    userName that is an address changes it.
    """
    values = values_of(user, attributes)
    has_sent = person.email_parts is not None
    email = chosen_email(user.emails, has_unsent=not has_sent)
    if not has_sent or email != chosen_email(emails_of(person)):
        values |= email_values(email)
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
    check(changed)
    return changed


def email_values(parts: Values | None) -> Values:
    """Return the e-mail of the employee and its other parts, or nothing if there is no e-mail."""
    return {"email": parts["value"], "email_parts": parts} if parts is not None else {}


def require_user_name(user: User) -> None:
    """Raise InvalidValue if there is no userName."""
    if user.user_name is None:
        raise InvalidValue("userName", "is required.")


def is_address(text: str) -> bool:
    """Return whether a text is an e-mail address."""
    try:
        is_email()(normal_address(text))
    except ValidationError:
        return False
    return True


def check(values: Values) -> None:
    """Raise InvalidValue if a value is too long or has a control character."""
    paths = {each.place: each.path for each in (EMAIL, *STANDARD)}
    for column, value in values.items():
        longest = LONGEST.get(column, LONGEST_EXTRA)
        if isinstance(value, str) and len(value) > longest:
            raise InvalidValue(paths.get(column, column), f"is longer than {longest} characters.")
        texts = value.values() if isinstance(value, dict) else (value,)
        if any(isinstance(text, str) and UNSTORABLE.search(text) for text in texts):
            raise InvalidValue(paths.get(column, "emails"), "has a control character.")


def check_form(body: Json) -> None:
    """Raise InvalidSyntax if an object has a member twice or a body is nested too deeply, and TooMuch if it is large.

    Does not recurse.
    """
    level: Sequence[Json] = [body]
    count = 0
    for _ in range(DEEPEST_BODY):
        objects = [members_of(each) for each in level if isinstance(each, dict)]
        lists = [each for each in level if isinstance(each, list)]
        level = [part for each in objects for part in each.values()] + [part for each in lists for part in each]
        count += len(level)
        if count > MOST_VALUES:
            raise TooMuch(f"The body has more than {MOST_VALUES} values.")
        if not level:
            return
    raise InvalidSyntax("The body is nested too deeply.")
