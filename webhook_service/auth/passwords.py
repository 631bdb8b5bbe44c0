"""Password checks for the sign-in of admins. A check grants no privileges and leaves no session in Auth."""

import logging
from collections.abc import Callable

import httpx
from supabase import AuthError
from supabase_auth import SyncGoTrueClient
from werkzeug.security import check_password_hash

from webhook_service.auth.answers import UnsuccessfulResponse, call_auth, require_success
from webhook_service.auth.local import LocalAuthAdmin
from webhook_service.auth.local import account_of as local_account_of
from webhook_service.auth.stand_in_users import is_email
from webhook_service.auth.supabase import TIMEOUT, account_of
from webhook_service.errors import AuthRefused
from webhook_service.events import Account

log = logging.getLogger(__name__)

CheckPassword = Callable[[str, str], Account]
"""A function that takes an e-mail and a password, and returns their account.

It raises AuthRefused with the reason SIGN_IN_REFUSED if the two do not match, or if a password alone is not enough. The
error has Auth's `code` for the log. It raises AuthUnavailable.
"""

SIGN_IN_REFUSED = "sign_in_refused"
NO_PASSWORD = "scrypt:32768:8:1$nobody$" + "0" * 128  # noqa: S105 (no password has this hash)


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


def check_locally(admin: LocalAuthAdmin, email: str, password: str) -> Account:
    """Check the password against the stand-in's hash. See CheckPassword.

    The check of an unknown e-mail takes as long as the check of a known e-mail.
    """
    found = None
    if is_email(email):
        with admin.opened() as auth:
            found = auth.users.with_email(email)
    is_right = check_password_hash((found or {}).get("encrypted_password") or NO_PASSWORD, password)
    if found is None or not is_right:
        raise refused("invalid_credentials")
    return local_account_of(found)


def refused(code: str) -> AuthRefused:
    return AuthRefused(SIGN_IN_REFUSED, "This e-mail and password are not enough to sign in.", code)
