"""The decision table of events, which has the step for each situation."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from webhook_service.events import AuthEvent, AuthUser, Operation, Outcome, Situation, Step, Via
from webhook_service.inbound.handlers import decide
from webhook_service.policy import EmailOwner, Policy

NOW = datetime(2026, 11, 22, tzinfo=UTC)
USER = AuthUser(UUID(int=1))
CONFIRMED = replace(USER, email="jane@example.com", email_confirmed=True, names={"first_name": "Jane"})
UNCONFIRMED = replace(CONFIRMED, email_confirmed=False)
NUMBERED = replace(UNCONFIRMED, employee_number="E-1")
ANONYMOUS = replace(CONFIRMED, is_anonymous=True)
DELETED = replace(CONFIRMED, deleted_at=NOW)


def event_of(user: AuthUser) -> AuthEvent:
    return AuthEvent("evt-1", Operation.UPDATE, 1, user)


TABLE = [
    # the auth user, and its step in the situations linked, none, one, several, taken
    (DELETED, Step.FLAG_ORPHAN, Outcome.UNMATCHED, Outcome.UNMATCHED, Outcome.UNMATCHED, Outcome.UNMATCHED),
    (ANONYMOUS, Outcome.IGNORED, Outcome.IGNORED, Outcome.IGNORED, Outcome.IGNORED, Outcome.IGNORED),
    (UNCONFIRMED, Step.SYNC, Outcome.UNCONFIRMED, Outcome.UNCONFIRMED, Outcome.UNCONFIRMED, Outcome.UNCONFIRMED),
    (USER, Step.SYNC, Outcome.UNCONFIRMED, Outcome.UNCONFIRMED, Outcome.UNCONFIRMED, Outcome.UNCONFIRMED),
    (CONFIRMED, Step.SYNC, Outcome.UNMATCHED, Step.LINK, Outcome.AMBIGUOUS, Outcome.ALREADY_LINKED),
    (NUMBERED, Step.SYNC, Outcome.UNMATCHED, Step.LINK, Outcome.AMBIGUOUS, Outcome.ALREADY_LINKED),
]


@pytest.mark.parametrize(
    ("user", "steps"),
    [(user, dict(zip(Situation, steps, strict=True))) for user, *steps in TABLE],
    ids=["deleted", "anonymous", "unconfirmed", "without e-mail", "confirmed", "numbered"],
)
def test_each_situation_has_its_step(user: AuthUser, steps: dict[Situation, Step | Outcome]) -> None:
    """The step depends only on the auth user's state and its situation."""
    assert decide(event_of(user), Policy()).steps == steps


@pytest.mark.parametrize(
    ("user", "key"),
    [
        (DELETED, None),
        (ANONYMOUS, None),
        (UNCONFIRMED, None),
        (USER, None),
        (CONFIRMED, {"email": "jane@example.com"}),
        (NUMBERED, {"employee_number": "E-1"}),
        (replace(CONFIRMED, employee_number="E-1"), {"employee_number": "E-1"}),
    ],
    ids=["deleted", "anonymous", "unconfirmed", "without e-mail", "confirmed", "numbered", "number outranks e-mail"],
)
def test_an_employee_is_searched_by_number_or_confirmed_email_only(user: AuthUser, key: dict[str, str] | None) -> None:
    """An auth user's key is the employee number, else the confirmed e-mail. An unconfirmed e-mail is never a key."""
    assert decide(event_of(user), Policy()).key == key


@pytest.mark.parametrize(
    ("user", "owner", "copied"),
    [
        (CONFIRMED, EmailOwner.AUTH, {"email": "jane@example.com", "first_name": "Jane"}),
        (CONFIRMED, EmailOwner.EMPLOYEES, {"first_name": "Jane"}),
        (UNCONFIRMED, EmailOwner.AUTH, {"first_name": "Jane"}),
        (DELETED, EmailOwner.AUTH, {}),
        (ANONYMOUS, EmailOwner.AUTH, {}),
    ],
    ids=["confirmed", "employees own the e-mail", "unconfirmed", "deleted", "anonymous"],
)
def test_a_confirmed_email_is_copied_if_auth_owns_it(user: AuthUser, owner: EmailOwner, copied: dict[str, str]) -> None:
    """Names are copied. An e-mail is copied if it is confirmed and Auth owns e-mails.

    No values of a deleted or anonymous user are copied.
    """
    assert decide(event_of(user), Policy(email_owner=owner)).copy == copied


def test_a_replay_names_its_requester() -> None:
    """The work of a replay has the event's `via`, and the admin who requested the replay."""
    work = decide(event_of(CONFIRMED), Policy(), via=Via.REPLAY, requested_by="api")
    assert (work.via, work.requested_by) == (Via.REPLAY, "api")
