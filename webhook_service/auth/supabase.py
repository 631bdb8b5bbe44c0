"""The AuthAdmin port over supabase-py's `auth.admin`, that is, Supabase Auth itself. The production default."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import NoReturn, TypeVar
from uuid import UUID

import httpx
from supabase import Client, ClientOptions, create_client
from supabase_auth.types import AdminUserAttributes, User

from webhook_service.auth.answers import NoSuccess, asked, require_a_success
from webhook_service.db.deadline import Deadline
from webhook_service.errors import (
    AuthEmailExists,
    AuthRefused,
    AuthUnavailable,
    AuthUserNotFound,
    ServiceError,
    Unavailable,
)
from webhook_service.events import Account

T = TypeVar("T")

TIMEOUT = httpx.Timeout(12.0, connect=3.0, pool=1.0)
"""Auth itself cuts a request at 10 seconds, and says so."""
CONNECTIONS = 8
CALL_TIMEOUT = 14.0
"""Seconds for a whole call; httpx's own limits are for each read."""

FOR_GOOD = "876000h"
"""A ban of a hundred years: a Go duration, which knows no days. Auth ignores `banned_until` without a word."""


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
        return the_same(self._in_time(lambda: asked(lambda: account_of(update().user))), auth_user_id)

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
            account = asked(lambda: account_of(self._admin.get_user_by_id(str(auth_user_id)).user))
        except AuthUserNotFound:
            return None
        return the_same(account, auth_user_id)

    def _create(self, auth_user_id: UUID, email: str, password: str | None) -> Account:
        user: AdminUserAttributes = {"id": str(auth_user_id), "email": email, "email_confirm": password is not None}
        if password is not None:
            user["password"] = password
        try:
            made = asked(lambda: account_of(self._admin.create_user(user).user))
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


def the_same(account: Account, auth_user_id: UUID) -> Account:
    """What Auth says of another auth user is no answer."""
    if account.id != auth_user_id:
        raise AuthUnavailable("auth_unavailable", "Auth told of another auth user than the one it was asked for.")
    return account


def account_of(user: User) -> Account:
    role = user.app_metadata.get("role")
    return Account(
        id=UUID(user.id),
        email=(user.email or "").lower() or None,
        email_confirmed=user.email_confirmed_at is not None,
        banned_until=moment_of(user.banned_until),
        deleted_at=moment_of(user.deleted_at),
        invited_at=moment_of(user.invited_at),
        role=role if isinstance(role, str) else None,
    )


def moment_of(reported: datetime | str | None) -> datetime | None:
    """In UTC; supabase-py parses some of the times and hands on the others as texts."""
    if reported is None or reported == "":
        return None
    moment = datetime.fromisoformat(reported) if isinstance(reported, str) else reported
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
