"""The admin API, the sign-in and the refresh of Supabase Auth (supabase/auth v2.196), over the stand-in for Auth.

Like the real Auth, it ignores `banned_until`, answers 500 to an update with a duplicate e-mail, keeps a ban even if the
rest of its request fails, and accepts any password for a new user. Unlike the real Auth, users have no identities.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import psycopg
from werkzeug.security import check_password_hash

from tests.auth_factors import Challenges, Refusal, reported
from tests.auth_stand_in import Auth
from webhook_service.auth.stand_in import EmailExists
from webhook_service.auth.stand_in_users import is_email
from webhook_service.events import Json

PER_PAGE = 50
TAKEN = "A user with this email address has already been registered"
UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
"""The units of a Go duration in nanoseconds. A Go duration has no unit for days."""
TOKEN = "t0kenOfTheDouble."
"""The prefix of access tokens. The id of the session follows."""
REFRESH = "refresh."
"""The prefix of refresh tokens. The access token of the session follows."""
MAX_NANOSECONDS = 2**63
"""The limit of a Go duration, which is about 292 years."""


class AuthApi:
    """The API. If `honours_id` is False, it acts as an Auth that is too old to read a new user's id from the request.

    `factors` are the factors of the users who sign in, and `challenges` the open challenges of these factors.
    `autoconfirm` is the setting `mailer_autoconfirm`. `during_sign_in` is called between the check of the ban
    and the new session.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        *,
        honours_id: bool = True,
        factors: Sequence[Json] = (),
        challenges: Challenges | None = None,
        autoconfirm: bool = False,
        hashes_passwords: bool = False,
        during_sign_in: Callable[[], object] = lambda: None,
    ) -> None:
        self._auth = Auth(connection)
        self._connection = connection
        self._honours_id = honours_id
        self._factors = list(factors)
        self._challenges = challenges or Challenges()
        self._autoconfirm = autoconfirm
        self._hashes_passwords = hashes_passwords
        self._during_sign_in = during_sign_in

    def answer(self, method: str, path: str, query: str, body: dict[str, Json]) -> Json:
        """The JSON of a 200 response. Raises Refusal, and psycopg's errors if the database fails."""
        if not all(isinstance(body.get(name) or "", str) for name in ("id", "email", "password", "ban_duration")):
            raise Refusal(400, "bad_json", "Could not parse request body as JSON")
        match method, path.strip("/").split("/"):
            case "GET", ["settings"]:
                return {"disable_signup": False, "mailer_autoconfirm": self._autoconfirm, "external": {"email": True}}
            case "POST", ["admin", "users"]:
                return user_json(self._create(body))
            case "GET", ["admin", "users"]:
                return self._list(dict(parse_qsl(query)))
            case "POST", ["invite"]:
                return user_json(self._invite(body))
            case "POST", ["token"] if dict(parse_qsl(query)).get("grant_type") == "password":
                return self._sign_in(body)
            case "POST", ["token"] if dict(parse_qsl(query)).get("grant_type") == "refresh_token":
                return self._refresh(body)
            case "GET", ["admin", "users", user]:
                return user_json(self._find(user))
            case "PUT", ["admin", "users", user]:
                return user_json(self._update(self._find(user)["id"], body))
            case "DELETE", ["admin", "users", user]:
                found: UUID = self._find(user)["id"]
                (self._auth.soft_delete if body.get("should_soft_delete") else self._auth.hard_delete)(found)
                return {}
        raise Refusal(404, "", "404 page not found")

    def answer_user(self, token: str, path: str, body: dict[str, Json]) -> Json:
        """The JSON of a 200 response to a user with this access token. Raises Refusal as `answer` does."""
        session, user = self._session_of(token)
        match path.strip("/").split("/"):
            case ["factors", factor, "challenge"]:
                return self._challenges.begin(self._factors, factor)
            case ["factors", factor, "verify"]:
                self._challenges.verify(self._factors, factor, body)
                with self._connection.transaction():
                    self._connection.execute("update auth.sessions set aal = 'aal2' where id = %s", [session])
                    self._connection.execute("delete from auth.sessions where user_id = %s and aal < 'aal2'", [user])
                return self._tokens(user, session)
        raise Refusal(404, "", "404 page not found")

    def sign_out(self, token: str) -> None:
        """Sign out the session of this access token."""
        session, _ = self._session_of(token)
        self._connection.execute("delete from auth.sessions where id = %s", [session])

    def _session_of(self, token: str) -> tuple[UUID, UUID]:
        """The session and the user of an access token."""
        if not (named := re.fullmatch(TOKEN + "([-0-9a-f]{36})", token)):
            raise Refusal(403, "bad_jwt", "invalid JWT: unable to parse or verify signature")
        found = self._connection.execute("select id, user_id from auth.sessions where id = %s", [named[1]]).fetchone()
        if found is None:
            raise Refusal(403, "session_not_found", "Session from session_id claim in JWT does not exist")
        session, user = found
        return session, user

    def _sign_in(self, body: dict[str, Json]) -> Json:
        """Sign in by password, with errors in the same order as Auth's."""
        user = self._auth.users.with_email(body.get("email") or "")
        if user is None or not user["encrypted_password"]:
            raise Refusal(400, "invalid_credentials", "Invalid login credentials")
        if user["banned_until"] is not None and user["banned_until"] > datetime.now(UTC):
            raise Refusal(400, "user_banned", "User is banned")
        if not check_password_hash(user["encrypted_password"], body.get("password") or ""):
            raise Refusal(400, "invalid_credentials", "Invalid login credentials")
        if user["email_confirmed_at"] is None:
            raise Refusal(400, "email_not_confirmed", "Email not confirmed")
        self._during_sign_in()  # Auth has checked the ban, and now hashes the password
        self._auth.sign_in(user["id"])
        query = "select id from auth.sessions where user_id = %s order by created_at desc limit 1"
        [session] = self._connection.execute(query, [user["id"]]).fetchone() or [None]
        return self._tokens(user["id"], session)

    def _refresh(self, body: dict[str, Json]) -> Json:
        """Refresh a session. A session that has ended has no refresh token any more."""
        try:
            session, user = self._session_of(str(body.get("refresh_token")).removeprefix(REFRESH))
        except Refusal:
            raise Refusal(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found") from None
        banned_until = self._auth.users.row(user)["banned_until"]
        if banned_until is not None and banned_until > datetime.now(UTC):
            raise Refusal(400, "user_banned", "Invalid Refresh Token: User Banned")
        self._auth.refresh(user)
        return self._tokens(user, session)

    def _tokens(self, user: UUID, session: object) -> Json:
        shown = user_json(self._auth.users.row(user))
        return {
            "access_token": f"{TOKEN}{session}",
            "token_type": "bearer",
            "expires_in": 3600,
            "expires_at": int(datetime.now(UTC).timestamp()) + 3600,
            "refresh_token": f"{REFRESH}{TOKEN}{session}",
            "user": shown | ({"factors": reported(self._factors)} if self._factors else {}),
        }

    def _find(self, user: str) -> dict[str, Any]:
        try:
            return self._auth.users.row(UUID(user))
        except ValueError:
            raise Refusal(404, "validation_failed", "user_id must be an UUID") from None
        except LookupError:
            raise Refusal(404, "user_not_found", "User not found") from None

    def _list(self, query: dict[str, str]) -> Json:
        try:
            page, size = int(query.get("page") or 1), int(query.get("per_page") or PER_PAGE)
        except ValueError:
            raise Refusal(400, "validation_failed", "Bad Pagination Parameters") from None
        rows = self._auth.users.newest(size, (page - 1) * size)
        return {"users": [user_json(row) for row in rows], "aud": "authenticated"}

    def _create(self, body: dict[str, Json]) -> dict[str, Any]:
        if not body.get("email"):
            raise Refusal(400, "validation_failed", "Cannot create a user without either an email or phone")
        email = checked_email(body["email"])
        if self._auth.users.with_email(email):
            raise Refusal(422, "email_exists", TAKEN)
        try:
            requested_id = UUID(body["id"]) if self._honours_id and body.get("id") else None
        except ValueError:
            raise Refusal(400, "validation_failed", "ID must conform to the uuid v4 format") from None
        ban = ban_end(body.get("ban_duration"))
        try:
            with self._connection.transaction():
                user = self._auth.admin_create(
                    email,
                    confirmed=bool(body.get("email_confirm")),
                    id=requested_id,
                    user_metadata=body.get("user_metadata"),
                    app_metadata=body.get("app_metadata"),
                    password=body.get("password") if self._hashes_passwords else None,
                )
                if ban is not None:
                    self._auth.ban(user, ban)
                return self._auth.users.row(user)
        except psycopg.errors.UniqueViolation:  # the id is taken, or another request was faster
            raise Refusal(500, "unexpected_failure", "Database error creating new user") from None

    def _invite(self, body: dict[str, Json]) -> dict[str, Any]:
        try:
            with self._connection.transaction():
                return self._auth.users.row(self._auth.invite(checked_email(body.get("email") or "")))
        except EmailExists:
            raise Refusal(422, "email_exists", TAKEN) from None

    def _update(self, user: UUID, body: dict[str, Json]) -> dict[str, Any]:
        email = checked_email(body["email"]) if body.get("email") else None
        ban = ban_end(body.get("ban_duration"))
        try:
            if ban is not None:  # Auth commits a ban first, and keeps it even if the request then fails
                self._auth.ban(user, ban)
            elif body.get("ban_duration"):
                self._auth.unban(user)
            with self._connection.transaction():
                if email is not None:
                    self._auth.admin_change_email(user, email, confirmed=bool(body.get("email_confirm")))
                if body.get("password"):
                    self._auth.admin_set_password(user, body["password"])
                if body.get("app_metadata") is not None:
                    self._auth.set_app_metadata(user, body["app_metadata"])
                if body.get("user_metadata") is not None:
                    self._auth.update_metadata(user, body["user_metadata"])
                return self._auth.users.row(user)
        except psycopg.errors.UniqueViolation:
            raise Refusal(500, "unexpected_failure", "Error updating user") from None
        except LookupError:  # the user was deleted meanwhile
            raise Refusal(404, "user_not_found", "User not found") from None


def checked_email(email: str) -> str:
    if not is_email(email):
        raise Refusal(400, "validation_failed", "Unable to validate email address: invalid format")
    return email.lower()


def ban_end(duration: str | None) -> datetime | None:
    """The end of a ban of this Go duration (`876000h`, `1h30m`). None for `none`, 0 and a missing duration."""
    if not duration or duration == "none":
        return None
    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", duration)
    nanoseconds = sum(float(number) * UNITS[unit] for number, unit in parts)
    if "".join(map("".join, parts)) != duration or nanoseconds >= MAX_NANOSECONDS:
        raise Refusal(400, "validation_failed", f'invalid format for ban duration: time: invalid duration "{duration}"')
    return datetime.now(UTC) + timedelta(microseconds=nanoseconds / 1000) if nanoseconds else None


def user_json(row: dict[str, Any]) -> dict[str, Json]:
    """A user as the admin API returns it, without times that are null, and with empty strings for missing texts."""
    times = (
        *("email_confirmed_at", "invited_at", "phone_confirmed_at", "confirmation_sent_at", "confirmed_at"),
        *("recovery_sent_at", "email_change_sent_at", "last_sign_in_at", "banned_until", "deleted_at"),
    )
    return {
        "id": str(row["id"]),
        "aud": row["aud"],
        "role": row["role"],
        "email": row["email"] or "",
        "phone": row["phone"] or "",
        **{name: rfc3339(row[name]) for name in times if row[name] is not None},
        **({"new_email": row["email_change"]} if row["email_change"] else {}),
        "app_metadata": row["raw_app_meta_data"] or {},
        "user_metadata": row["raw_user_meta_data"] or {},
        "identities": [],
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
        "is_anonymous": row["is_anonymous"],
    }


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
