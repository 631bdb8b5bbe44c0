"""The interfaces of the database and of Supabase Auth. The adapters are in `db` and `auth`."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable
from uuid import UUID

from webhook_service.events import Account, Json

LONG_CALLS: Mapping[str, int] = {"auth_sync_import_v1": 600}
"""The seconds that a call of these functions may last, because its work must be one transaction. `set
statement_timeout` of the function is the same, which PostgREST applies to its call.
"""


class Database(Protocol):
    """A PostgreSQL database with this service's SQL functions. Any thread may call it."""

    def call(self, function: str, **params: Json) -> Json:
        """Call `public.<function>` with named JSON parameters in a separate transaction, and return its JSON result.

        Raises Unavailable if a retry may help, and DatabaseError otherwise. A call lasts at most a few seconds, unless
        LONG_CALLS has its function.
        """

    async def call_soon(self, function: str, **params: Json) -> Json:
        """Do the same as `call` without blocking the event loop."""

    @property
    def round_trip(self) -> float:
        """The minimum network time of the latest `call_soon` calls, in seconds, or 0 before the first call.

        The network time is the duration of a call without the time that the database needs. An adapter that does not
        know the database's time returns the whole duration.
        """

    def close(self) -> None:
        """Close all connections."""


class AuthAdmin(Protocol):
    """The Auth Admin API. Any thread may call it.

    Each call lasts at most 15 seconds. Every call may raise AuthUnavailable (AuthThrottled after a 429), or AuthRefused
    if a retry does not help.
    """

    def get(self, auth_user_id: UUID) -> Account | None:
        """Return the auth user, or None if it does not exist. A soft-deleted auth user has a `deleted_at`."""

    def create(self, auth_user_id: UUID, email: str, *, password: str | None) -> Account:
        """Create an auth user with this id. Its e-mail is confirmed if a password is given.

        Raises AuthEmailExists if the e-mail or the id is already in use. Auth answers 500 if the id is in use
        (supabase/auth v2.196).
        """

    def invite(self, email: str) -> None:
        """Mail an invitation to the auth user with this e-mail.

        Raises AuthEmailExists if the e-mail is already confirmed.
        """

    def update(self, auth_user_id: UUID, *, banned: bool | None = None, email: str | None = None) -> Account:
        """Ban the auth user permanently or lift the ban, and set the e-mail as confirmed, without a mail.

        None leaves a value unchanged. Raises AuthUserNotFound. Raises AuthUnavailable if another auth user has the
        e-mail, because Auth answers 500 to a duplicate e-mail (supabase/auth v2.196).
        """

    def delete(self, auth_user_id: UUID) -> None:
        """Delete the auth user permanently. Do nothing if it does not exist."""

    def close(self) -> None:
        """Close all connections."""


@runtime_checkable
class AuthPasswords(Protocol):
    """The passwords of auth users. Any thread may call it. A call lasts at most 15 seconds."""

    def set_password(self, auth_user_id: UUID, password: str) -> None:
        """Set a password, with which the old one no longer works. Auth ends the open sessions.

        Raises AuthUserNotFound, AuthUnavailable, AuthRefused.
        """


@runtime_checkable
class AuthSettings(Protocol):
    """The settings of Auth. Any thread may call it. A call lasts at most 15 seconds."""

    def confirms_without_proof(self) -> bool:
        """Return whether Auth confirms the e-mail of each sign-up at once (`mailer_autoconfirm`).

        Raises AuthUnavailable, AuthRefused.
        """
