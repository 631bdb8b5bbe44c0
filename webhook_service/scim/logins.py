"""The login of a person that a directory has added (SCIM_CREATE_LOGINS)."""

import logging

from webhook_service.addresses import normal_address
from webhook_service.errors import ServiceError
from webhook_service.outbound.accounts import Accounts
from webhook_service.outbound.logins import hire
from webhook_service.scim.values import Client, Person
from webhook_service.settings import NewLogins

log = logging.getLogger(__name__)

VIA = "scim"


def welcome(accounts: Accounts | None, new_logins: NewLogins, client: Client, person: Person) -> None:
    """Create a login for a person who has none, through the same intent in the ledger as for any hire.

    An error is only logged, because the person has been added: the relay finishes or undoes the intent, and
    `webhook-service provision` creates the logins that are missing. With `create`, the password is discarded.
    """
    if new_logins is NewLogins.NONE or person.email is None:
        return
    try:
        hire(
            accounts,
            {"employee_id": int(person.id)},
            normal_address(person.email),
            via=VIA,
            requested_by=f"directory {client.name}",
            invite=new_logins is NewLogins.INVITE,
        )
    except ServiceError as error:
        log.warning("login not created", extra={"employee_id": int(person.id), "reason": error.reason})
