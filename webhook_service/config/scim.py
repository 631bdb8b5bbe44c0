"""Reads the settings of SCIM."""

import re
from collections.abc import Mapping

from webhook_service.config.values import value_of, whole_number, words
from webhook_service.errors import BadSetting
from webhook_service.settings import DEFAULT_SCIM_RATE, NewLogins, ScimSettings

ATTRIBUTES = (
    *("department", "division", "costCenter", "organization"),
    *("title", "userType", "nickName", "preferredLanguage", "locale", "timezone"),
)
"""The attributes of SCIM that can be columns: texts of the enterprise extension, and of the user."""

OTHERS = {
    *("employee_id", "email", "first_name", "last_name", "employee_number", "is_active"),
    *("auth_user_id", "orphaned_at", "orphaned_auth_user_id"),
}
"""The columns that have an attribute already, or that directories must not write."""


def scim(environ: Mapping[str, str]) -> ScimSettings:
    """Return the settings of SCIM."""
    return ScimSettings(
        attributes=attributes(environ),
        removes=choice(environ, "SCIM_DELETE", ("keep", "remove")) == "remove",
        new_logins=NewLogins(choice(environ, "SCIM_CREATE_LOGINS", tuple(NewLogins))),
        rate=whole_number(environ, "SCIM_RATE", DEFAULT_SCIM_RATE),
    )


def attributes(environ: Mapping[str, str]) -> dict[str, str]:
    """Return SCIM_ATTRIBUTES as {attribute: column of employees}. Each attribute and each column is there once."""
    given = words(environ, "SCIM_ATTRIBUTES")
    found = [re.fullmatch(r"(\w+)=([^\W\d]\w*)", word) for word in given]
    pairs = {match[1]: match[2] for match in found if match is not None}
    if len(pairs) != len(given) or not pairs.keys() <= set(ATTRIBUTES):
        raise BadSetting("SCIM_ATTRIBUTES", f"must be ATTRIBUTE=COLUMN pairs (attributes: {', '.join(ATTRIBUTES)})")
    if OTHERS & set(pairs.values()) or len(set(pairs.values())) != len(pairs):
        raise BadSetting("SCIM_ATTRIBUTES", "names a column twice, or one that has another meaning")
    return pairs


def choice(environ: Mapping[str, str], name: str, values: tuple[str, ...]) -> str:
    """Return the value of a variable that must be one of `values`. The first is the default."""
    text = (value_of(environ, name) or values[0]).lower()
    if text not in values:
        raise BadSetting(name, f"must be {', '.join(values[:-1])} or {values[-1]}")
    return text
