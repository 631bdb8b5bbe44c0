"""A new temporary password, or another invitation, for an employee who has a login and cannot sign in."""

from math import ceil
from uuid import UUID

from webhook_service.errors import AuthEmailExists, AuthThrottled, AuthUnavailable, AuthUncertain, NotPossible
from webhook_service.outbound.accounts import Accounts
from webhook_service.outbound.logins import temporary_password
from webhook_service.outbound.refusals import no_auth_admin
from webhook_service.ports import AuthPasswords, Database

REQUESTS, PER_SECONDS = 3, 600
"""The number of new passwords and invitations for a login that are possible at once, and the time to regain them."""


def set_temporary_password(accounts: Accounts | None, auth_user_id: UUID) -> str:
    """Set a new temporary password, and return it. It is not stored. The old password no longer works.

    Raises NotPossible (`too_many_requests`, `no_auth_admin`), AuthUserNotFound, AuthRefused, AuthThrottled or
    Unavailable. Raises AuthUncertain if Auth may have set the password.
    """
    if accounts is None or not isinstance(accounts.admin, AuthPasswords):
        raise no_auth_admin()
    limit(accounts.database, auth_user_id)
    password = temporary_password()
    try:
        accounts.admin.set_password(auth_user_id, password)
    except AuthThrottled:
        raise
    except AuthUnavailable as error:
        detail = f"{error.detail} The old password may no longer work. Try again."
        raise AuthUncertain(error.reason, detail) from error
    return password


def invite_again(accounts: Accounts | None, auth_user_id: UUID) -> None:
    """Let Auth mail another invitation to the login.

    Raises NotPossible (`too_many_requests`, `no_auth_admin`, `needs_no_invitation`), AuthRefused, AuthUnavailable,
    Unavailable.
    """
    if accounts is None:
        raise no_auth_admin()
    limit(accounts.database, auth_user_id)
    account = accounts.admin.get(auth_user_id)
    if account is None or account.email is None:
        raise NotPossible("login_not_found", "Auth has no such login, or it has no e-mail.")
    try:
        accounts.admin.invite(account.email)
    except AuthEmailExists as error:
        detail = "The e-mail is confirmed, so an invitation is not needed. Set a temporary password instead."
        raise NotPossible("needs_no_invitation", detail) from error


def limit(database: Database, auth_user_id: UUID) -> None:
    """Count a request for this login. Raises NotPossible if there were too many."""
    wait = database.call(
        "auth_sync_attempt_sign_in_v1",
        p_keys=[f"credentials:{auth_user_id}"],
        p_attempts=REQUESTS,
        p_seconds=PER_SECONDS,
    )
    if wait:
        raise NotPossible("too_many_requests", f"Too many requests for this login: wait {ceil(wait / 60)} min.")
