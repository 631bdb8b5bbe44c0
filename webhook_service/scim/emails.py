"""The multi-valued attribute `emails`. An employee has one e-mail, of which a directory may choose type and primary."""

from collections.abc import Sequence
from typing import Any

from webhook_service.addresses import INVISIBLE, normal_address
from webhook_service.scim.models import Email
from webhook_service.scim.values import Person

KEPT_TYPE = "work"


def emails_of(person: Person) -> list[Email] | None:
    """Return the e-mails of a person: one, or None if the employee has none."""
    if not person.email:
        return None
    parts: dict[str, Any] = (
        {"type": KEPT_TYPE, "primary": True} if person.email_parts is None else dict(person.email_parts)
    )
    if normal_address(parts.get("value") or "") != normal_address(person.email):
        parts["value"] = person.email
    return [Email.model_construct(**parts)]


def chosen_email(emails: Sequence[Email] | None, *, has_unsent: bool = False) -> dict[str, Any] | None:
    """Return the sub-attributes of the primary e-mail, else of the one at work, else of the first.

    An e-mail without an address is none. With `has_unsent`, it is the one of the employee, of which the directory has
    sent nothing. None if this is the chosen one.
    """
    usable = [each for each in emails or () if address_of(each) or (has_unsent and each.value is None)]
    usable.sort(key=lambda each: (each.primary is not True, str(each.type).lower() != KEPT_TYPE))
    if not usable or not (address := address_of(usable[0])):
        return None
    parts = {"value": address, "type": usable[0].type, "primary": usable[0].primary}
    return {name: part for name, part in parts.items() if part is not None}


def address_of(email: Email) -> str:
    """Return the address without invisible characters around it."""
    return (email.value or "").strip(INVISIBLE)
