"""Creates an employee and a login, or neither, and activates and deactivates both.

The ledger records an intent before Auth is called, with the id that the auth user will have. If the process ends in
between, the relay finishes or undoes the intent once its lease has ended (see `Accounts.resolve`).
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

INTENT_LEASE_SECONDS = 120
"""Longer than all calls of one creation together may take."""


@dataclass(frozen=True, slots=True)
class Hired:
    """An employee with a login.

    `outcome` is `created` or `linked`. `password` is the temporary password; it is stored nowhere.
    """

    employee_id: int
    auth_user_id: UUID
    event_id: str
    outcome: ActionOutcome
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Switched:
    """An employee who was activated or deactivated.

    `login` is `none` (there is no login), `done`, `queued` (the relay follows) or `failed`; `reason` says why it is not
    done.
    """

    employee_id: int
    is_active: bool
    login: str
    outcome: ActionOutcome | None = None
    event_id: str | None = None
    reason: str | None = None


def temporary_password() -> str:
    """Return a password of 128 random bits. It begins with a letter: a spreadsheet takes a leading - for a formula."""
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
    """Create a login, and the employee who has it unless the employee exists.

    `employee` holds {column: value} of a new employee, or {"employee_id": ...} of an existing one. With `invite`, Auth
    mails an invitation; otherwise the login gets a temporary password. `announce` receives the password (None with
    `invite`) before Auth is called.

    Raises EmailTaken, EmployeeRejected, EmployeeNotFound, NotPossible, InvalidQuery, AuthRefused: nothing was created.
    Raises AuthUnavailable, Unavailable: nothing was created, or the relay finishes or undoes it.
    """
    if accounts is None:
        raise no_auth_admin()
    auth_user_id, lease = uuid4(), f"{via}-{uuid4()}"
    intent = call_accepted(
        accounts.database,
        "auth_sync_intend_v1",
        p_employee=dict(employee),
        p_email=email,
        p_auth_user_id=str(auth_user_id),
        p_lease=lease,
        p_lease_seconds=INTENT_LEASE_SECONDS,
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
        raise  # the result is not known yet; the relay finds it out
    except ServiceError as error:
        take_back(accounts, intent, auth_user_id, lease, error.reason)
        if isinstance(error, AuthEmailExists):
            raise EmailTaken("auth", {}) from error
        raise
    return Hired(hired["employee_id"], auth_user_id, intent, ActionOutcome.CREATED, password)


def call_accepted(database: Database, function: str, **params: Json) -> Json:
    """Call a function and return its result.

    Raises as `refusals.accepted`, Unavailable, and EmployeeRejected if PostgreSQL cannot store a value.
    """
    try:
        return accepted(database.call(function, **params))
    except DatabaseError as error:
        raise EmployeeRejected("The database cannot store one of the values.", {}) from error


def create(accounts: Accounts, auth_user_id: UUID, email: str, password: str | None) -> None:
    """Create the auth user. Without a password, its e-mail is not confirmed.

    Raises AuthEmailExists, AuthThrottled, AuthRefused, and AuthUncertain if Auth did not respond: it may still create
    the auth user later.
    """
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
    """Whether Auth says that it has the auth user."""
    try:
        return accounts.admin.get(auth_user_id) is not None
    except (AuthUnavailable, AuthRefused):
        return False


def send_invitation(accounts: Accounts, email: str) -> None:
    """Have Auth mail an invitation. Raises AuthThrottled, AuthRefused, and AuthUncertain if Auth did not respond.

    An invitation that Auth processes after the auth user was deleted creates an auth user with an id of Auth's own
    (supabase/auth v2.196).
    """
    try:
        accounts.admin.invite(email)
    except AuthThrottled:
        raise
    except AuthUnavailable as error:
        raise AuthUncertain(error.reason, error.detail) from error


def overtaken(accounts: Accounts, event_id: str) -> Json:
    """Return what `auth_sync_hire_v1` would have returned for an intent that the relay took after its lease had ended.

    If the relay undid the intent, it is opened again to be undone once more: the auth user was created since then.
    """
    found = accounts.database.call("auth_sync_event_v1", p_event_id=event_id)
    if found is not None and found["outcome"] == ActionOutcome.CREATED:
        return {"employee_id": found["employee_id"]}
    accounts.database.call("auth_sync_reopen_v1", p_event_id=event_id)
    return {"refused": "lease_lost"}


def take_back(accounts: Accounts, event_id: str, auth_user_id: UUID, lease: str, because: str) -> None:
    """Delete the auth user again. If that fails, the relay does it later."""
    try:
        accounts.settle(event_id, lease, accounts.undo(auth_user_id, because))
    except ServiceError as error:
        log.warning("creation not undone yet", extra={"event_id": event_id, "reason": error.reason})


def adopt(
    database: Database, employee: Mapping[str, Json], email: str, auth_user_id: UUID, *, via: str, requested_by: str
) -> Hired:
    """Link an employee to an existing auth user that has this confirmed e-mail and no employee.

    `employee` has the shape that `hire` takes. Raises EmailTaken, EmployeeRejected, EmployeeNotFound, NotPossible or
    InvalidQuery: nothing was linked; and Unavailable.
    """
    adopted = call_accepted(
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
    """Link an employee to the auth user that an admin chose.

    Raises EmployeeNotFound, EmployeeRejected or NotPossible: nothing was linked; and Unavailable.
    """
    call_accepted(
        database,
        "auth_sync_choose_v1",
        p_employee_id=employee_id,
        p_auth_user_id=str(auth_user_id),
        p_requested_by=requested_by,
    )


def move(database: Database, employee_id: int, auth_user_id: UUID, *, requested_by: str) -> None:
    """Link an active employee to the login of an inactive one with the same e-mail or number: the same person's former
    row, which becomes free.

    Raises EmployeeNotFound, EmployeeRejected or NotPossible: nothing was moved; and Unavailable.
    """
    call_accepted(
        database,
        "auth_sync_move_login_v1",
        p_employee_id=employee_id,
        p_auth_user_id=str(auth_user_id),
        p_requested_by=requested_by,
    )


def set_active(
    database: Database, accounts: Accounts | None, employee_id: int, is_active: bool, *, via: str
) -> Switched:
    """Activate or deactivate an employee, and the login: immediately if Auth responds, otherwise through the relay.

    Raises EmployeeNotFound, EmployeeRejected, NotPossible or Unavailable: nothing has changed.
    """
    answer = database.call("auth_sync_set_active_v1", p_employee_id=employee_id, p_is_active=is_active, p_via=via)
    if answer is None:
        raise EmployeeNotFound
    changed = accepted(answer)
    if changed["is_active"] is not is_active:
        raise EmployeeRejected("A trigger of the employees table undid the change.", {"column": "is_active"})
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
    """Perform an action. Returns None if that is not possible now, for any reason: then the relay performs it."""
    try:
        return accounts.perform_now(event_id, lease)
    except ServiceError as error:
        log.warning("action left to the relay", extra={"event_id": event_id, "reason": error.reason})
        return None
