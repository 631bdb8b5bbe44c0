"""The decision table of actions. It has the call that is still needed for the current employee and auth user."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from webhook_service.events import Account, Action, ActionOutcome, Employee, RequestedAction
from webhook_service.outbound.actions import PERMANENT_BAN, Call, decide
from webhook_service.policy import EmailOwner

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
USER = UUID(int=1)
NEW, WAS, SENT, OTHER = "new@example.com", "was@example.com", "sent@example.com", "other@example.com"

ACTIVE: Employee | None = Employee(7, is_active=True, email=NEW)
INACTIVE: Employee | None = Employee(7, is_active=False, email=NEW)
EMPLOYEES = {"active": ACTIVE, "inactive": INACTIVE, "none": None}

FREE = Account(USER, email=WAS)
ACCOUNTS: Mapping[str, Account | None] = {
    "absent": None,
    "soft-deleted": replace(FREE, deleted_at=NOW - timedelta(days=1)),
    "soft-deleted and banned": replace(FREE, deleted_at=NOW, banned_until=NOW + timedelta(days=36500)),
    "banned for good": replace(FREE, banned_until=NOW + timedelta(days=36500)),
    "banned for a day": replace(FREE, banned_until=NOW + timedelta(days=1)),
    "free": FREE,
}

STALE = Call(ActionOutcome.STALE)
GONE = Call(ActionOutcome.GONE)
NOT_FOUND = Call(ActionOutcome.USER_NOT_FOUND)
UNCHANGED = Call(ActionOutcome.UNCHANGED)
DISABLE = Call(ActionOutcome.DISABLED, banned=True, ends_sessions=True)
END_SESSIONS = Call(ActionOutcome.UNCHANGED, ends_sessions=True)
ENABLE = Call(ActionOutcome.ENABLED, banned=False)
SEND = Call(ActionOutcome.EMAIL_UPDATED, email=NEW)

ACCESS = {
    # by the employee's state, the call if the account is absent, soft-deleted, soft-deleted and banned, banned for
    # good, banned for a day, free
    Action.DISABLE_AUTH_USER: {
        "active": (STALE, STALE, STALE, STALE, STALE, STALE),
        "inactive": (GONE, GONE, GONE, END_SESSIONS, DISABLE, DISABLE),
        "none": (GONE, GONE, GONE, END_SESSIONS, DISABLE, DISABLE),
    },
    Action.ENABLE_AUTH_USER: {
        "active": (NOT_FOUND, NOT_FOUND, NOT_FOUND, ENABLE, ENABLE, UNCHANGED),
        "inactive": (STALE, STALE, STALE, STALE, STALE, STALE),
        "none": (STALE, STALE, STALE, STALE, STALE, STALE),
    },
}

EMAILS: Mapping[str, str | None] = {"equal": NEW, "was": WAS, "sent": SENT, "other": OTHER, "none": None}
EMAIL = {
    # by the owner of e-mails, the call if Auth has the employee's e-mail, the e-mail that Auth had when the
    # employee's e-mail changed, an e-mail that this service has sent since, another e-mail, no e-mail
    EmailOwner.AUTH: (UNCHANGED, SEND, SEND, STALE, STALE),
    EmailOwner.EMPLOYEES: (UNCHANGED, SEND, SEND, SEND, SEND),
}

both_owners = pytest.mark.parametrize("owner", EmailOwner)


def requested(
    action: Action, employee: Employee | None, *, was: str | None = WAS, sent: tuple[str, ...] = (SENT,)
) -> RequestedAction:
    return RequestedAction("evt:1", action, USER, employee, was=was, sent=frozenset(sent))


@both_owners
@pytest.mark.parametrize(
    ("action", "employee", "account", "call"),
    [
        pytest.param(action, EMPLOYEES[state], ACCOUNTS[what], call, id=f"{action}, employee {state}, account {what}")
        for action, rows in ACCESS.items()
        for state, calls in rows.items()
        for what, call in zip(ACCOUNTS, calls, strict=True)
    ],
)
def test_access_follows_the_employee(
    action: Action, employee: Employee | None, account: Account | None, call: Call, owner: EmailOwner
) -> None:
    """An inactive or missing employee is banned and signed out. An active employee may sign in."""
    assert decide(requested(action, employee), account, owner, NOW) == call


@pytest.mark.parametrize("who", ["active", "inactive"])
@pytest.mark.parametrize(
    ("owner", "email", "call"),
    [
        pytest.param(owner, EMAILS[has], call, id=f"owner {owner}, Auth has {has}")
        for owner, calls in EMAIL.items()
        for has, call in zip(EMAILS, calls, strict=True)
    ],
)
def test_the_owners_e_mail_wins(owner: EmailOwner, email: str | None, call: Call, who: str) -> None:
    """The employee's e-mail is sent to Auth. If Auth owns e-mails, an e-mail from another source is not replaced."""
    account = Account(USER, email=email)
    assert decide(requested(Action.UPDATE_AUTH_EMAIL, EMPLOYEES[who]), account, owner, NOW) == call


@both_owners
@pytest.mark.parametrize("what", ACCOUNTS)
@pytest.mark.parametrize("who", ["none", "without e-mail", "with an empty e-mail"])
def test_without_an_employees_e_mail_nothing_is_sent(who: str, what: str, owner: EmailOwner) -> None:
    """A login keeps its e-mail if the employee has no e-mail, or if there is no employee."""
    employees = {"without e-mail": Employee(7, True), "with an empty e-mail": Employee(7, True, "")}
    found = decide(requested(Action.UPDATE_AUTH_EMAIL, employees.get(who)), ACCOUNTS[what], owner, NOW)
    assert found == STALE


@both_owners
@pytest.mark.parametrize("what", ["absent", "soft-deleted", "soft-deleted and banned"])
def test_an_e_mail_without_an_auth_user_fails(what: str, owner: EmailOwner) -> None:
    """An e-mail for a missing auth user fails, because the employee is linked to the user."""
    assert decide(requested(Action.UPDATE_AUTH_EMAIL, ACTIVE), ACCOUNTS[what], owner, NOW) == NOT_FOUND


@both_owners
@pytest.mark.parametrize("what", ["banned for good", "banned for a day"])
def test_a_ban_does_not_stop_an_e_mail(what: str, owner: EmailOwner) -> None:
    """A banned auth user gets the employee's e-mail too."""
    assert decide(requested(Action.UPDATE_AUTH_EMAIL, INACTIVE), ACCOUNTS[what], owner, NOW) == SEND


def test_an_unknown_e_mail_of_auth_is_not_replaced() -> None:
    """If Auth's former e-mail is unknown and no e-mail was sent, the current e-mail in Auth is not replaced."""
    unknown = requested(Action.UPDATE_AUTH_EMAIL, ACTIVE, was=None, sent=())
    assert decide(unknown, Account(USER, email=WAS), EmailOwner.AUTH, NOW) == STALE
    assert decide(unknown, Account(USER), EmailOwner.AUTH, NOW) == SEND


@pytest.mark.parametrize(
    ("lasts", "disable", "enable"),
    [
        (PERMANENT_BAN + SECOND, END_SESSIONS, ENABLE),
        (PERMANENT_BAN, DISABLE, ENABLE),
        (SECOND, DISABLE, ENABLE),
        (timedelta(0), DISABLE, UNCHANGED),
        (-SECOND, DISABLE, UNCHANGED),
    ],
    ids=["for good", "not quite for good", "for a second", "ends now", "is over"],
)
def test_a_ban_counts_by_its_remaining_time(lasts: timedelta, disable: Call, enable: Call) -> None:
    """A temporary ban is not enough for an inactive employee. An ended ban needs no call for an active employee."""
    account = replace(FREE, banned_until=NOW + lasts)
    assert decide(requested(Action.DISABLE_AUTH_USER, INACTIVE), account, EmailOwner.AUTH, NOW) == disable
    assert decide(requested(Action.ENABLE_AUTH_USER, ACTIVE), account, EmailOwner.AUTH, NOW) == enable


def carried_out(call: Call, account: Account | None) -> Account | None:
    """The account after Auth has carried out the call."""
    if account is None:
        return None
    until = {True: NOW + timedelta(days=36500), False: None, None: account.banned_until}[call.banned]
    return replace(account, banned_until=until, email=call.email or account.email)


@both_owners
@pytest.mark.parametrize("action", [action for action in Action if action is not Action.CREATE_AUTH_USER])
@pytest.mark.parametrize("who", EMPLOYEES)
@pytest.mark.parametrize("what", ACCOUNTS)
def test_a_repeated_action_changes_nothing(action: Action, who: str, what: str, owner: EmailOwner) -> None:
    """After Auth has carried out an action, the same action needs no further call."""
    wanted = requested(action, EMPLOYEES[who])
    first = decide(wanted, ACCOUNTS[what], owner, NOW)
    again = decide(wanted, carried_out(first, ACCOUNTS[what]), owner, NOW)
    assert again.changes_nothing
    assert again.outcome is (first.outcome if first.changes_nothing else ActionOutcome.UNCHANGED)
