"""The AuthAdmin port over the stand-in for Supabase Auth: for the embedded database, where there is no Auth."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.conninfo import make_conninfo

from webhook_service.auth.stand_in import Auth, EmailExists
from webhook_service.auth.stand_in_users import is_email
from webhook_service.db.direct import LIVELINESS, STATEMENT_TIMEOUT
from webhook_service.errors import AuthEmailExists, AuthRefused, AuthUnavailable, AuthUserNotFound, BadSetting
from webhook_service.events import Account

FOR_GOOD = timedelta(hours=876_000)
"""As long as the bans that we ask Supabase Auth for."""


class LocalAuthAdmin:
    """Does to auth.users what Supabase Auth does, as a superuser of the database. A connection for each call."""

    def __init__(self, database_url: str) -> None:
        try:
            self._conninfo = make_conninfo(database_url, **LIVELINESS)
        except psycopg.ProgrammingError:  # its text may repeat a part of the password
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

    def invite(self, email: str) -> None:
        """The invitation is recorded; there is nobody to mail it."""
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
                auth.ban(auth_user_id, datetime.now(UTC) + FOR_GOOD)
            elif banned is not None:
                auth.unban(auth_user_id)
            if email is not None:
                auth.admin_change_email(auth_user_id, email, confirmed=True)
            return account_of(auth.users.row(auth_user_id))

    def delete(self, auth_user_id: UUID) -> None:
        try:
            with self.opened() as auth:
                auth.hard_delete(auth_user_id)
        except AuthUserNotFound:
            return

    def close(self) -> None:
        """There is nothing that is kept open."""

    @contextmanager
    def opened(self) -> Iterator[Auth]:
        """Auth on a connection of its own. PostgreSQL's errors may hold personal data: only their names are told."""
        try:
            with psycopg.connect(self._conninfo, autocommit=True) as connection:
                connection.execute(f"set statement_timeout = {STATEMENT_TIMEOUT:d}")
                yield Auth(connection)
        except LookupError:
            raise AuthUserNotFound("user_not_found", "There is no such auth user.", "user_not_found") from None
        except psycopg.OperationalError as error:
            raise AuthUnavailable("auth_unreachable", f"Auth did not answer ({type(error).__name__}).") from None
        except psycopg.Error as error:
            raise AuthUnavailable("auth_unavailable", f"Auth cannot do it now ({type(error).__name__}).") from None


def require_email(email: str) -> None:
    if not is_email(email):
        raise AuthRefused("auth_refused", "Auth refused the call (400 validation_failed).", "validation_failed")


def email_exists() -> AuthEmailExists:
    return AuthEmailExists("email_exists", "Another auth user has that e-mail.", "email_exists")


def account_of(row: dict[str, Any]) -> Account:
    moments = {name: row[name] and row[name].astimezone(UTC) for name in ("banned_until", "deleted_at", "invited_at")}
    role = (row["raw_app_meta_data"] or {}).get("role")
    return Account(
        id=row["id"],
        email=(row["email"] or "").lower() or None,
        email_confirmed=row["email_confirmed_at"] is not None,
        role=role if isinstance(role, str) else None,
        **moments,
    )
