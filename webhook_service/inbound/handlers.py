"""Step 3: AuthEvent -> Work. Pure functions that choose the steps for an event: no I/O, no clock, no database.

The steps depend on the employees too: is the auth user linked, and how many employees match? The database determines
this `Situation` under its locks (auth_sync_situation_v1 in employee.sql). A handler names the step for each situation.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from webhook_service.events import AuthEvent, AuthUser, Outcome, Situation, Step, Via, Work
from webhook_service.policy import Policy


class Decision(NamedTuple):
    """A handler's decision.

    `steps` is the step or the outcome for each situation, `copy` the values to copy ({employees column: value}), and
    `key` the key by which an employee is searched ({column: value}).
    """

    steps: Mapping[Situation, Step | Outcome]
    copy: Mapping[str, str]
    key: Mapping[str, str] | None = None


FLAG_ORPHAN: Mapping[Situation, Step | Outcome] = {
    **dict.fromkeys(Situation, Outcome.UNMATCHED),
    Situation.LINKED: Step.FLAG_ORPHAN,
}
IGNORE: Mapping[Situation, Step | Outcome] = dict.fromkeys(Situation, Outcome.IGNORED)
SYNC: Mapping[Situation, Step | Outcome] = {
    **dict.fromkeys(Situation, Outcome.UNCONFIRMED),
    Situation.LINKED: Step.SYNC,
}
LINK: Mapping[Situation, Step | Outcome] = {
    Situation.LINKED: Step.SYNC,
    Situation.NONE: Outcome.UNMATCHED,
    Situation.ONE: Step.LINK,
    Situation.SEVERAL: Outcome.AMBIGUOUS,
    Situation.TAKEN: Outcome.ALREADY_LINKED,
}


def flag_orphan(user: AuthUser, policy: Policy) -> Decision:
    """Handle a deleted auth user: its employee loses the login, and keeps everything else."""
    return Decision(FLAG_ORPHAN, {})


def ignore(user: AuthUser, policy: Policy) -> Decision:
    """Ignore an anonymous user, who has no identity yet."""
    return Decision(IGNORE, {})


def sync(user: AuthUser, policy: Policy) -> Decision:
    """Keep a linked auth user in sync, and do not link a free one.

    Anybody can sign up with the e-mail of an employee. Linking an unconfirmed e-mail would give that person the
    employee.
    """
    return Decision(SYNC, copied(user, policy))


def link(user: AuthUser, policy: Policy) -> Decision:
    """Handle an auth user with a proven identity: sync its employee, or link it to the one employee that matches."""
    return Decision(LINK, copied(user, policy), link_key(user))


def link_key(user: AuthUser) -> dict[str, str] | None:
    """The key by which an employee is searched: {"employee_number": ...}, {"email": ...} or None.

    The employee number outranks the e-mail, and needs no confirmed e-mail, because only the service role can write
    app_metadata. An e-mail counts only when it is confirmed.
    """
    if user.employee_number is not None:
        return {"employee_number": user.employee_number}
    if user.email is not None and user.email_confirmed:
        return {"email": user.email}
    return None


def copied(user: AuthUser, policy: Policy) -> dict[str, str]:
    """The values to copy to the employee, {column: value}: names and a confirmed e-mail, as the policy allows."""
    values = {column: name for column, name in user.names.items() if column in policy.columns}
    if user.email is not None and user.email_confirmed and "email" in policy.columns:
        values["email"] = user.email
    return values


Handler = Callable[[AuthUser, Policy], Decision]

HANDLERS: tuple[tuple[Callable[[AuthUser], bool], Handler], ...] = (
    (lambda user: user.deleted_at is not None, flag_orphan),
    (lambda user: user.is_anonymous, ignore),
    (lambda user: link_key(user) is None, sync),
    (lambda user: True, link),
)
"""Conditions and their handlers. The first condition that holds selects the handler."""


def decide(
    event: AuthEvent,
    policy: Policy,
    *,
    via: Via = Via.WEBHOOK,
    requested_by: str | None = None,
    lease: str | None = None,
) -> Work:
    """Decide which work an event causes.

    `requested_by` names the admin who requested a replay. `lease` is the name of the relay that has leased the row.
    """
    handler = next(handler for applies, handler in HANDLERS if applies(event.user))
    steps, copy, key = handler(event.user, policy)
    return Work(event, steps, copy, policy.columns, key, via, requested_by, lease)
