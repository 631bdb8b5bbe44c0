"""Edits, activates and deactivates an employee. The login follows."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from webhook_service.errors import EmployeeNotFound, EmployeeRejected, ServiceError
from webhook_service.events import ActionOutcome, Json
from webhook_service.outbound.accounts import Accounts, Performed
from webhook_service.outbound.logins import call_accepted
from webhook_service.outbound.refusals import NO_AUTH_ADMIN, accepted
from webhook_service.ports import Database

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Switched:
    """An employee who was activated or deactivated.

    `login` is `none` (the employee has no login), `done`, `queued` (the relay performs the action), `held` (the ban
    waits for an admin, after a mass deactivation) or `failed`. `reason` says why the login is queued or failed.
    """

    employee_id: int
    is_active: bool
    login: str
    outcome: ActionOutcome | None = None
    event_id: str | None = None
    reason: str | None = None


def edit(database: Database, employee_id: int, values: Mapping[str, Json]) -> list[str]:
    """Write an employee's e-mail, names or number, and return the columns that changed.

    `values` is {column: value or None}. Raises EmailTaken, EmployeeRejected, EmployeeNotFound or Unavailable if nothing
    was changed.
    """
    answer = call_accepted(database, "auth_sync_edit_employee_v1", p_employee_id=employee_id, p_values=dict(values))
    changed: list[str] = answer["changed"]
    return changed


def set_active(
    database: Database, accounts: Accounts | None, employee_id: int, is_active: bool, *, via: str
) -> Switched:
    """Activate or deactivate an employee, and enable or disable the login.

    If Auth does not respond, the relay changes the login later. With `via` "admin", a person has decided, so the ban is
    not held. Raises EmployeeNotFound, EmployeeRejected, NotPossible or Unavailable if the employee was not changed.
    """
    answer = database.call("auth_sync_set_active_v1", p_employee_id=employee_id, p_is_active=is_active, p_via=via)
    if answer is None:
        raise EmployeeNotFound
    return followed_by_login(accounts, accepted(answer), is_active, via)


def change(
    database: Database,
    accounts: Accounts | None,
    employee_id: int,
    values: Mapping[str, Json],
    is_active: bool | None,
    *,
    via: str,
) -> tuple[list[str], Switched]:
    """Edit an employee, and activate or deactivate it unless `is_active` is None. Both take effect, or neither.

    Returns the columns of `values` that changed, and the state of the employee, whose `login` is "none" without
    `is_active`. Raises the errors of `edit` and `set_active` if nothing was changed.
    """
    changed = call_accepted(
        database,
        "auth_sync_change_employee_v1",
        p_employee_id=employee_id,
        p_values=dict(values),
        p_is_active=is_active,
        p_via=via,
    )
    if is_active is None:
        return changed["changed"], Switched(employee_id, changed["is_active"], "none")
    switched = followed_by_login(accounts, changed, is_active, via)
    return changed["changed"], switched


def followed_by_login(accounts: Accounts | None, changed: Json, is_active: bool, via: str) -> Switched:
    """Enable or disable the login of an employee, of which `changed` is the result of `auth_sync_set_active_v1`.

    Raises EmployeeRejected if the employee was not changed.
    """
    if changed["is_active"] is not is_active:
        raise EmployeeRejected("A trigger of the employees table undid the change.", {"column": "is_active"})
    employee_id, event_id = changed["employee_id"], changed["event_id"]
    if event_id is None:
        return Switched(employee_id, is_active, "held" if changed["is_held"] else "none")
    if accounts is None:
        return Switched(employee_id, is_active, "queued", event_id=event_id, reason=NO_AUTH_ADMIN)
    performed = performed_now(accounts, event_id, f"{via}-{uuid4()}")
    if performed is None:
        return Switched(employee_id, is_active, "queued", event_id=event_id)
    login = "done" if performed.error is None else "queued" if performed.retry else "failed"
    return Switched(employee_id, is_active, login, performed.outcome, event_id, performed.error)


def performed_now(accounts: Accounts, event_id: str, lease: str) -> Performed | None:
    """Perform an action. Returns None if an error prevents that now. The relay performs the action later."""
    try:
        return accounts.perform_now(event_id, lease)
    except ServiceError as error:
        log.warning("action left to the relay", extra={"event_id": event_id, "reason": error.reason})
        return None
