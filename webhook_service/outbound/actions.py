"""Pure functions that decide which call to Auth an action still needs, without I/O and without a clock.

An action records the change that was requested. The decision depends on the current employee and auth user, so an
action that is performed twice, late or after a newer one has the same result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from webhook_service.events import Account, Action, ActionOutcome, RequestedAction
from webhook_service.policy import EmailOwner

PERMANENT_BAN = timedelta(days=50 * 365)
"""A ban that lasts longer than this is permanent. Auth (supabase/auth v2.196) has no endless bans, so this service bans
for a century."""


@dataclass(frozen=True, slots=True)
class Call:
    """The changes to request from Auth. None leaves a value unchanged.

    `outcome` is the action's outcome if the call succeeds. `ends_sessions` says whether open sessions are ended too.
    """

    outcome: ActionOutcome
    banned: bool | None = None
    email: str | None = None
    ends_sessions: bool = False

    @property
    def changes_nothing(self) -> bool:
        return self.banned is None and self.email is None


def is_banned_permanently(account: Account, now: datetime) -> bool:
    return account.banned_until is not None and account.banned_until > now + PERMANENT_BAN


def is_banned(account: Account, now: datetime) -> bool:
    return account.banned_until is not None and account.banned_until > now


def disable(requested: RequestedAction, account: Account | None, owner: EmailOwner, now: datetime) -> Call:
    """Ban the login of an employee who is inactive or whose row is gone.

    The open sessions are ended even if the login is banned already.
    """
    if requested.employee is not None and requested.employee.is_active:
        return Call(ActionOutcome.STALE)
    if account is None or account.deleted_at is not None:
        return Call(ActionOutcome.GONE)
    if is_banned_permanently(account, now):
        return Call(ActionOutcome.UNCHANGED, ends_sessions=True)
    return Call(ActionOutcome.DISABLED, banned=True, ends_sessions=True)


def enable(requested: RequestedAction, account: Account | None, owner: EmailOwner, now: datetime) -> Call:
    """Lift the ban of an active employee's login, even if an admin set the ban in Supabase."""
    if requested.employee is None or not requested.employee.is_active:
        return Call(ActionOutcome.STALE)
    if account is None or account.deleted_at is not None:
        return Call(ActionOutcome.USER_NOT_FOUND)
    if not is_banned(account, now):
        return Call(ActionOutcome.UNCHANGED)
    return Call(ActionOutcome.ENABLED, banned=False)


def update_email(requested: RequestedAction, account: Account | None, owner: EmailOwner, now: datetime) -> Call:
    """Copy the employee's e-mail to Auth.

    If Auth owns e-mails (EMAIL_OWNER) and both sides have changed the e-mail, Auth's e-mail wins, and its event copies
    the e-mail to the employee. Auth has changed its e-mail if it differs from the e-mail before the employee's change
    and from all e-mails that this service has sent since.
    """
    if requested.employee is None or "@" not in (requested.employee.email or ""):
        return Call(ActionOutcome.STALE)
    if account is None or account.deleted_at is not None:
        return Call(ActionOutcome.USER_NOT_FOUND)
    if account.email == requested.employee.email:
        return Call(ActionOutcome.UNCHANGED)
    if owner is EmailOwner.AUTH and account.email not in {requested.was, *requested.sent}:
        return Call(ActionOutcome.STALE)
    return Call(ActionOutcome.EMAIL_UPDATED, email=requested.employee.email)


DECIDERS: dict[Action, Callable[[RequestedAction, Account | None, EmailOwner, datetime], Call]] = {
    Action.DISABLE_AUTH_USER: disable,
    Action.ENABLE_AUTH_USER: enable,
    Action.UPDATE_AUTH_EMAIL: update_email,
}


def decide(requested: RequestedAction, account: Account | None, owner: EmailOwner, now: datetime) -> Call:
    """Decide the call that `requested` still needs. `account` is None if Auth does not have the auth user.

    Raises KeyError for `create_auth_user`, which has no single call (see `outbound.logins`).
    """
    return DECIDERS[requested.action](requested, account, owner, now)
