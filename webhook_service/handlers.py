"""Step 3: AuthEvent -> Work. The decision table, as values: no I/O, no clock, no database.

What the event itself decides is decided here. What depends on the employees (is the auth user linked, how many match?)
is a `Situation` that the database finds out under its locks; here it is said what is then to be done in each of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from webhook_service.events import AuthEvent, AuthUser, Outcome, Situation, Step, Via, Work

NAME_COLUMNS = ("first_name", "last_name")
"""The columns of employees that names may be copied to."""


class EmailOwner(StrEnum):
    """The side whose e-mail is the true one."""

    AUTH = "auth"
    EMPLOYEES = "employees"


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that decisions depend on. `name_fields` is {employees column: key in raw_user_meta_data}."""

    email_owner: EmailOwner = EmailOwner.AUTH
    name_fields: Mapping[str, str] = field(default_factory=lambda: {name: name for name in NAME_COLUMNS})

    @property
    def columns(self) -> frozenset[str]:
        """The columns of employees that may be copied."""
        return frozenset(self.name_fields) | ({"email"} if self.email_owner is EmailOwner.AUTH else set())


def flag_orphan(event: AuthEvent, policy: Policy) -> Work:
    """The auth user is deleted: its employee has lost the login, and keeps everything else."""
    return Work(event, dict.fromkeys(Situation, Outcome.UNMATCHED) | {Situation.LINKED: Step.FLAG_ORPHAN})


def ignore(event: AuthEvent, policy: Policy) -> Work:
    """An anonymous user is nobody yet."""
    return Work(event, dict.fromkeys(Situation, Outcome.IGNORED))


def sync(event: AuthEvent, policy: Policy) -> Work:
    """A linked auth user is kept in step; another is not linked: an unconfirmed e-mail would hand over an employee."""
    return Work(
        event,
        dict.fromkeys(Situation, Outcome.UNCONFIRMED) | {Situation.LINKED: Step.SYNC},
        copy=copied(event.user, policy),
    )


def link(event: AuthEvent, policy: Policy) -> Work:
    """The auth user has proved who it is: link it to the one employee that fits, or sync the one it has."""
    return Work(
        event,
        {
            Situation.LINKED: Step.SYNC,
            Situation.NONE: Outcome.UNMATCHED,
            Situation.ONE: Step.LINK,
            Situation.SEVERAL: Outcome.AMBIGUOUS,
            Situation.TAKEN: Outcome.ALREADY_LINKED,
        },
        copy=copied(event.user, policy),
        key=link_key(event.user),
    )


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
    values = dict(user.names) | ({"email": user.email} if user.email is not None and user.email_confirmed else {})
    return {column: value for column, value in values.items() if column in policy.columns}


Handler = Callable[[AuthEvent, Policy], Work]

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
    return replace(handler(event, policy), columns=policy.columns, via=via, requested_by=requested_by, lease=lease)
