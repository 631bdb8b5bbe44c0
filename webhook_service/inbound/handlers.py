"""Step 3: AuthEvent -> Work. Pure functions choose the steps for an event, without I/O, clock or database.

The step also depends on whether the auth user is linked, and on the number of matching employees. The database
determines this `Situation` under its locks (auth_sync_situation_v1 in employee.sql). A handler names the step for each
situation.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from webhook_service.events import AuthEvent, AuthUser, Outcome, Situation, Step, Via, Work
from webhook_service.policy import Policy


class Decision(NamedTuple):
    """A handler's decision.

    `steps` holds the step or the outcome for each situation. `copy` holds the values to copy to the employee,
    {column: value}. `key` is the key of the matching employee, {column: value}.
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
    """Handle a deleted auth user. Its employee loses only the link."""
    return Decision(FLAG_ORPHAN, {})


def ignore(user: AuthUser, policy: Policy) -> Decision:
    """Ignore an anonymous user, who has no identity yet."""
    return Decision(IGNORE, {})


def sync(user: AuthUser, policy: Policy) -> Decision:
    """Keep a linked auth user in sync. A free auth user is not linked.

    Any person can sign up with the e-mail of an employee. A link by an unconfirmed e-mail would give that person the
    employee.
    """
    return Decision(SYNC, copied(user, policy))


def link(user: AuthUser, policy: Policy) -> Decision:
    """Handle an auth user with a proven identity. Its employee is synced, or the only matching employee is linked."""
    return Decision(LINK, copied(user, policy), link_key(user))


def link_key(user: AuthUser) -> dict[str, str] | None:
    """Return the key of the matching employee: {"employee_number": ...}, {"email": ...} or None.

    The employee number takes precedence over the e-mail. It counts even if the e-mail is not confirmed, because only
    the service role can write app_metadata. An e-mail counts only if it is confirmed.
    """
    if user.employee_number is not None:
        return {"employee_number": user.employee_number}
    if user.email is not None and user.email_confirmed:
        return {"email": user.email}
    return None


def copied(user: AuthUser, policy: Policy) -> dict[str, str]:
    """Return the names and the confirmed e-mail to copy, {column: value}, for the columns that the policy includes."""
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
"""Conditions and their handlers. The first condition that is true selects the handler."""


def decide(
    event: AuthEvent,
    policy: Policy,
    *,
    via: Via = Via.WEBHOOK,
    requested_by: str | None = None,
    lease: str | None = None,
) -> Work:
    """Decide which work an event causes.

    `requested_by` names the admin who requested a replay. `lease` is the name of the relay that has claimed the row.
    """
    handler = next(handler for applies, handler in HANDLERS if applies(event.user))
    steps, copy, key = handler(event.user, policy)
    return Work(event, steps, copy, policy.columns, key, via, requested_by, lease)
