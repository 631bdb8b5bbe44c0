"""The adapter of the AuthAdmin port that production uses: supabase-py's `auth.admin`, which calls Supabase Auth."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import NoReturn, TypeVar
from uuid import UUID

import httpx
from supabase import Client, ClientOptions, create_client
from supabase_auth.types import AdminUserAttributes, User

from webhook_service.addresses import normal_address
from webhook_service.auth.answers import UnsuccessfulResponse, call_auth, require_success
from webhook_service.db.deadline import Deadline
from webhook_service.errors import (
    AuthEmailExists,
    AuthRefused,
    AuthUnavailable,
    AuthUserNotFound,
    ServiceError,
    Unavailable,
)
from webhook_service.events import Account, roles_in

T = TypeVar("T")

TIMEOUT = httpx.Timeout(12.0, connect=3.0, pool=1.0)
"""In seconds. Auth ends a request after 10 seconds with an error."""
CONNECTIONS = 8
CALL_TIMEOUT_SECONDS = 14.0
"""The time limit of a whole call. httpx's limits apply to each read."""

BAN_DURATION = "876000h"
"""A hundred years, as a Go duration, which has no unit for days. Auth silently ignores `banned_until` in a request."""


class SupabaseAuthAdmin:
    """Calls the Auth Admin API with the service role's key. All threads share one client.

    The client must never sign a user in, because it would then have only that user's privileges.
    """

    def __init__(
        self,
        url: str,
        service_role_key: str,
        *,
        timeout: httpx.Timeout = TIMEOUT,
        call_timeout: float = CALL_TIMEOUT_SECONDS,
    ) -> None:
        # HTTP/2 is off, because a broken connection would break all its calls. Redirects are off, as APIs need none.
        self._http = httpx.Client(
            timeout=timeout,
            http2=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=CONNECTIONS),
            event_hooks={"response": [require_success]},
        )
        client: Client = create_client(url, service_role_key, ClientOptions(httpx_client=self._http))
        self._admin = client.auth.admin
        self._settings_url = f"{url.rstrip('/')}/auth/v1/settings"
        self._headers = {"apikey": service_role_key, "Authorization": f"Bearer {service_role_key}"}
        self._deadline = Deadline(CONNECTIONS, call_timeout)

    def get(self, auth_user_id: UUID) -> Account | None:
        return self._in_time(lambda: self._get(auth_user_id))

    def create(self, auth_user_id: UUID, email: str, *, password: str | None) -> Account:
        return self._in_time(lambda: self._create(auth_user_id, email, password))

    def invite(self, email: str) -> None:
        self._in_time(lambda: call_auth(lambda: self._admin.invite_user_by_email(email)))

    def update(self, auth_user_id: UUID, *, banned: bool | None = None, email: str | None = None) -> Account:
        if email == "":  # Auth would keep the old e-mail, and confirm it
            raise AuthRefused("auth_refused", "Auth needs an e-mail address.", "validation_failed")
        changes: AdminUserAttributes = {}
        if banned is not None:
            changes["ban_duration"] = BAN_DURATION if banned else "none"
        if email is not None:
            changes |= {"email": email, "email_confirm": True}  # without this, Auth's identity stays unverified
        update = partial(self._admin.update_user_by_id, str(auth_user_id), changes)
        return require_same_user(self._in_time(lambda: call_auth(lambda: account_of(update().user))), auth_user_id)

    def set_password(self, auth_user_id: UUID, password: str) -> None:
        changes: AdminUserAttributes = {"password": password}
        update = partial(self._admin.update_user_by_id, str(auth_user_id), changes)
        require_same_user(self._in_time(lambda: call_auth(lambda: account_of(update().user))), auth_user_id)

    def confirms_without_proof(self) -> bool:
        return self._in_time(lambda: call_auth(self._autoconfirm))

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
            account = call_auth(lambda: account_of(self._admin.get_user_by_id(str(auth_user_id)).user))
        except AuthUserNotFound:
            return None
        return require_same_user(account, auth_user_id)

    def _autoconfirm(self) -> bool:
        try:
            autoconfirm = self._http.get(self._settings_url, headers=self._headers).json().get("mailer_autoconfirm")
        except httpx.HTTPError as error:
            raise AuthUnavailable("auth_unreachable", f"Auth did not answer ({type(error).__name__}).") from None
        if not isinstance(autoconfirm, bool):
            raise AuthUnavailable("auth_unavailable", "The response is not Auth's settings.")
        return autoconfirm

    def _create(self, auth_user_id: UUID, email: str, password: str | None) -> Account:
        user: AdminUserAttributes = {"id": str(auth_user_id), "email": email, "email_confirm": password is not None}
        if password is not None:
            user["password"] = password
        try:
            created = call_auth(lambda: account_of(self._admin.create_user(user).user))
        except AuthUnavailable as error:
            # Auth answers 500, without a specific code, to an id that is in use. It has not changed any data then.
            cause = error.__cause__
            if isinstance(cause, UnsuccessfulResponse) and cause.is_internal_error and self._get(auth_user_id):
                raise AuthEmailExists("email_exists", "An auth user has that id already.", "email_exists") from None
            raise
        if created.id != auth_user_id and created.email == normal_address(email):
            self._undo_create(created.id)
        return require_same_user(created, auth_user_id)

    def _undo_create(self, auth_user_id: UUID) -> NoReturn:
        detail = "This version of Supabase Auth ignores the id that is given for a new user. Use a newer version."
        try:
            self._delete(auth_user_id)
        except ServiceError:
            detail += f" It created the auth user {auth_user_id}, which could not be deleted: please delete it."
        raise AuthRefused("auth_too_old", detail)

    def _delete(self, auth_user_id: UUID) -> None:
        with suppress(AuthUserNotFound):
            call_auth(lambda: self._admin.delete_user(str(auth_user_id)))


def require_same_user(account: Account, auth_user_id: UUID) -> Account:
    """Return `account`. Raises AuthUnavailable if Auth did not return the requested auth user."""
    if account.id != auth_user_id:
        raise AuthUnavailable("auth_unavailable", "Auth returned another auth user than the requested one.")
    return account


def account_of(user: User) -> Account:
    """Return the account for a user of supabase-py. Raises ValueError for impossible values."""
    return Account(
        id=UUID(user.id),
        email=normal_address(user.email or "") or None,
        email_confirmed=user.email_confirmed_at is not None,
        banned_until=moment_of(user.banned_until),
        deleted_at=moment_of(user.deleted_at),
        invited_at=moment_of(user.invited_at),
        roles=roles_in(user.app_metadata),
    )


def moment_of(reported: datetime | str | None) -> datetime | None:
    """Return the time in UTC. supabase-py parses only some times, and returns other times as texts."""
    if reported is None or reported == "":
        return None
    moment = datetime.fromisoformat(reported) if isinstance(reported, str) else reported
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
