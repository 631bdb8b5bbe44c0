"""The AuthAdmin port over supabase-py's `auth.admin`, that is, Supabase Auth itself. The production default."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import NoReturn, TypeVar
from uuid import UUID

import httpx
from supabase import AuthError, AuthRetryableError, Client, ClientOptions, create_client
from supabase_auth.types import AdminUserAttributes, UserResponse

from webhook_service.db.deadline import Deadline
from webhook_service.errors import (
    AuthEmailExists,
    AuthRefused,
    AuthThrottled,
    AuthUnavailable,
    AuthUserNotFound,
    ServiceError,
    Unavailable,
)
from webhook_service.events import Account, Json

T = TypeVar("T")

TIMEOUT = httpx.Timeout(12.0, connect=3.0, pool=1.0)
"""Auth itself cuts a request at 10 seconds, and says so."""
CONNECTIONS = 8
CALL_TIMEOUT = 14.0
"""Seconds for a whole call; httpx's own limits are for each read."""

FOR_GOOD = "876000h"
"""A ban of a hundred years: a Go duration, which knows no days. Auth ignores `banned_until` without a word."""

CODE = re.compile(r"\w{1,50}", re.ASCII)
SHORTEST_PAUSE, DEFAULT_PAUSE, LONGEST_PAUSE = 1.0, 5.0, 3600.0
"""Seconds."""


class SupabaseAuthAdmin:
    """Calls the Auth Admin API with the service role's key. One client, shared by all threads.

    Nobody may ever sign in on it: from then on it would have that user's rights.
    """

    def __init__(
        self,
        url: str,
        service_role_key: str,
        *,
        timeout: httpx.Timeout = TIMEOUT,
        call_timeout: float = CALL_TIMEOUT,
    ) -> None:
        # http2 off: one broken connection would break every call on it. Redirects off: an API does not redirect.
        self._http = httpx.Client(
            timeout=timeout,
            http2=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=CONNECTIONS),
            event_hooks={"response": [require_a_success]},
        )
        client: Client = create_client(url, service_role_key, ClientOptions(httpx_client=self._http))
        self._admin = client.auth.admin
        self._deadline = Deadline(CONNECTIONS, call_timeout)

    def get(self, auth_user_id: UUID) -> Account | None:
        return self._in_time(lambda: self._get(auth_user_id))

    def create(self, auth_user_id: UUID, email: str, *, password: str | None) -> Account:
        return self._in_time(lambda: self._create(auth_user_id, email, password))

    def invite(self, email: str) -> None:
        self._in_time(lambda: asked(lambda: self._admin.invite_user_by_email(email)))

    def update(self, auth_user_id: UUID, *, banned: bool | None = None, email: str | None = None) -> Account:
        if email == "":  # to Auth it would be no change, but confirm the old one
            raise AuthRefused("auth_refused", "Auth needs an e-mail address.", "validation_failed")
        changes: AdminUserAttributes = {}
        if banned is not None:
            changes["ban_duration"] = FOR_GOOD if banned else "none"
        if email is not None:
            changes |= {"email": email, "email_confirm": True}  # or the identity is left unverified
        update = partial(self._admin.update_user_by_id, str(auth_user_id), changes)
        return the_same(self._in_time(lambda: asked(lambda: account_of(update()))), auth_user_id)

    def delete(self, auth_user_id: UUID) -> None:
        self._in_time(lambda: self._delete(auth_user_id))

    def close(self) -> None:
        self._http.close()
        self._deadline.close()

    def _in_time(self, call: Callable[[], T]) -> T:
        try:
            return self._deadline.run(call)
        except Unavailable as error:
            raise AuthUnavailable("auth_unreachable", "Auth did not answer in time.") from error

    def _get(self, auth_user_id: UUID) -> Account | None:
        try:
            account = asked(lambda: account_of(self._admin.get_user_by_id(str(auth_user_id))))
        except AuthUserNotFound:
            return None
        return the_same(account, auth_user_id)

    def _create(self, auth_user_id: UUID, email: str, password: str | None) -> Account:
        user: AdminUserAttributes = {"id": str(auth_user_id), "email": email, "email_confirm": password is not None}
        if password is not None:
            user["password"] = password
        try:
            made = asked(lambda: account_of(self._admin.create_user(user)))
        except AuthUnavailable as error:
            # All that Auth says of an id that is taken is 500; after that, nothing has been carried out.
            if isinstance(error.__cause__, NoSuccess) and error.__cause__.is_failure and self._get(auth_user_id):
                raise AuthEmailExists("email_exists", "An auth user has that id already.", "email_exists") from None
            raise
        if made.id != auth_user_id and made.email == email.lower():
            self._take_back(made.id)
        return the_same(made, auth_user_id)

    def _take_back(self, auth_user_id: UUID) -> NoReturn:
        detail = "This version of Supabase Auth gives ids of its own to new users; it has to be newer."
        try:
            self._delete(auth_user_id)
        except ServiceError:
            detail += f" The auth user {auth_user_id} that it made could not be deleted again: please do."
        raise AuthRefused("auth_too_old", detail)

    def _delete(self, auth_user_id: UUID) -> None:
        with suppress(AuthUserNotFound):
            asked(lambda: self._admin.delete_user(str(auth_user_id)))


class NoSuccess(Exception):
    """An answer that is no success of Auth's. `code` is the one of Auth's error, None where the error is no Auth's."""

    def __init__(self, status: int, code: str | None, *, is_page: bool, pause: float) -> None:
        super().__init__(f"{status} {code or ''}".rstrip())
        self.status = status
        self.code = code
        self.is_page = is_page
        self.pause = pause

    @property
    def is_failure(self) -> bool:
        """Auth's own word for what went wrong inside it."""
        return self.status == 500 and self.code is not None


def require_a_success(response: httpx.Response) -> None:
    """Raises NoSuccess for all but a success with a JSON object in it, which is what each call here answers.

    supabase-py would hand on neither the headers of an error, nor the status of one that is a proxy's page.
    """
    response.read()
    try:
        said = response.json()
    except ValueError:
        said = None
    if (is_page := not isinstance(said, dict)) or not response.is_success:
        pause = pause_of(response.headers.get("Retry-After", ""), now=datetime.now(UTC))
        raise NoSuccess(response.status_code, code_of(said), is_page=is_page, pause=pause)


def code_of(said: Json) -> str | None:
    """The code of an error of Auth, which has two forms; "" where there is none yet (before v2.150); None of others."""
    if not isinstance(said, dict):
        return None
    for name in ("error_code", "code"):
        code = said.get(name)
        if isinstance(code, str) and CODE.fullmatch(code):
            return code
    return "" if isinstance(said.get("code"), int) and "msg" in said else None


def pause_of(retry_after: str, *, now: datetime) -> float:
    """Seconds, from a Retry-After of seconds or of a date; within reason."""
    if re.fullmatch(r"\d{1,9}", retry_after, re.ASCII):
        pause = float(retry_after)
    else:
        try:
            until = parsedate_to_datetime(retry_after)
        except (ValueError, OverflowError):
            return DEFAULT_PAUSE
        pause = ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(pause, SHORTEST_PAUSE), LONGEST_PAUSE)


def asked(call: Callable[[], T]) -> T:
    """The answer, or our error. It hides those whose text is of others, who may repeat what was sent."""
    try:
        return call()
    except NoSuccess as answer:
        raise error_for(answer) from answer
    except AuthRetryableError as error:
        cause = type(error.__cause__ or error).__name__
        raise AuthUnavailable("auth_unreachable", f"Auth did not answer ({cause}).") from None
    except UnicodeError:
        raise AuthRefused("auth_refused", "It has characters that cannot be sent.", "validation_failed") from None
    except (AuthError, ValueError, OverflowError) as error:  # JSON that is no user, or has impossible times
        raise AuthUnavailable("auth_unavailable", f"That was no answer of Auth ({type(error).__name__}).") from None


def error_for(answer: NoSuccess) -> ServiceError:
    """A 4xx of Auth's own refuses (but "slow down" and "timed out"); all else is trouble in Auth or on the way."""
    status, code = answer.status, answer.code or ""
    if status == 429:
        return AuthThrottled("auth_throttled", f"Auth asks for a pause ({answer}).", answer.pause)
    if status in (401, 403) and not answer.is_page:  # Auth's, or that of the gateway before it
        detail = f"Auth refused the key ({answer}); are Supabase's URL and key right?"
        return AuthRefused("auth_key_refused", detail, code)
    if answer.code is None or status == 408 or not 400 <= status < 500:
        return AuthUnavailable("auth_unavailable", f"Auth cannot do it now ({answer}).")
    if (status, code) == (404, "user_not_found"):
        return AuthUserNotFound("user_not_found", "There is no such auth user.", code)
    if (status, code) == (422, "email_exists"):
        return AuthEmailExists("email_exists", "Another auth user has that e-mail.", code)
    return AuthRefused("auth_refused", f"Auth refused the call ({answer}).", code)


def the_same(account: Account, auth_user_id: UUID) -> Account:
    """What Auth says of another auth user is no answer."""
    if account.id != auth_user_id:
        raise AuthUnavailable("auth_unavailable", "Auth told of another auth user than the one it was asked for.")
    return account


def account_of(answer: UserResponse) -> Account:
    user = answer.user
    return Account(
        id=UUID(user.id),
        email=(user.email or "").lower() or None,
        email_confirmed=user.email_confirmed_at is not None,
        banned_until=moment_of(user.banned_until),
        deleted_at=moment_of(user.deleted_at),
        invited_at=moment_of(user.invited_at),
    )


def moment_of(told: datetime | str | None) -> datetime | None:
    """In UTC; supabase-py parses some of the times and hands on the others as texts."""
    if told is None or told == "":
        return None
    moment = datetime.fromisoformat(told) if isinstance(told, str) else told
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
