"""RequestedAction + Account -> Call: the call of Auth that an action still needs, as values. No I/O, clock, database.

An action says what was requested once. What counts is the employee as it is now, and the auth user as Auth has it
now: so the same action done twice, late, or after another one ends in the same place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from webhook_service.events import Account, Action, ActionOutcome, RequestedAction
from webhook_service.policy import EmailOwner

FOR_GOOD = timedelta(days=50 * 365)
"""A ban that lasts at least so long from now on is one for good. Auth knows no endless ones; ours are for a century."""


@dataclass(frozen=True, slots=True)
class Call:
    """What to tell Auth: None leaves it as it is. `outcome` is what it then was."""

    outcome: ActionOutcome
    banned: bool | None = None
    email: str | None = None
    ends_sessions: bool = False

    @property
    def changes_nothing(self) -> bool:
        return self.banned is None and self.email is None


def is_banned_for_good(account: Account, now: datetime) -> bool:
    return account.banned_until is not None and account.banned_until > now + FOR_GOOD


def is_banned(account: Account, now: datetime) -> bool:
    return account.banned_until is not None and account.banned_until > now


def disable(requested: RequestedAction, account: Account | None, owner: EmailOwner, now: datetime) -> Call:
    """An inactive employee, and one who is no more, must not sign in; and what they have open ends, each time."""
    if requested.employee is not None and requested.employee.is_active:
        return Call(ActionOutcome.STALE)
    if account is None or account.deleted_at is not None:
        return Call(ActionOutcome.GONE)
    if is_banned_for_good(account, now):
        return Call(ActionOutcome.UNCHANGED, ends_sessions=True)
    return Call(ActionOutcome.DISABLED, banned=True, ends_sessions=True)


def enable(requested: RequestedAction, account: Account | None, owner: EmailOwner, now: datetime) -> Call:
    """An active employee may sign in, whoever made the ban."""
    if requested.employee is None or not requested.employee.is_active:
        return Call(ActionOutcome.STALE)
    if account is None or account.deleted_at is not None:
        return Call(ActionOutcome.USER_NOT_FOUND)
    if not is_banned(account, now):
        return Call(ActionOutcome.UNCHANGED)
    return Call(ActionOutcome.ENABLED, banned=False)


def update_email(requested: RequestedAction, account: Account | None, owner: EmailOwner, now: datetime) -> Call:
    """The employee's e-mail goes to Auth. Where Auth owns e-mails and its own is neither what it was when the other
    was changed nor what we have sent since, both sides changed it: Auth's counts, and its event brings it to the
    employee.
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
    """What is still to be done about `wish` where Auth has the auth user as `account` (None: there is none)."""
    return DECIDERS[requested.action](requested, account, owner, now)
