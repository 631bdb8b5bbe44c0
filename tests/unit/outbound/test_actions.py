"""The decision table of actions: what is still to be done in Auth, by the employee as it is now and Auth's user."""

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
    # the employee is: then the call where the account is absent, soft-deleted, soft-deleted and banned, banned for
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
    # whose e-mail is the true one: then the call where Auth has the employee's e-mail, the one that it had when the
    # employee's changed, one that we have sent since, another, none
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
        pytest.param(action, EMPLOYEES[who], ACCOUNTS[what], call, id=f"{action}, employee {who}, account {what}")
        for action, rows in ACCESS.items()
        for who, calls in rows.items()
        for what, call in zip(ACCOUNTS, calls, strict=True)
    ],
)
def test_access_follows_the_employee(
    action: Action, employee: Employee | None, account: Account | None, call: Call, owner: EmailOwner
) -> None:
    """Who is not employed, or no more, is banned and signed out; who is, may sign in; whoever owns the e-mails."""
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
def test_the_owners_e_mail_is_the_true_one(owner: EmailOwner, email: str | None, call: Call, who: str) -> None:
    """The employee's e-mail goes to Auth, but where Auth owns e-mails not over one that Auth has got otherwise."""
    account = Account(USER, email=email)
    assert decide(requested(Action.UPDATE_AUTH_EMAIL, EMPLOYEES[who]), account, owner, NOW) == call


@both_owners
@pytest.mark.parametrize("what", ACCOUNTS)
@pytest.mark.parametrize("who", ["none", "without e-mail", "with an empty e-mail"])
def test_without_an_employees_e_mail_nothing_is_sent(who: str, what: str, owner: EmailOwner) -> None:
    """A login keeps its e-mail where the employee has none, or there is no employee."""
    employees = {"without e-mail": Employee(7, True), "with an empty e-mail": Employee(7, True, "")}
    found = decide(requested(Action.UPDATE_AUTH_EMAIL, employees.get(who)), ACCOUNTS[what], owner, NOW)
    assert found == STALE


@both_owners
@pytest.mark.parametrize("what", ["absent", "soft-deleted", "soft-deleted and banned"])
def test_an_e_mail_has_nowhere_to_go_without_an_auth_user(what: str, owner: EmailOwner) -> None:
    """There is no such auth user any more: that is a failure, as the employee believes to have a login."""
    assert decide(requested(Action.UPDATE_AUTH_EMAIL, ACTIVE), ACCOUNTS[what], owner, NOW) == NOT_FOUND


@both_owners
@pytest.mark.parametrize("what", ["banned for good", "banned for a day"])
def test_a_ban_does_not_keep_an_e_mail_back(what: str, owner: EmailOwner) -> None:
    """Both sides have the same e-mail also of those who may not sign in."""
    assert decide(requested(Action.UPDATE_AUTH_EMAIL, INACTIVE), ACCOUNTS[what], owner, NOW) == SEND


def test_without_a_known_e_mail_of_auth_any_other_is_auths_own() -> None:
    """Where it was not known what Auth had, and nothing was sent, Auth's e-mail was not ours to replace."""
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
def test_a_ban_counts_by_how_long_it_still_lasts(lasts: timedelta, disable: Call, enable: Call) -> None:
    """A ban that ends is not the end of an employment; one that is over hinders nobody."""
    account = replace(FREE, banned_until=NOW + lasts)
    assert decide(requested(Action.DISABLE_AUTH_USER, INACTIVE), account, EmailOwner.AUTH, NOW) == disable
    assert decide(requested(Action.ENABLE_AUTH_USER, ACTIVE), account, EmailOwner.AUTH, NOW) == enable


def carried_out(call: Call, account: Account | None) -> Account | None:
    """The account afterwards, as Auth does what it is told."""
    if account is None:
        return None
    until = {True: NOW + timedelta(days=36500), False: None, None: account.banned_until}[call.banned]
    return replace(account, banned_until=until, email=call.email or account.email)


@both_owners
@pytest.mark.parametrize("action", [action for action in Action if action is not Action.CREATE_AUTH_USER])
@pytest.mark.parametrize("who", EMPLOYEES)
@pytest.mark.parametrize("what", ACCOUNTS)
def test_once_is_enough(action: Action, who: str, what: str, owner: EmailOwner) -> None:
    """Whatever it was: when Auth has done it, there is nothing left to tell Auth."""
    wanted = requested(action, EMPLOYEES[who])
    first = decide(wanted, ACCOUNTS[what], owner, NOW)
    again = decide(wanted, carried_out(first, ACCOUNTS[what]), owner, NOW)
    assert again.changes_nothing
    assert again.outcome is (first.outcome if first.changes_nothing else ActionOutcome.UNCHANGED)
