"""The SCIM user of this server as classes of scim2-models, by which it reads changes, writes responses and has schemas.

The texts below the attributes are their descriptions in `/Schemas`.
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, Strict, create_model, model_validator
from scim2_models import URN, ComplexAttribute, Extension, Required, Resource, Uniqueness

from webhook_service.events import Json
from webhook_service.scim.attributes import CORE, ENTERPRISE, schema_of

LONGEST_TYPE = 100

MOST_EMAILS = 100
"""The limit of e-mails of a user, because each operation of a PATCH compares its e-mails with those before."""

BOOLEANS = {"true": True, "false": False}
"""Entra sends booleans as strings."""


def text_of(value: Json) -> Json:
    """Return a text without space around it, or None for an empty text."""
    value = exact_text_of(value)
    return (value.strip() or None) if isinstance(value, str) else value


def exact_text_of(value: Json) -> Json:
    """Return a text as it is. A whole number becomes a text."""
    value = value_of(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def boolean_of(value: Json) -> Json:
    """Return the boolean of a string."""
    value = value_of(value)
    return BOOLEANS.get(value.strip().lower(), value) if isinstance(value, str) else value


def value_of(value: Json) -> Json:
    """Return the value in an old form of Entra: [{"value": "..."}]."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value["value"] if isinstance(value, Mapping) and "value" in value else value


Text = Annotated[str | None, BeforeValidator(text_of)]
Boolean = Annotated[bool | None, Strict(), BeforeValidator(boolean_of)]


class UserName(ComplexAttribute):
    """The parts of the name."""

    given_name: Text = None
    """The first name."""

    family_name: Text = None
    """The last name."""


class Email(ComplexAttribute):
    """An e-mail. The address is any text, because an employee with an odd one must be readable too."""

    value: str | None = None
    """The address."""

    type: str | None = Field(default=None, max_length=LONGEST_TYPE, examples=["work", "home", "other"])
    """The type."""

    primary: Boolean = None
    """Whether the address is the primary one."""

    @model_validator(mode="before")
    @classmethod
    def _of_an_address(cls, value: Any) -> Any:
        """Read an address without sub-attributes."""
        return {"value": value} if isinstance(value, str) else value


class EnterpriseUser(Extension):
    """The employee's place in the company"""

    __schema__ = URN(ENTERPRISE)

    employee_number: Annotated[Text, Uniqueness.server] = None
    """The employee number, by which a user is matched to an employee before the e-mail."""


class User(Resource[Any]):
    """An employee"""

    __schema__ = URN(CORE)

    external_id: Annotated[str | None, BeforeValidator(exact_text_of)] = None

    user_name: Annotated[Text, Required.true, Uniqueness.server] = None
    """The directory's own login name of the user. It is the e-mail if the directory sends no emails."""

    name: UserName | None = None
    """The parts of the name."""

    active: Annotated[Boolean, Required.true] = None
    """Whether the employee works here. The login of an inactive employee is disabled. A new user is active."""

    emails: list[Email] | None = Field(default=None, max_length=MOST_EMAILS)
    """The e-mail: the primary value, else the one of the type work, else the first. The others are ignored.

    A new user without any has the e-mail of the userName.
    """


@cache
def models_of(extra: tuple[str, ...]) -> tuple[type[User], type[EnterpriseUser]]:
    """Return the classes of users and of their enterprise extension with these attributes (SCIM_ATTRIBUTES)."""
    fields: dict[str, dict[str, Any]] = {CORE: {}, ENTERPRISE: {}}
    for name in extra:
        field = Field(default=None, description="A column of the employee (SCIM_ATTRIBUTES).")
        fields[schema_of(name)][name] = (Text, field)
    place = create_model(EnterpriseUser.__name__, __base__=EnterpriseUser, **fields[ENTERPRISE])
    user = create_model(User.__name__, __base__=User, **fields[CORE])
    place.__doc__, user.__doc__ = EnterpriseUser.__doc__, User.__doc__
    return user[place], place  # type: ignore[index]
