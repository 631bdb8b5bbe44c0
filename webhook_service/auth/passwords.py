"""Password checks for the sign-in of admins. A check grants no privileges and leaves no session in Auth."""

from collections.abc import Callable

from werkzeug.security import check_password_hash

from webhook_service.auth.local import LocalAuthAdmin, account_of
from webhook_service.auth.stand_in_users import is_email
from webhook_service.errors import AuthRefused
from webhook_service.events import Account

CheckPassword = Callable[[str, str], Account]
"""A function that takes an e-mail and a password, and returns their account.

It raises AuthRefused with the reason SIGN_IN_REFUSED if the two do not match, or if a password alone is not enough. The
error has Auth's `code` for the log. It raises AuthUnavailable.
"""

SIGN_IN_REFUSED = "sign_in_refused"
NO_PASSWORD = "scrypt:32768:8:1$nobody$" + "0" * 128  # noqa: S105 (no password has this hash)


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
    return account_of(found)


def refused(code: str) -> AuthRefused:
    return AuthRefused(SIGN_IN_REFUSED, "This e-mail and password are not enough to sign in.", code)
