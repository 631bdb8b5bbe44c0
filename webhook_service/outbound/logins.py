"""Creates an employee together with a login, and links and unlinks logins.

The ledger records an intent before Auth is called, with the id of the new auth user. If the process ends in between,
the relay finishes or undoes the intent after its lease has ended (see `Accounts.resolve`).
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
    EmployeeRejected,
    ServiceError,
    Unavailable,
)
from webhook_service.events import ActionOutcome, Json
from webhook_service.outbound.accounts import Accounts
from webhook_service.outbound.refusals import accepted, no_auth_admin
from webhook_service.ports import Database

log = logging.getLogger(__name__)

INTENT_LEASE_SECONDS = 120
"""The lease of an intent. It is longer than the time limits of all calls of one creation together."""


@dataclass(frozen=True, slots=True)
class Hired:
    """An employee with a login.

    `outcome` is `created` or `linked`. `password` is the temporary password, which is not stored.
    """

    employee_id: int
    auth_user_id: UUID
    event_id: str
    outcome: ActionOutcome
    password: str | None = field(default=None, repr=False)


def temporary_password() -> str:
    """Return a password of 128 random bits after a letter: a spreadsheet reads a leading `-` as a formula."""
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
    """Create a login for a new or an existing employee.

    `employee` is {column: value} of a new employee, or {"employee_id": ...} of an existing one. With `invite`, Auth
    mails an invitation. Otherwise the login gets a temporary password. `announce` receives the password (None with
    `invite`) before Auth is called.

    Raises EmailTaken, EmployeeRejected, EmployeeNotFound, NotPossible, InvalidQuery or AuthRefused if nothing was
    created. Raises AuthUnavailable or Unavailable. After these, nothing was created, or the relay finishes or undoes
    the login.
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
        raise  # the result is not known yet, so the relay finishes or undoes the intent
    except ServiceError as error:
        take_back(accounts, intent, auth_user_id, lease, error.reason)
        if isinstance(error, AuthEmailExists):
            raise EmailTaken("auth", {}) from error
        raise
    return Hired(hired["employee_id"], auth_user_id, intent, ActionOutcome.CREATED, password)


def call_accepted(database: Database, function: str, **params: Json) -> Json:
    """Call a function and return its result.

    Raises the errors of `refusals.accepted`, Unavailable, and EmployeeRejected if PostgreSQL cannot store a value.
    """
    try:
        return accepted(database.call(function, **params))
    except DatabaseError as error:
        raise EmployeeRejected("The database cannot store one of the values.", {}) from error


def create(accounts: Accounts, auth_user_id: UUID, email: str, password: str | None) -> None:
    """Create the auth user. Without a password, its e-mail is not confirmed.

    Raises AuthEmailExists, AuthThrottled or AuthRefused. Raises AuthUncertain if Auth did not respond, because it may
    still create the auth user later.
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
    """Return whether Auth has the auth user. Returns False if Auth does not respond or refuses the call."""
    try:
        return accounts.admin.get(auth_user_id) is not None
    except (AuthUnavailable, AuthRefused):
        return False


def send_invitation(accounts: Accounts, email: str) -> None:
    """Request from Auth that it mails an invitation.

    If the auth user is deleted before Auth processes the request, Auth creates an auth user with another id
    (supabase/auth v2.196).
    Raises AuthThrottled, AuthRefused, and AuthUncertain if Auth did not respond.
    """
    try:
        accounts.admin.invite(email)
    except AuthThrottled:
        raise
    except AuthUnavailable as error:
        raise AuthUncertain(error.reason, error.detail) from error


def overtaken(accounts: Accounts, event_id: str) -> Json:
    """Return the result of an intent that the relay settled after its lease had ended, as `auth_sync_hire_v1` does.

    If the relay undid the intent, the intent is opened again, because the auth user was created after that. The relay
    then deletes the auth user.
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
    InvalidQuery if nothing was linked. Also raises Unavailable.
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

    Raises EmployeeNotFound, EmployeeRejected or NotPossible if nothing was linked. Also raises Unavailable.
    """
    call_accepted(
        database,
        "auth_sync_choose_v1",
        p_employee_id=employee_id,
        p_auth_user_id=str(auth_user_id),
        p_requested_by=requested_by,
    )


def move(database: Database, employee_id: int, auth_user_id: UUID, *, requested_by: str) -> None:
    """Move the login of an inactive employee to an active employee who has the same e-mail or number.

    The inactive employee is the former row of the same person. Raises EmployeeNotFound, EmployeeRejected or NotPossible
    if nothing was moved. Raises Unavailable.
    """
    call_accepted(
        database,
        "auth_sync_move_login_v1",
        p_employee_id=employee_id,
        p_auth_user_id=str(auth_user_id),
        p_requested_by=requested_by,
    )


def unlink(database: Database, employee_id: int, auth_user_id: UUID) -> Json:
    """Take a login away from an employee, who gets the e-mail and the names from before the link.

    `auth_user_id` is the login that the admin has seen. Returns the restored values, {column: value}. Raises
    EmployeeNotFound, EmployeeRejected or NotPossible if nothing was changed. Raises Unavailable.
    """
    answer = call_accepted(database, "auth_sync_unlink_v1", p_employee_id=employee_id, p_auth_user_id=str(auth_user_id))
    return answer["restored"]
