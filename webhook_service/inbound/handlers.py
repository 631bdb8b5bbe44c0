"""Step 3: AuthEvent -> Work. The decision table, as values: no I/O, no clock, no database.

What the event itself decides is decided here. What depends on the employees (is the auth user linked, how many match?)
is a `Situation` that the database finds out under its locks (auth_sync_situation_v1 in employee.sql); here it is said
what is then to be done in each of them.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from webhook_service.events import AuthEvent, AuthUser, Outcome, Situation, Step, Via, Work
from webhook_service.policy import Policy


class Decision(NamedTuple):
    """What is to be done in each situation, what is copied, and what an employee may be found by."""

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
    """The auth user is deleted: its employee has lost the login, and keeps everything else."""
    return Decision(FLAG_ORPHAN, {})


def ignore(user: AuthUser, policy: Policy) -> Decision:
    """An anonymous user is nobody yet."""
    return Decision(IGNORE, {})


def sync(user: AuthUser, policy: Policy) -> Decision:
    """A linked auth user is kept in step; another is not linked: an unconfirmed e-mail would hand over an employee."""
    return Decision(SYNC, copied(user, policy))


def link(user: AuthUser, policy: Policy) -> Decision:
    """The auth user has proved who it is: link it to the one employee that fits, or sync the one it has."""
    return Decision(LINK, copied(user, policy), link_key(user))


def link_key(user: AuthUser) -> dict[str, str] | None:
    """What an employee may be found by. The employee number outranks the e-mail, and needs no confirmed one: only a
    service role can write it. An e-mail counts once it is confirmed.
    """
    if user.employee_number is not None:
        return {"employee_number": user.employee_number}
    if user.email is not None and user.email_confirmed:
        return {"email": user.email}
    return None


def copied(user: AuthUser, policy: Policy) -> dict[str, str]:
    """What the employee gets, {column: value}: the names, and the e-mail once it is confirmed, as the policy allows."""
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
"""The first whose condition holds decides."""


def decide(
    event: AuthEvent,
    policy: Policy,
    *,
    via: Via = Via.WEBHOOK,
    requested_by: str | None = None,
    lease: str | None = None,
) -> Work:
    """What is to be done about an event. Of a replay, `requested_by` says who asked; `lease` is the relay's own."""
    handler = next(handler for applies, handler in HANDLERS if applies(event.user))
    steps, copy, key = handler(event.user, policy)
    return Work(event, steps, copy, policy.columns, key, via, requested_by, lease)
