"""The adapter of the AuthAdmin port for the embedded database, which has a stand-in for Supabase Auth."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.conninfo import make_conninfo

from webhook_service.addresses import normal_address
from webhook_service.auth.stand_in import Auth, EmailExists
from webhook_service.auth.stand_in_users import is_email
from webhook_service.db.direct import CONNECTION_OPTIONS, STATEMENT_TIMEOUT_MILLISECONDS
from webhook_service.errors import AuthEmailExists, AuthRefused, AuthUnavailable, AuthUserNotFound, BadSetting
from webhook_service.events import Account, roles_in

BAN_DURATION = timedelta(hours=876_000)
"""The duration of this service's bans in Supabase Auth (`auth.supabase.BAN_DURATION`)."""


class LocalAuthAdmin:
    """Changes auth.users as Supabase Auth does, as a superuser of the database. Opens a connection for each call.

    Raises BadSetting for a `database_url` that libpq cannot read.
    """

    def __init__(self, database_url: str) -> None:
        try:
            self._conninfo = make_conninfo(database_url, **CONNECTION_OPTIONS)
        except psycopg.ProgrammingError:  # the error's text may repeat a part of the password
            raise BadSetting("DATABASE_URL", "cannot be read as a connection string") from None

    def get(self, auth_user_id: UUID) -> Account | None:
        try:
            with self.opened() as auth:
                return account_of(auth.users.row(auth_user_id))
        except AuthUserNotFound:
            return None

    def create(self, auth_user_id: UUID, email: str, *, password: str | None) -> Account:
        require_email(email)
        with self.opened() as auth:
            try:
                auth.admin_create(email, confirmed=password is not None, id=auth_user_id, password=password)
            except psycopg.errors.UniqueViolation:
                raise email_exists() from None
            return account_of(auth.users.row(auth_user_id))

    def confirms_without_proof(self) -> bool:
        """Return False. The stand-in's sign-ups are not confirmed."""
        return False

    def invite(self, email: str) -> None:
        """Record the invitation. No mail is sent."""
        require_email(email)
        with self.opened() as auth:
            try:
                auth.invite(email)
            except EmailExists:
                raise email_exists() from None

    def update(self, auth_user_id: UUID, *, banned: bool | None = None, email: str | None = None) -> Account:
        if email is not None:
            require_email(email)
        with self.opened() as auth:
            if banned:
                auth.ban(auth_user_id, datetime.now(UTC) + BAN_DURATION)
            elif banned is not None:
                auth.unban(auth_user_id)
            if email is not None:
                auth.admin_change_email(auth_user_id, email, confirmed=True)
            return account_of(auth.users.row(auth_user_id))

    def set_password(self, auth_user_id: UUID, password: str) -> None:
        with self.opened() as auth:
            auth.admin_set_password(auth_user_id, password)

    def delete(self, auth_user_id: UUID) -> None:
        try:
            with self.opened() as auth:
                auth.hard_delete(auth_user_id)
        except AuthUserNotFound:
            return

    def close(self) -> None:
        """Do nothing, because no connection is kept open."""

    @contextmanager
    def opened(self) -> Iterator[Auth]:
        """Yield Auth on a new connection. Raises AuthUserNotFound, AuthUnavailable.

        Errors name only the class of PostgreSQL's error, because its text may contain personal data.
        """
        try:
            with psycopg.connect(self._conninfo, autocommit=True) as connection:
                connection.execute(f"set statement_timeout = {STATEMENT_TIMEOUT_MILLISECONDS:d}")
                connection.execute("set DateStyle = ISO")  # psycopg reads no other
                yield Auth(connection)
        except LookupError:
            raise AuthUserNotFound("user_not_found", "There is no such auth user.", "user_not_found") from None
        except psycopg.OperationalError as error:
            raise AuthUnavailable("auth_unreachable", f"Auth did not answer ({type(error).__name__}).") from None
        except psycopg.Error as error:
            detail = f"Auth cannot process the call now ({type(error).__name__})."
            raise AuthUnavailable("auth_unavailable", detail) from None


def require_email(email: str) -> None:
    """Raise AuthRefused, as Auth does, for a text that is not an e-mail address."""
    if not is_email(email):
        raise AuthRefused("auth_refused", "Auth refused the call (400 validation_failed).", "validation_failed")


def email_exists() -> AuthEmailExists:
    return AuthEmailExists("email_exists", "Another auth user has that e-mail.", "email_exists")


def account_of(row: dict[str, Any]) -> Account:
    """Return the account for a row of auth.users, with times in UTC."""
    moments = {name: row[name] and row[name].astimezone(UTC) for name in ("banned_until", "deleted_at", "invited_at")}
    return Account(
        id=row["id"],
        email=normal_address(row["email"] or "") or None,
        email_confirmed=row["email_confirmed_at"] is not None,
        roles=roles_in(row["raw_app_meta_data"] or {}),
        **moments,
    )
