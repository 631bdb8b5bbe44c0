"""A stand-in for Supabase Auth that writes `auth.users` with Auth's statements, for the demo and the tests.

The statements, their order, their columns and the transactions are those of supabase/auth v2.196. The stand-in writes
only auth.users and auth.sessions. It writes no identities and no refresh tokens, and sends no mails. It checks no
permissions, so a banned user may sign in. It hashes passwords, but not with bcrypt. Without a password, the column
holds a text that is not a hash. Tokens are random hashes, so that tests can prove that no token leaves the database.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from werkzeug.security import generate_password_hash

from webhook_service.auth.stand_in_users import AuthUsers, Metadata, hash_of, one_time_token

EMAIL_PROVIDER = {"provider": "email", "providers": ["email"]}


class EmailExists(Exception):
    """Another user has that e-mail. Auth notices this before its first write."""


class Auth:
    """Auth's actions on its users. An action takes a user's id, or returns the id of a new user.

    Each action is one transaction unless its docstring says otherwise. The object needs a connection for itself, in
    autocommit, with the privilege to become supabase_auth_admin. Use `users` only to read, because its statements are
    parts of actions. Actions raise LookupError if the user does not exist.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        connection.execute("set role supabase_auth_admin")
        connection.execute("set search_path = auth")  # the role's setting applies only when the role logs in
        self._transaction = connection.transaction
        self.users = AuthUsers(connection, now)
        self._now = now

    # New users

    def sign_up(
        self, email: str, *, user_metadata: Metadata | None = None, auto_confirm: bool = False, id: UUID | None = None
    ) -> UUID:
        """Sign up with e-mail and password. The user must confirm the e-mail later, unless `auto_confirm` is set."""
        user = id or uuid4()
        claims = {"sub": str(user), "email": email.lower(), "email_verified": False, "phone_verified": False}
        with self._transaction():
            self.users.insert(user, email=email.lower(), raw_user_meta_data=dict(user_metadata or {}))
            self.users.update(user, role="authenticated")
            self.users.merge(user, "raw_user_meta_data", claims)
            self.users.merge(user, "raw_app_meta_data", EMAIL_PROVIDER)
            if auto_confirm:
                self._confirm(user)
            else:
                self.users.update(user, confirmation_token=one_time_token(), confirmation_sent_at=self._now())
        if auto_confirm:
            self.sign_in(user)  # a second transaction
        return user

    def admin_create(
        self,
        email: str,
        *,
        user_metadata: Metadata | None = None,
        app_metadata: Metadata | None = None,
        confirmed: bool = True,
        id: UUID | None = None,
        password: str | None = None,
    ) -> UUID:
        """Create a user through the admin API. `confirmed` is its parameter `email_confirm`."""
        user = id or uuid4()
        with self._transaction():
            secret = {} if password is None else {"encrypted_password": generate_password_hash(password)}
            self.users.insert(user, email=email.lower(), raw_user_meta_data=dict(user_metadata or {}), **secret)
            self.users.update(user, role="authenticated")
            if app_metadata is not None:
                self.users.merge(user, "raw_app_meta_data", app_metadata)
            if confirmed:
                self._confirm(user)
        return user

    def admin_set_password(self, user: UUID, password: str) -> None:
        """Set a password through the admin API, which ends all sessions of the user."""
        with self._transaction():
            self.users.update(user, encrypted_password=generate_password_hash(password))
            self.users.end_sessions(user)

    def anonymous(self, *, id: UUID | None = None) -> UUID:
        """Sign in anonymously, without an e-mail, a password or a provider."""
        user = id or uuid4()
        with self._transaction():
            self.users.insert(user, is_anonymous=True, encrypted_password="", raw_app_meta_data={})
            self.users.update(user, role="authenticated")
            self.users.start_session(user)
        return user

    # Actions of users

    def confirm(self, user: UUID) -> None:
        """Follow the link in the mail of the sign-up, which confirms the e-mail and signs the user in."""
        with self._transaction():
            self._confirm(user)
            self.users.merge(user, "raw_app_meta_data", {})
            self.users.start_session(user)

    def sign_in(self, user: UUID) -> None:
        """Sign in with a password."""
        with self._transaction():
            self.users.start_session(user)

    def refresh(self, user: UUID) -> None:
        """Refresh a token (v1 tokens). Auth writes last_sign_in_at unchanged, so only updated_at changes."""
        with self._transaction():
            self.users.refresh_session(user)

    def change_email(self, user: UUID, email: str) -> None:
        """Change the e-mail for the user, from the request to the second link, in three transactions."""
        self.request_email_change(user, email)
        self.confirm_email_change(user)

    def request_email_change(self, user: UUID, email: str) -> None:
        """Request an e-mail change. Auth mails a link to the old address and another link to the new address."""
        self.users.update(
            user,
            email_change_token_current=one_time_token(),
            email_change_token_new=one_time_token(),
            email_change=email.lower(),
            email_change_sent_at=self._now(),
            email_change_confirm_status=0,
        )

    def confirm_email_change(self, user: UUID) -> None:
        """Follow the links in both mails, in two transactions. The second link changes the e-mail and signs in."""
        request = self.users.row(user)
        self.users.update(
            user,
            email_change_confirm_status=1,
            email_change_token_current="",
            email_change_token_new=request["email_change_token_new"],
        )
        with self._transaction():
            self.users.update(
                user,
                email=request["email_change"],
                email_change="",
                email_change_token_current="",
                email_change_token_new="",
                email_change_confirm_status=0,
            )
            self.users.merge(user, "raw_app_meta_data", {})
            self.users.start_session(user)

    def update_metadata(self, user: UUID, user_metadata: Metadata) -> None:
        """Merge metadata shallowly. A value of None deletes its key. Users may change their own metadata."""
        self.users.merge(user, "raw_user_meta_data", user_metadata)

    # Actions of the admin API

    def invite(self, email: str, *, id: UUID | None = None) -> UUID:
        """Invite the user with this e-mail, or a new user. Raises EmailExists if the e-mail is confirmed."""
        found = self.users.with_email(email)
        if found is not None and found["email_confirmed_at"] is not None:
            raise EmailExists
        user: UUID = found["id"] if found is not None else id or uuid4()
        with self._transaction():
            if found is None:
                self.users.insert(user, email=email.lower(), encrypted_password="")
                self.users.update(user, role="authenticated")
            sent = self._now()
            self.users.update(user, confirmation_token=one_time_token(), confirmation_sent_at=sent, invited_at=sent)
        return user

    def admin_change_email(self, user: UUID, email: str, *, confirmed: bool = False) -> None:
        """Change the e-mail immediately, without a mail. `confirmed` is the admin API's `email_confirm`."""
        with self._transaction():
            if confirmed:
                self._confirm(user)
            self.users.update(user, email=email.lower())

    def ban(self, user: UUID, until: datetime) -> None:
        self.users.update(user, banned_until=until)

    def unban(self, user: UUID) -> None:
        self.users.update(user, banned_until=None)

    def soft_delete(self, user: UUID) -> None:
        """Keep the row without metadata, and with hashes instead of e-mail and phone, even if these were empty."""
        row = self.users.row(user)
        if row["deleted_at"] is not None:
            return  # Auth does not repeat a soft delete
        with self._transaction():
            self.users.update(
                user,
                email=hash_of(user, row["email"]),
                phone=hash_of(user, row["phone"])[:15],
                encrypted_password=None,
                email_change=hash_of(user, row["email_change"]),
                phone_change=hash_of(user, row["phone_change"])[:15],
                confirmation_token="",
                recovery_token="",
                email_change_token_current="",
                email_change_token_new="",
                phone_change_token="",
                deleted_at=self._now(),
            )
            self.users.update(user, raw_user_meta_data={})
            self.users.update(user, raw_app_meta_data={})
            self.users.end_sessions(user)

    def hard_delete(self, user: UUID) -> None:
        self.users.delete(user)

    def _confirm(self, user: UUID) -> None:
        """Execute the two statements that several actions share."""
        self.users.update(user, confirmation_token="", email_confirmed_at=self._now())
        self.users.merge(user, "raw_user_meta_data", {"email_verified": True})
