"""Who proves by a password to be whom: for the sign-in of admins. No rights come of it, and no session stays."""

import logging
from collections.abc import Callable

import httpx
from supabase import AuthError
from supabase_auth import SyncGoTrueClient
from werkzeug.security import check_password_hash

from webhook_service.auth.answers import NoSuccess, asked, require_a_success
from webhook_service.auth.local import LocalAuthAdmin
from webhook_service.auth.local import account_of as local_account_of
from webhook_service.auth.stand_in_users import is_email
from webhook_service.auth.supabase import TIMEOUT, account_of
from webhook_service.errors import AuthRefused
from webhook_service.events import Account

log = logging.getLogger(__name__)

CheckPassword = Callable[[str, str], Account]
"""E-mail and password -> who that is. Raises AuthRefused: SIGN_IN_REFUSED where the two do not fit, or a password alone
is not enough, with Auth's `code` for the log; AuthUnavailable.
"""

SIGN_IN_REFUSED = "sign_in_refused"
NO_PASSWORD = "scrypt:32768:8:1$nobody$" + "0" * 128  # noqa: S105 (fits nothing)


def check_with_supabase(url: str, key: str, email: str, password: str, timeout: httpx.Timeout = TIMEOUT) -> Account:
    """Signs in to Supabase Auth, on a client that does nothing else and has no more rights, and out again."""
    if not password or not is_email(email):  # Auth would not look it up either
        raise refused("no_email_or_password")
    hooks = {"response": [require_a_success]}
    with httpx.Client(timeout=timeout, http2=False, follow_redirects=False, event_hooks=hooks) as http:
        visitor = SyncGoTrueClient(
            url=f"{url.rstrip('/')}/auth/v1",
            headers={"apikey": key},
            http_client=http,
            auto_refresh_token=False,
            persist_session=False,
        )
        try:
            answer = asked(lambda: visitor.sign_in_with_password({"email": email, "password": password}))
        except AuthRefused as error:
            if error.reason == "auth_key_refused" and error.code != "user_banned":
                raise  # our key, and not this user
            raise refused(error.code) from None
        if answer.user is None or answer.session is None:
            raise refused("no_session")
        sign_out(visitor, answer.session.access_token)
    if any(factor.status == "verified" for factor in answer.user.factors or ()):
        raise refused("second_factor_needed")  # the password is only half of what this user signs in with
    found = answer.user
    return asked(lambda: account_of(found))


def sign_out(visitor: SyncGoTrueClient, token: str) -> None:
    """Nobody has the token; so it is no more than untidy where this fails."""
    try:
        visitor.admin.sign_out(token, "local")
    except NoSuccess as answer:
        if answer.status != 204:  # which is a success without a body
            log.warning("a session in Auth was left open", extra={"reason": str(answer)})
    except AuthError as error:
        log.warning("a session in Auth was left open", extra={"reason": type(error).__name__})


def check_locally(admin: LocalAuthAdmin, email: str, password: str) -> Account:
    """By the stand-in's hash. It takes as long for nobody as for somebody."""
    found = None
    if is_email(email):
        with admin.opened() as auth:
            found = auth.users.with_email(email)
    fits = check_password_hash((found or {}).get("encrypted_password") or NO_PASSWORD, password)
    if found is None or not fits:
        raise refused("invalid_credentials")
    return local_account_of(found)


def refused(code: str) -> AuthRefused:
    return AuthRefused(SIGN_IN_REFUSED, "This e-mail and password are not enough to sign in.", code)
