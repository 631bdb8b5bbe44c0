"""The people of the company as a directory reads and writes them.

Each write is one call of the database, and so one transaction, which also writes the audit. A refused write is audited
too, with the refusal.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from webhook_service.errors import Conflict
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.scim.audit import audited
from webhook_service.scim.checks import ATTRIBUTES, KEY, check_condition, check_values, stored
from webhook_service.scim.refusals import (
    InvalidFilter,
    InvalidValue,
    Managed,
    NoSuchPerson,
    Uniqueness,
    VersionMismatch,
)
from webhook_service.scim.values import Client, Column, Condition, Person

log = logging.getLogger(__name__)

WRITE_ATTEMPTS = 5
"""How often a write is tried while transactions of others conflict with it."""

RETRY_SECONDS = 2.0
"""How long a write is tried again. A try lasts at most 3 seconds, so that a thread is free again after 5 seconds."""

REQUIRED = "is required."
KEPT = "was not changed, because a rule of the employees table keeps its value."
REJECTED = "does not fit the rules of the employees table."


@dataclass(frozen=True, slots=True)
class Store:
    """The store of one installation.

    `attributes` is SCIM_ATTRIBUTES: {name of the SCIM attribute: column of employees}. With `removes` (SCIM_DELETE),
    `delete` deletes the row of the employee. `welcome` is called after a person was created or has become active by
    `create`, and gives the person a login (SCIM_CREATE_LOGINS). `clock` returns seconds.

    All methods raise Unavailable if a retry may help, and DatabaseError.
    """

    database: Database
    attributes: Mapping[str, str] = field(default_factory=dict)
    removes: bool = False
    welcome: Callable[[Client, Person], object] = lambda client, person: None
    clock: Callable[[], float] = time.monotonic

    def find(
        self,
        client: Client,
        condition: Condition | None = None,
        sort_by: Column | None = None,
        descending: bool = False,
        start: int = 1,
        count: int = 100,
    ) -> tuple[int, list[Person]]:
        """Return the number of people that match the condition, and at most `count` of them from the `start`-th on.

        Without `sort_by`, the order is that of the ids. Raises InvalidFilter.
        """
        check_condition(condition)
        answer = self.database.call(
            "auth_sync_scim_find_v1",
            p_client_id=client.client_id,
            p_condition=condition,
            p_sort_by=sort_by,
            p_is_descending=descending,
            p_start=start,
            p_count=count,
            p_attributes=dict(self.attributes),
        )
        if "refused" in answer:
            raise InvalidFilter("The filter is not possible: an operator or a value does not fit its attribute.")
        return answer["total"], [person_of(each) for each in answer["people"]]

    def get(self, client: Client, id: str) -> Person:
        """Return a person. Raises NoSuchPerson."""
        found = self.database.call(
            "auth_sync_scim_get_v1",
            p_client_id=client.client_id,
            p_employee_id=key_of(id),
            p_attributes=dict(self.attributes),
        )
        if found is None:
            raise NoSuchPerson
        return person_of(found)

    def create(self, client: Client, values: Mapping[Column, Any]) -> Person:
        """Add a person: a new employee, or an existing one with the number or the e-mail.

        Without `active`, the employee becomes active. Raises Uniqueness if the directory has the person already, if
        another directory manages the person, or if several employees match. Raises InvalidValue.
        """
        check_values(values)
        with audited(self.database, client, "create an employee", None):
            answer = accepted(
                self._write(
                    "auth_sync_scim_create_v1",
                    p_client_id=client.client_id,
                    p_values=stored(values),
                    p_attributes=dict(self.attributes),
                ),
                values,
            )
        person = person_of(answer["person"])
        if person.active:
            self.welcome(client, person)
        return person

    def change(self, client: Client, id: str, values: Mapping[Column, Any], version: str | None = None) -> Person:
        """Change the values of a person. Values that are equal to the present ones are not written.

        With `version`, the person must have this version. Raises NoSuchPerson, Managed, VersionMismatch, Uniqueness
        and InvalidValue.
        """
        check_values(values)
        employee_id = key_of(id)
        with audited(self.database, client, "edit an employee", employee_id):
            answer = accepted(
                self._write(
                    "auth_sync_scim_change_v1",
                    p_client_id=client.client_id,
                    p_employee_id=employee_id,
                    p_values=stored(values),
                    p_version=version,
                    p_attributes=dict(self.attributes),
                ),
                values,
            )
        return person_of(answer["person"])

    def delete(self, client: Client, id: str, version: str | None = None) -> None:
        """Deactivate a person, who does not exist for this directory any more, or delete the row of the employee.

        Raises NoSuchPerson, Managed, VersionMismatch and InvalidValue.
        """
        employee_id = key_of(id)
        with audited(self.database, client, "delete an employee" if self.removes else "deactivate", employee_id):
            accepted(
                self._write(
                    "auth_sync_scim_delete_v1",
                    p_client_id=client.client_id,
                    p_employee_id=employee_id,
                    p_version=version,
                    p_removes=self.removes,
                    p_attributes=dict(self.attributes),
                )
            )

    def _write(self, function: str, **params: Json) -> Json:
        """Call a function that writes. Another transaction that conflicts with the call has undone it: call again."""
        until = self.clock() + RETRY_SECONDS
        for _ in range(WRITE_ATTEMPTS - 1):
            try:
                return self.database.call(function, **params)
            except Conflict:
                if self.clock() >= until:
                    raise
                log.info("write repeated", extra={"function": function})
        return self.database.call(function, **params)


def accepted(answer: Json, values: Mapping[Column, Any] | None = None) -> Json:
    """Return the database's result, unless it is a refusal, which is raised. `values` are the written ones."""
    refused = answer.get("refused")
    if refused is None:
        return answer
    place = answer.get("place")
    attribute = ATTRIBUTES.get(place, place) or "userName"
    if place == "email" and "email_parts" in (values or {}):
        attribute = "emails.value"
    if refused == "no_such_person":
        raise NoSuchPerson
    if refused == "version_mismatch":
        raise VersionMismatch
    if refused == "managed":
        raise Managed(answer["name"])
    if refused == "uniqueness":
        raise Uniqueness(attribute)
    why = {"required": REQUIRED, "kept": KEPT, "rejected": REJECTED}[refused]
    raise InvalidValue(attribute if place else "The user", why)


def person_of(found: Json) -> Person:
    """Return a person from the result of `auth_sync_scim_person_v1`."""
    times = {name: datetime.fromisoformat(found[name]) for name in ("created", "modified")}
    return Person(**(found | times))


def key_of(id: str) -> int:
    """Return the employee_id. Raises NoSuchPerson if the text is not the key of an employee."""
    if KEY.fullmatch(id) is None:
        raise NoSuchPerson
    return int(id)
