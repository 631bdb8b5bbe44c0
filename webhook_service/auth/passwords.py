"""Who proves by a password to be whom: for the sign-in of admins. No rights come of it, and no session stays."""

import logging
from collections.abc import Callable
from contextlib import suppress

import httpx
from supabase import AuthError
from supabase_auth import SyncGoTrueClient
from werkzeug.security import check_password_hash

from webhook_service.auth.answers import NoSuccess, asked, require_a_success
from webhook_service.auth.local import LocalAuthAdmin
from webhook_service.auth.local import account_of as local_account_of
from webhook_service.auth.supabase import TIMEOUT, account_of
from webhook_service.errors import AuthRefused
from webhook_service.events import Account

log = logging.getLogger(__name__)

CheckPassword = Callable[[str, str], Account | None]
"""E-mail and password -> who that is; None where the two do not fit, or a password alone is not enough. Raises
AuthUnavailable.
"""

NO_PASSWORD = "scrypt:32768:8:1$nobody$" + "0" * 128  # noqa: S105 (fits nothing)


def check_with_supabase(
    url: str, key: str, email: str, password: str, timeout: httpx.Timeout = TIMEOUT
) -> Account | None:
    """Signs in to Supabase Auth, on a client that does nothing else and has no more rights, and out again."""
    hooks = {"response": [require_a_success]}
    with httpx.Client(timeout=TIMEOUT, http2=False, follow_redirects=False, event_hooks=hooks) as http:
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
            log.info("sign-in refused", extra={"reason": error.code or error.reason})
            return None
        if answer.user is None or answer.session is None:
            return None
        with suppress(NoSuccess, AuthError):  # this succeeds without a body
            visitor.admin.sign_out(answer.session.access_token, "local")
    if any(factor.status == "verified" for factor in answer.user.factors or ()):
        return None  # the password is only half of what this user signs in with
    return account_of(answer.user)


def check_locally(admin: LocalAuthAdmin, email: str, password: str) -> Account | None:
    """By the stand-in's hash. It takes as long for nobody as for somebody."""
    with admin.opened() as auth:
        found = auth.users.with_email(email)
    fits = check_password_hash((found or {}).get("encrypted_password") or NO_PASSWORD, password)
    account = local_account_of(found) if found is not None and fits else None
    if account is None or not account.email_confirmed or account.banned_until is not None:
        return None
    return account
