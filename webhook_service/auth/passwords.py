"""Password checks for the sign-in of admins. A check grants no privileges and leaves no session in Auth."""

from dataclasses import dataclass, field
from typing import Protocol

from werkzeug.security import check_password_hash

from webhook_service.auth.local import LocalAuthAdmin, account_of
from webhook_service.auth.stand_in_users import is_email
from webhook_service.errors import AuthRefused
from webhook_service.events import Account

SIGN_IN_REFUSED = "sign_in_refused"
WRONG_CODE = "wrong_code"
UNKNOWN_FACTOR = "unknown_second_factor"
"""The code of a refusal for an account whose only second factors are not authenticator apps."""
NO_PASSWORD = "scrypt:32768:8:1$nobody$" + "0" * 128  # noqa: S105 (no password has this hash)


@dataclass(frozen=True, slots=True)
class CodeNeeded:
    """The password is right, and Auth needs a code of the account's second factor.

    `sealed` is the proof of the password, encrypted with `key`. Keep the two apart, because together they are a session
    in Auth.
    """

    account: Account
    sealed: str = field(repr=False)
    key: str = field(repr=False)


class Passwords(Protocol):
    """The check of an admin's password, and of a code of a second factor. Any thread may call it.

    Each method may raise AuthUnavailable. An AuthRefused has Auth's `code` for the log.
    """

    def check_password(self, email: str, password: str) -> Account | CodeNeeded:
        """Return the account of this e-mail and password.

        Raises AuthRefused with the reason SIGN_IN_REFUSED if the two do not match, or if they are not enough.
        """

    def check_code(self, sealed: str, key: str, code: str) -> Account:
        """Return the account of a CodeNeeded if a code of its second factor is right, and end the session in Auth.

        Raises AuthRefused with the reason WRONG_CODE if the code is wrong, and with SIGN_IN_REFUSED if no code can be
        right any more.
        """

    def abandon(self, sealed: str, key: str) -> None:
        """End the session in Auth of a CodeNeeded whose code is not checked any more. Errors are only logged."""


class LocalPasswords:
    """Checks passwords against the stand-in's hashes. The stand-in has no second factors. See Passwords."""

    def __init__(self, admin: LocalAuthAdmin) -> None:
        self._admin = admin

    def check_password(self, email: str, password: str) -> Account:
        """Check the password. The check of an unknown e-mail takes as long as the check of a known e-mail."""
        found = None
        if is_email(email):
            with self._admin.opened() as auth:
                found = auth.users.with_email(email)
        is_right = check_password_hash((found or {}).get("encrypted_password") or NO_PASSWORD, password)
        if found is None or not is_right:
            raise refused("invalid_credentials")
        return account_of(found)

    def check_code(self, sealed: str, key: str, code: str) -> Account:
        raise refused("no_second_factor")

    def abandon(self, sealed: str, key: str) -> None:
        """Do nothing, because no code is ever needed."""


def refused(code: str) -> AuthRefused:
    return AuthRefused(SIGN_IN_REFUSED, "This e-mail and password are not enough to sign in.", code)


def wrong_code(code: str) -> AuthRefused:
    return AuthRefused(WRONG_CODE, "The code of the second factor is wrong.", code)
