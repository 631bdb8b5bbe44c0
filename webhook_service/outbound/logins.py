"""Employees with a login: creating both or neither, and switching both off and on.

The intent is in the ledger before Auth is called, under the id that the auth user will have. So whatever is cut off in
the middle is finished or undone by the relay, once the lease of the intent has ended (see `Accounts.resolve`).
"""

import logging
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from webhook_service.errors import (
    AuthEmailExists,
    AuthRefused,
    AuthThrottled,
    AuthUnavailable,
    AuthUncertain,
    DatabaseError,
    EmailTaken,
    EmployeeNotFound,
    EmployeeRejected,
    ServiceError,
    Unavailable,
)
from webhook_service.events import ActionOutcome, Json
from webhook_service.outbound.accounts import Accounts, Performed
from webhook_service.outbound.refusals import NO_AUTH_ADMIN, accepted, no_auth_admin
from webhook_service.ports import Database

log = logging.getLogger(__name__)

INTENT_LEASE = 120
"""Seconds: more than all calls of a creation together may take."""


@dataclass(frozen=True, slots=True)
class Hired:
    """An employee with a login. `outcome` is created or linked; the password is told here and nowhere else."""

    employee_id: int
    auth_user_id: UUID
    event_id: str
    outcome: ActionOutcome
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Switched:
    """An employee that was switched on or off. `login`: none, done, queued, or failed, with why."""

    employee_id: int
    is_active: bool
    login: str
    outcome: ActionOutcome | None = None
    event_id: str | None = None
    reason: str | None = None


def temporary_password() -> str:
    """128 random bits, after a letter: a spreadsheet takes what begins with - for a formula."""
    return secrets.choice(string.ascii_letters) + secrets.token_urlsafe(16)


def hire(
    accounts: Accounts | None,
    employee: Mapping[str, Json],
    email: str,
    *,
    via: str,
    requested_by: str,
    invite: bool = False,
    announce: Callable[[str | None], object] = lambda password: None,
) -> Hired:
    """Creates a login, and the employee who has it: the columns of a new one, or {"employee_id"} of one that is there.

    With `invite` Auth mails an invitation, else there is a temporary password; `announce` is told it before Auth is.
    Raises EmailTaken, EmployeeRejected, EmployeeNotFound, NotPossible, InvalidQuery, AuthRefused: there is neither.
    AuthUnavailable, Unavailable: then there is neither, or will be as soon as the relay has seen to it.
    """
    if accounts is None:
        raise no_auth_admin()
    auth_user_id, lease = uuid4(), f"{via}-{uuid4()}"
    intent = asked(
        accounts.database,
        "auth_sync_intend_v1",
        p_employee=dict(employee),
        p_email=email,
        p_auth_user_id=str(auth_user_id),
        p_lease=lease,
        p_lease_seconds=INTENT_LEASE,
        p_via=via,
        p_requested_by=requested_by,
    )["event_id"]
    password = None if invite else temporary_password()
    try:
        announce(password)
        create(accounts, auth_user_id, email, password)
        if invite:
            send_invitation(accounts, email)
        answer = accounts.database.call("auth_sync_hire_v1", p_event_id=intent, p_lease=lease)
        hired = accepted(answer if answer.get("refused") != "lease_lost" else overtaken(accounts, intent))
    except (Unavailable, AuthUncertain):
        raise  # what became of it is not known yet; the relay finds out
    except ServiceError as error:
        take_back(accounts, intent, auth_user_id, lease, error.reason)
        if isinstance(error, AuthEmailExists):
            raise EmailTaken("auth", {}) from error
        raise
    return Hired(hired["employee_id"], auth_user_id, intent, ActionOutcome.CREATED, password)


def asked(database: Database, function: str, **params: Json) -> Json:
    """The answer, where that is not a refusal: of ours, or of PostgreSQL, which cannot hold a value."""
    try:
        return accepted(database.call(function, **params))
    except DatabaseError as error:
        raise EmployeeRejected("The database cannot hold what is given.", {}) from error


def create(accounts: Accounts, auth_user_id: UUID, email: str, password: str | None) -> None:
    """Raises AuthUncertain where Auth did not answer: the auth user may still come."""
    try:
        accounts.admin.create(auth_user_id, email, password=password)
    except AuthThrottled:
        raise
    except AuthUnavailable as error:
        if not is_there(accounts, auth_user_id):
            if accounts.database.call("auth_sync_email_holder_v1", p_email=email) is not None:
                raise AuthEmailExists("email_exists", "Another auth user has that e-mail.") from error
            raise AuthUncertain(error.reason, error.detail) from error


def is_there(accounts: Accounts, auth_user_id: UUID) -> bool:
    """As far as Auth says."""
    try:
        return accounts.admin.get(auth_user_id) is not None
    except (AuthUnavailable, AuthRefused):
        return False


def send_invitation(accounts: Accounts, email: str) -> None:
    """Raises AuthUncertain where Auth did not answer: it invites under an id of its own who is not there by then."""
    try:
        accounts.admin.invite(email)
    except AuthThrottled:
        raise
    except AuthUnavailable as error:
        raise AuthUncertain(error.reason, error.detail) from error


def overtaken(accounts: Accounts, event_id: str) -> Json:
    """The lease had ended, and the relay has seen to the intent: what `auth_sync_hire_v1` would have said. Where it was
    undone, it is undone once more: the auth user has come since.
    """
    found = accounts.database.call("auth_sync_event_v1", p_event_id=event_id)
    if found is not None and found["outcome"] == ActionOutcome.CREATED:
        return {"employee_id": found["employee_id"]}
    accounts.database.call("auth_sync_reopen_v1", p_event_id=event_id)
    return {"refused": "lease_lost"}


def take_back(accounts: Accounts, event_id: str, auth_user_id: UUID, lease: str, because: str) -> None:
    """Removes the auth user again. Where that cannot be done now, the relay does it later."""
    try:
        accounts.settle(event_id, lease, accounts.undo(auth_user_id, because))
    except ServiceError as error:
        log.warning("not undone yet", extra={"event_id": event_id, "reason": error.reason})


def adopt(
    database: Database, employee: Mapping[str, Json], email: str, auth_user_id: UUID, *, via: str, requested_by: str
) -> Hired:
    """Gives an auth user that is there already, with this confirmed e-mail and without an employee, to an employee.

    `employee` and what is raised are as of `hire`.
    """
    adopted = asked(
        database,
        "auth_sync_adopt_v1",
        p_employee=dict(employee),
        p_email=email,
        p_auth_user_id=str(auth_user_id),
        p_via=via,
        p_requested_by=requested_by,
    )
    return Hired(adopted["employee_id"], auth_user_id, adopted["event_id"], ActionOutcome.LINKED)


def choose(database: Database, employee_id: int, auth_user_id: UUID, *, requested_by: str) -> None:
    """An admin says whose login it is. Raises EmployeeNotFound, EmployeeRejected, NotPossible: nothing is linked."""
    asked(
        database,
        "auth_sync_choose_v1",
        p_employee_id=employee_id,
        p_auth_user_id=str(auth_user_id),
        p_requested_by=requested_by,
    )


def set_active(
    database: Database, accounts: Accounts | None, employee_id: int, is_active: bool, *, via: str
) -> Switched:
    """Switches an employee off or on, and the login with it: at once where Auth answers, else it is queued.

    Raises EmployeeNotFound, EmployeeRejected; Unavailable: then nothing has changed.
    """
    answer = database.call("auth_sync_set_active_v1", p_employee_id=employee_id, p_is_active=is_active, p_via=via)
    if answer is None:
        raise EmployeeNotFound
    changed = accepted(answer)
    if changed["is_active"] is not is_active:
        raise EmployeeRejected("A trigger of the employees table did not let it be written.", {"column": "is_active"})
    event_id = changed["event_id"]
    if event_id is None:
        return Switched(employee_id, is_active, "none")
    if accounts is None:
        return Switched(employee_id, is_active, "queued", event_id=event_id, reason=NO_AUTH_ADMIN)
    performed = performed_now(accounts, event_id, f"{via}-{uuid4()}")
    if performed is None:
        return Switched(employee_id, is_active, "queued", event_id=event_id)
    login = "done" if performed.error is None else "queued" if performed.retry else "failed"
    return Switched(employee_id, is_active, login, performed.outcome, event_id, performed.error)


def performed_now(accounts: Accounts, event_id: str, lease: str) -> Performed | None:
    """None where it could not be done now, for whatever reason: the relay does it."""
    try:
        return accounts.perform_now(event_id, lease)
    except ServiceError as error:
        log.warning("queued", extra={"event_id": event_id, "reason": error.reason})
        return None
