"""What the service needs of the world outside it."""

from typing import Protocol
from uuid import UUID

from webhook_service.events import Account, Json


class Database(Protocol):
    """A PostgreSQL database that has our SQL functions."""

    def call(self, function: str, **params: Json) -> Json:
        """Calls `public.<function>` with named JSON parameters in a transaction of its own; returns its JSON result.

        Raises Unavailable where asking again may help, DatabaseError where it will not. Answers within a few seconds.
        """

    async def call_soon(self, function: str, **params: Json) -> Json:
        """The same in an event loop, which goes on meanwhile."""

    @property
    def round_trip(self) -> float:
        """Seconds of a `call_soon` in which the database does not work: the shortest of the latest calls, 0 before the
        first.
        """

    def close(self) -> None:
        """Lets go of all connections."""


class AuthAdmin(Protocol):
    """The Auth Admin API: what it says of auth users, and does to them. Any thread may call it.

    Each call answers within 15 seconds. All raise AuthUnavailable (AuthThrottled where Auth asks for a pause), and
    AuthRefused where asking again will not help.
    """

    def get(self, auth_user_id: UUID) -> Account | None:
        """The auth user; None where there is none. A soft-deleted one is told, with `deleted_at`."""

    def create(self, auth_user_id: UUID, email: str, *, password: str | None) -> Account:
        """A new auth user under this id, its e-mail confirmed; without a password the e-mail is yet to be confirmed.

        Raises AuthEmailExists, also where the id is taken.
        """

    def invite(self, email: str) -> None:
        """Mails an invitation to an auth user whose e-mail is not confirmed yet. Raises AuthEmailExists."""

    def update(self, auth_user_id: UUID, *, banned: bool | None = None, email: str | None = None) -> Account:
        """Bans for good, lifts a ban; changes the e-mail, confirmed, without a mail. None leaves it as it is.

        Raises AuthUserNotFound. An e-mail that another user has is AuthUnavailable, as Auth says 500 to that.
        """

    def delete(self, auth_user_id: UUID) -> None:
        """Deletes the auth user for good; nothing happens where there is none."""

    def close(self) -> None:
        """Lets go of all connections."""
