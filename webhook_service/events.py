"""The data types that all modules share: deliveries, events, works, results, accounts and actions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

Json = Any
"""A JSON value in the form that `json.loads` returns."""


class Operation(StrEnum):
    """The change of a row of `auth.users`."""

    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


class Action(StrEnum):
    """A change that Auth must make."""

    DISABLE_AUTH_USER = "disable_auth_user"
    ENABLE_AUTH_USER = "enable_auth_user"
    UPDATE_AUTH_EMAIL = "update_auth_email"
    CREATE_AUTH_USER = "create_auth_user"


class Status(StrEnum):
    """The status of a row of the ledger."""

    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


class Via(StrEnum):
    """The path on which an event reached the database."""

    WEBHOOK = "webhook"
    REPLAY = "replay"
    RELAY = "relay"
    RECONCILE = "reconcile"


class Outcome(StrEnum):
    """The result of an event. The first group of outcomes has the status SUCCESS, and the second group FAILED."""

    LINKED = "linked"
    SYNCED = "synced"
    UNCHANGED = "unchanged"
    ORPHANED = "orphaned"
    UNMATCHED = "unmatched"
    UNCONFIRMED = "unconfirmed"
    IGNORED = "ignored"
    STALE = "stale"
    DUPLICATE = "duplicate"

    AMBIGUOUS = "ambiguous"
    ALREADY_LINKED = "already_linked"
    EMAIL_TAKEN = "email_taken"
    EMPLOYEE_REJECTED = "employee_rejected"
    UNREADABLE = "unreadable"
    NOT_APPLIED = "not_applied"


class ActionOutcome(StrEnum):
    """The result of an action. The first group of outcomes has the status SUCCESS, and the second group FAILED."""

    DISABLED = "disabled"
    ENABLED = "enabled"
    EMAIL_UPDATED = "email_updated"
    CREATED = "created"
    LINKED = "linked"
    """The employee was linked to an auth user that already existed."""
    UNCHANGED = "unchanged"
    """Auth already had the requested values, because of an earlier call of this service or another change."""
    STALE = "stale"
    """A newer action or the owner of the e-mail has overruled the action."""
    GONE = "gone"
    """The auth user to disable no longer exists."""
    UNDONE = "undone"
    """Neither the employee nor the auth user was created."""

    USER_NOT_FOUND = "user_not_found"
    EMAIL_TAKEN = "email_taken"
    AUTH_REFUSED = "auth_refused"
    AUTH_UNAVAILABLE = "auth_unavailable"
    NOT_PERFORMED = "not_performed"
    """Auth answered with success, but the auth user does not have the change."""
    CHANGED_BY_CLIENT = "changed_by_client"
    """A user of the Data API wrote the e-mail or the link of the employee, and an admin must approve it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A verified request to the webhook. Only `inbound.signature` creates deliveries.

    `body` is the raw request body. `sent_at` is the signed time. If the delivery has a token instead, it is the time of
    arrival.
    """

    event_id: str
    sent_at: datetime
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthUser:
    """The mapped state of one auth user. Other columns of `auth.users` are not kept.

    `names` is {employees column: value} for the configured name fields, without empty values. The row of a deleted user
    is gone, or has a `deleted_at`. A deleted user has no e-mail and no names. Auth itself replaces the e-mail of a
    soft-deleted user by a hash.
    """

    id: UUID
    email: str | None = None
    email_confirmed: bool = False
    employee_number: str | None = None
    is_anonymous: bool = False
    banned_until: datetime | None = None
    deleted_at: datetime | None = None
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuthEvent:
    """One change of one auth user. Only `inbound.payload` creates events.

    `version` orders the events of one user. The newest event wins (see `payload.version_of`).
    """

    event_id: str
    operation: Operation
    version: int
    user: AuthUser


class Situation(StrEnum):
    """The relation of an auth user to the employees. The database determines it under its locks."""

    LINKED = "linked"
    """An employee is linked to this auth user."""
    NONE = "none"
    """No employee matches the key."""
    ONE = "one"
    """Exactly one free employee matches the key."""
    SEVERAL = "several"
    """Several free employees match the key."""
    TAKEN = "taken"
    """All employees that match the key are linked to other auth users."""


class Step(StrEnum):
    """A change that the database can make to an employee."""

    LINK = "link"
    SYNC = "sync"
    FLAG_ORPHAN = "flag_orphan"


@dataclass(frozen=True, slots=True)
class Work:
    """An event with the step or outcome for each situation.

    `copy` is {employees column: value}. `columns` are the columns that this event and older events may copy. `key` is
    the key of the matching employee, {"email": ...} or {"employee_number": ...}, or None if the auth user must not be
    linked. `requested_by` names the admin who requested a replay. `lease` names the relay whose lease on the row must
    still be valid.
    """

    event: AuthEvent
    steps: Mapping[Situation, Step | Outcome]
    copy: Mapping[str, str] = field(default_factory=dict)
    columns: frozenset[str] = frozenset()
    key: Mapping[str, str] | None = None
    via: Via = Via.WEBHOOK
    requested_by: str | None = None
    lease: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An auth user that the Auth Admin API returned.

    `email` is in lower case, or None if the auth user has no e-mail. `roles` are the values
    of `role` in app_metadata, which only the service role can write.
    """

    id: UUID
    email: str | None = None
    email_confirmed: bool = False
    banned_until: datetime | None = None
    deleted_at: datetime | None = None
    invited_at: datetime | None = None
    roles: tuple[str, ...] = ()


def roles_in(app_metadata: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the values of `role` in app_metadata, which is a text or a list of texts. Other values are ignored."""
    found = app_metadata.get("role")
    values = found if isinstance(found, list) else [found]
    return tuple(value for value in values if isinstance(value, str))


@dataclass(frozen=True, slots=True)
class Employee:
    """The employee who is linked to an auth user now. `email` is in lower case, without surrounding spaces."""

    employee_id: int
    is_active: bool
    email: str | None = None


@dataclass(frozen=True, slots=True)
class RequestedAction:
    """An action that a relay has claimed, with the employee's current row, or None if no employee has the auth user.

    A change of an e-mail also needs earlier e-mails. `was` is Auth's last known e-mail at the time when the action was
    recorded. `sent` holds the e-mails of earlier actions for this auth user.
    """

    event_id: str
    action: Action
    auth_user_id: UUID
    employee: Employee | None
    was: str | None = None
    sent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one work.

    `status` is the status of the ledger row. `changes` is {column: {"from", "to"}}, and is empty except in replays.
    """

    event_id: str
    status: Status
    outcome: Outcome
    employee_id: int | None = None
    changes: Mapping[str, Json] = field(default_factory=dict)
