"""The vocabulary: what arrives, what it says, what is to be done about it and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

Json = Any
"""A JSON value as `json.loads` makes it."""


class Operation(StrEnum):
    """What happened to the row of `auth.users`."""

    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


class Action(StrEnum):
    """What the ledger may hold to be done in Auth."""

    DISABLE_AUTH_USER = "disable_auth_user"
    ENABLE_AUTH_USER = "enable_auth_user"
    UPDATE_AUTH_EMAIL = "update_auth_email"
    CREATE_AUTH_USER = "create_auth_user"


class Status(StrEnum):
    """Where a row of the ledger stands."""

    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


class Via(StrEnum):
    """How an event came to be processed."""

    WEBHOOK = "webhook"
    REPLAY = "replay"
    RELAY = "relay"
    RECONCILE = "reconcile"


class Outcome(StrEnum):
    """What became of an event: the first group of a SUCCESS, the second of a FAILED one."""

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
    """What became of an action: the first group of a SUCCESS, the second of a FAILED one."""

    DISABLED = "disabled"
    ENABLED = "enabled"
    EMAIL_UPDATED = "email_updated"
    CREATED = "created"
    LINKED = "linked"
    """an auth user that was there already was taken"""
    UNCHANGED = "unchanged"
    """Auth had it so already: the echo of our own call, or somebody was faster"""
    STALE = "stale"
    """a newer wish, or the owner of the e-mail, has overruled it"""
    GONE = "gone"
    """there is no such auth user any more, and so nobody to disable"""
    UNDONE = "undone"
    """neither employee nor auth user was created"""

    USER_NOT_FOUND = "user_not_found"
    EMAIL_TAKEN = "email_taken"
    AUTH_REFUSED = "auth_refused"
    AUTH_UNAVAILABLE = "auth_unavailable"
    NOT_PERFORMED = "not_performed"
    """Auth said yes, and reading the user again said no"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One verified arrival. Only `signature` makes these.

    `body` is the raw request body, `sent_at` the signed time (the time of arrival where nothing is signed).
    """

    event_id: str
    sent_at: datetime
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthUser:
    """The mapped state of one auth user; nothing else of `auth.users` is kept.

    `names` holds {employees column: value} for the configured name fields, without empty ones. A deleted user (hard, or
    soft by `deleted_at`) has neither e-mail nor names: Auth has replaced them by hashes.
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
    """One change of one auth user. Only `payload` makes these.

    `version` orders the events of one user; the newest wins (see `payload.version_of`).
    """

    event_id: str
    operation: Operation
    version: int
    user: AuthUser


class Situation(StrEnum):
    """How an auth user stands to the employees; the database finds out which, under its locks."""

    LINKED = "linked"
    """an employee has this auth user"""
    NONE = "none"
    """no employee matches the key"""
    ONE = "one"
    """exactly one free employee matches"""
    SEVERAL = "several"
    """several free employees match"""
    TAKEN = "taken"
    """those that match are linked to other auth users"""


class Step(StrEnum):
    """What the database can do to an employee."""

    LINK = "link"
    SYNC = "sync"
    FLAG_ORPHAN = "flag_orphan"


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done about an event, in every situation it may meet.

    `copy` is {employees column: value}; `columns` are those that may be copied at all, also of what older events said;
    `key` is {"email": ...} or {"employee_number": ...}, what an employee may be
    found by, or None where the auth user must not be linked. `lease` is the relay's, which must still hold it.
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
    """An auth user as the Auth Admin API tells it. `email` is in lower case, None where there is none; `role` is that
    of app_metadata, which only the service role can write.
    """

    id: UUID
    email: str | None = None
    email_confirmed: bool = False
    banned_until: datetime | None = None
    deleted_at: datetime | None = None
    invited_at: datetime | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Employee:
    """The employee who has an auth user at this moment. `email` in lower case, without surrounding space."""

    employee_id: int
    is_active: bool
    email: str | None = None


@dataclass(frozen=True, slots=True)
class RequestedAction:
    """An action of the ledger, taken: what was asked for, and how the employee is now (None: nobody has the auth user).

    Of an e-mail's change, `was` is Auth's e-mail as it was known then, `sent` what we have sent to Auth before.
    """

    event_id: str
    action: Action
    auth_user_id: UUID
    employee: Employee | None
    was: str | None = None
    sent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a work: `status` of the ledger row; `changes` as {column: {"from", "to"}}, of replays only."""

    event_id: str
    status: Status
    outcome: Outcome
    employee_id: int | None = None
    changes: Mapping[str, Json] = field(default_factory=dict)
