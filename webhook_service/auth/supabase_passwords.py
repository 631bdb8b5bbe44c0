"""The check of a password with Supabase Auth. See `passwords.CheckPassword`."""

import logging

import httpx
from supabase import AuthError
from supabase_auth import SyncGoTrueClient

from webhook_service.auth.answers import UnsuccessfulResponse, call_auth, require_success
from webhook_service.auth.passwords import refused
from webhook_service.auth.stand_in_users import is_email
from webhook_service.auth.supabase import TIMEOUT, account_of
from webhook_service.errors import AuthRefused
from webhook_service.events import Account

log = logging.getLogger(__name__)


def check_with_supabase(url: str, key: str, email: str, password: str, timeout: httpx.Timeout = TIMEOUT) -> Account:
    """Sign in to Supabase Auth and sign out again, on a client for this call only. See CheckPassword.

    Also raises AuthRefused with the reason `auth_key_refused` if Auth refuses `key`.
    """
    if not password or not is_email(email):  # Auth would refuse the sign-in too
        raise refused("no_email_or_password")
    hooks = {"response": [require_success]}
    with httpx.Client(timeout=timeout, http2=False, follow_redirects=False, event_hooks=hooks) as http:
        visitor = SyncGoTrueClient(
            url=f"{url.rstrip('/')}/auth/v1",
            headers={"apikey": key},
            http_client=http,
            auto_refresh_token=False,
            persist_session=False,
        )
        try:
            response = call_auth(lambda: visitor.sign_in_with_password({"email": email, "password": password}))
        except AuthRefused as error:
            if error.reason == "auth_key_refused" and error.code != "user_banned":
                raise  # Auth refuses the service's key, not this user
            raise refused(error.code) from None
        if response.user is None or response.session is None:
            raise refused("no_session")
        sign_out(visitor, response.session.access_token)
    if any(factor.status == "verified" for factor in response.user.factors or ()):
        raise refused("second_factor_needed")  # for this user, a password alone is not enough
    user = response.user
    return call_auth(lambda: account_of(user))


def sign_out(visitor: SyncGoTrueClient, token: str) -> None:
    """End the session. A failure is only logged, because the token is not stored."""
    try:
        visitor.admin.sign_out(token, "local")
    except UnsuccessfulResponse as response:
        if response.status != 204:  # a 204 is a success without a body
            log.warning("a session in Auth was left open", extra={"reason": str(response)})
    except AuthError as error:
        log.warning("a session in Auth was left open", extra={"reason": type(error).__name__})
