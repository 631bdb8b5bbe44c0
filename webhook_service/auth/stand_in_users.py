"""The statements of Supabase Auth's actions (see stand_in). A statement concerns one auth user or its sessions."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from webhook_service.events import Json

Metadata = Mapping[str, Json]

LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
EMAIL = re.compile(rf"[\w.!#$%&'*+/=?^`{{|}}~-]+@{LABEL}(\.{LABEL})*", re.ASCII | re.IGNORECASE)
LONGEST_EMAIL = 255


class AuthUsers:
    """The table auth.users, over a connection whose search_path is `auth`.

    Raises LookupError if the user does not exist.
    """

    def __init__(self, connection: psycopg.Connection[Any], now: Callable[[], datetime]) -> None:
        self._connection = connection
        self._now = now

    def row(self, user: UUID) -> dict[str, Any]:
        """Return all columns of a user. Auth reads them before each change."""
        with self._connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute("select * from users where id = %s", [user]).fetchone()
        if row is None:
            raise LookupError(f"no auth user {user}")
        return row

    def insert(self, user: UUID, **columns: Any) -> None:
        """Insert a user as Auth does: with role '' and without a confirmation, naming all but the generated column."""
        moment = self._now()
        row = auth_user(str(user)) | {"role": "", "created_at": moment, "updated_at": moment} | columns
        del row["confirmed_at"]
        statement = sql.SQL("insert into users ({}) values ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(sql.Placeholder() * len(row))
        )
        self._connection.execute(statement, parameters(row))

    def update(self, user: UUID, **columns: Any) -> None:
        """Update these columns and updated_at. As in Auth, updated_at is slightly later than times in these columns."""
        columns["updated_at"] = self._now()
        assignments = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(column)) for column in columns)
        statement = sql.SQL("update users set {} where id = %s").format(assignments)
        if self._connection.execute(statement, [*parameters(columns), user]).rowcount != 1:
            raise LookupError(f"no auth user {user}")

    def merge(self, user: UUID, column: str, changes: Metadata) -> None:
        """Merge shallowly. None deletes a key. Like Auth, write the column even if its value does not change."""
        merged = {**(self.row(user)[column] or {}), **changes}
        self.update(user, **{column: {key: value for key, value in merged.items() if value is not None}})

    def newest(self, limit: int, offset: int) -> list[dict[str, Any]]:
        """Return a page of Auth's list of users, newest first, including soft-deleted users."""
        with self._connection.cursor(row_factory=dict_row) as cursor:
            query = "select * from users order by created_at desc limit %s offset %s"
            return cursor.execute(query, [limit, offset]).fetchall()

    def with_email(self, email: str) -> dict[str, Any] | None:
        """Return the user with this e-mail, or None. Auth does not find SSO users by e-mail."""
        query = "select * from users where email = %s and not is_sso_user"
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, [email.lower()]).fetchone()

    def start_session(self, user: UUID) -> None:
        """Sign the user in, with two statements."""
        now = self._now()
        self.update(user, last_sign_in_at=now)
        self._connection.execute(
            "insert into sessions (id, user_id, created_at, updated_at, aal) values (%s, %s, %s, %s, 'aal1')",
            [uuid4(), user, now, now],
        )

    def refresh_session(self, user: UUID) -> None:
        """Refresh the newest session. In the row of the user, only updated_at changes."""
        self.update(user, last_sign_in_at=self.row(user)["last_sign_in_at"])
        now = self._now()
        self._connection.execute(
            "update sessions set refreshed_at = %s, updated_at = %s"
            " where id = (select id from sessions where user_id = %s order by created_at desc limit 1)",
            [now.replace(tzinfo=None), now, user],
        )

    def end_sessions(self, user: UUID) -> None:
        self._connection.execute("delete from sessions where user_id = %s", [user])

    def delete(self, user: UUID) -> None:
        if self._connection.execute("delete from users where id = %s", [user]).rowcount != 1:
            raise LookupError(f"no auth user {user}")


def is_email(text: str) -> bool:
    """Return whether Auth accepts the text as an e-mail address, which has only ASCII characters and no spaces."""
    return len(text) <= LONGEST_EMAIL and EMAIL.fullmatch(text) is not None


def parameters(columns: Metadata) -> list[Any]:
    """Return the values, with dictionaries as jsonb."""
    return [Jsonb(value) if isinstance(value, dict) else value for value in columns.values()]


def one_time_token() -> str:
    """Return a random token in the form that Auth stores: a hash of 56 hexadecimal digits."""
    return hashlib.sha224(uuid4().bytes).hexdigest()


def hash_of(user: UUID, value: str | None) -> str:
    """Return the hash that replaces an e-mail after a soft delete: 43 characters of base64url.

    Source: `obfuscateValue` of supabase/auth.
    """
    digest = hashlib.sha256(f"{user}{value or ''}".encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def auth_user(user_id: str) -> dict[str, Any]:
    """Return a row of auth.users with all 35 columns. The values of the secret columns must never leave the service."""
    empty = dict.fromkeys(
        ("email_change", "phone_change", "confirmation_token", "recovery_token", "email_change_token_new",
         "email_change_token_current", "phone_change_token", "reauthentication_token"), ""
    )  # fmt: skip
    absent = dict.fromkeys(
        ("email", "phone", "created_at", "updated_at", "deleted_at", "invited_at", "banned_until", "confirmed_at",
         "is_super_admin", "last_sign_in_at", "recovery_sent_at", "email_confirmed_at", "phone_confirmed_at",
         "confirmation_sent_at", "email_change_sent_at", "phone_change_sent_at", "reauthentication_sent_at")
    )  # fmt: skip
    return empty | absent | {
        "id": user_id,
        "instance_id": "00000000-0000-0000-0000-000000000000",
        "aud": "authenticated",
        "role": "authenticated",
        "is_sso_user": False,
        "is_anonymous": False,
        "email_change_confirm_status": 0,
        "encrypted_password": "$2a$10$demo.demo.demo.demo.demo.demo.demo.demo.demo.demo.dem",
        "raw_app_meta_data": {"provider": "email", "providers": ["email"]},
        "raw_user_meta_data": {},
    }  # fmt: skip
