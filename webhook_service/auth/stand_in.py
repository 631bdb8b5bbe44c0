"""What Supabase Auth does to `auth.users`, statement by statement, for where there is no Auth: demo and tests.

The statements, their order, the columns that each names and which of them share a transaction are those of
supabase/auth v2.196. Only auth.users is written, and auth.sessions as far as it tells who is signed in: no identities,
no refresh tokens, no mails. Who may do what is not checked: a banned user may sign in here.
A password that is given is hashed, though not by bcrypt, else it is no hash of anything; the tokens are hashes of
something random: they are there so that it can be proved that they never come out.
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
    """Another user has that e-mail, and Auth has looked before it wrote."""


class Auth:
    """Auth's actions on its users. Each takes a user's id, or returns a new one; LookupError where there is none.

    It takes the connection over, which must be in autocommit and may become supabase_auth_admin: each action is one
    transaction unless it says otherwise. `users` is for reading; its statements are parts of actions.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        connection.execute("set role supabase_auth_admin")
        connection.execute("set search_path = auth")  # the role's own setting holds only where it logs in
        self._transaction = connection.transaction
        self.users = AuthUsers(connection, now)
        self._now = now

    # New users

    def sign_up(
        self, email: str, *, user_metadata: Metadata | None = None, auto_confirm: bool = False, id: UUID | None = None
    ) -> UUID:
        """With e-mail and password. The e-mail is yet to be confirmed, or with `auto_confirm` needs not be."""
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
        """By the admin API; `confirmed` is its `email_confirm`."""
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

    def anonymous(self, *, id: UUID | None = None) -> UUID:
        """An anonymous sign-in: no e-mail, no password, no provider."""
        user = id or uuid4()
        with self._transaction():
            self.users.insert(user, is_anonymous=True, encrypted_password="", raw_app_meta_data={})
            self.users.update(user, role="authenticated")
            self.users.start_session(user)
        return user

    # What users do

    def confirm(self, user: UUID) -> None:
        """The link of the sign-up's mail: the e-mail is confirmed and the user signed in."""
        with self._transaction():
            self._confirm(user)
            self.users.merge(user, "raw_app_meta_data", {})
            self.users.start_session(user)

    def sign_in(self, user: UUID) -> None:
        """With a password."""
        with self._transaction():
            self.users.start_session(user)

    def refresh(self, user: UUID) -> None:
        """A token refresh (v1 tokens): it writes last_sign_in_at as it was, so only updated_at moves."""
        with self._transaction():
            self.users.refresh_session(user)

    def change_email(self, user: UUID, email: str) -> None:
        """The user's own change, from the request to the second link: three transactions."""
        self.request_email_change(user, email)
        self.confirm_email_change(user)

    def request_email_change(self, user: UUID, email: str) -> None:
        """The user asks for it: one mail to the old address, one to the new."""
        self.users.update(
            user,
            email_change_token_current=one_time_token(),
            email_change_token_new=one_time_token(),
            email_change=email.lower(),
            email_change_sent_at=self._now(),
            email_change_confirm_status=0,
        )

    def confirm_email_change(self, user: UUID) -> None:
        """The links of both mails, a transaction each; the second one changes the e-mail and signs the user in."""
        asked = self.users.row(user)
        self.users.update(
            user,
            email_change_confirm_status=1,
            email_change_token_current="",
            email_change_token_new=asked["email_change_token_new"],
        )
        with self._transaction():
            self.users.update(
                user,
                email=asked["email_change"],
                email_change="",
                email_change_token_current="",
                email_change_token_new="",
                email_change_confirm_status=0,
            )
            self.users.merge(user, "raw_app_meta_data", {})
            self.users.start_session(user)

    def update_metadata(self, user: UUID, user_metadata: Metadata) -> None:
        """Merges shallowly; None deletes a key. Users may do this to themselves."""
        self.users.merge(user, "raw_user_meta_data", user_metadata)

    # What the admin API does

    def invite(self, email: str, *, id: UUID | None = None) -> UUID:
        """A user whose e-mail is not confirmed yet, new where there is none. Raises EmailExists where it is."""
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
        """At once, without a mail; `confirmed` is the admin API's `email_confirm`."""
        with self._transaction():
            if confirmed:
                self._confirm(user)
            self.users.update(user, email=email.lower())

    def ban(self, user: UUID, until: datetime) -> None:
        self.users.update(user, banned_until=until)

    def unban(self, user: UUID) -> None:
        self.users.update(user, banned_until=None)

    def soft_delete(self, user: UUID) -> None:
        """The row stays, with hashes for e-mail and phone (also where they were empty) and without metadata."""
        row = self.users.row(user)
        if row["deleted_at"] is not None:
            return  # as Auth does: once is enough
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
        """Two statements that several actions have in common."""
        self.users.update(user, confirmation_token="", email_confirmed_at=self._now())
        self.users.merge(user, "raw_user_meta_data", {"email_verified": True})
