"""A sign-in that waits for the code of a second factor.

The access token of the check of the password is in the database, encrypted. The key is only in the visitor's cookie. So
neither a copy of the database nor a copy of the cookie is a session in Auth, and only this visitor can send the code.
"""

from dataclasses import dataclass, field
from uuid import UUID

from flask import session

from webhook_service.addresses import normal_address
from webhook_service.auth.passwords import SIGN_IN_REFUSED, CodeNeeded, Passwords
from webhook_service.errors import AuthRefused
from webhook_service.web import Wiring
from webhook_service.web.pages import interrupted
from webhook_service.web.pages.session import NotAdmin, roles_of

SECONDS = 300
"""The time in which the code must be entered."""
KEPT_SECONDS = 3600
"""The time after which a sign-in without a code is deleted. Access tokens are valid for an hour by default."""
ENDED = "session_not_found"
"""Auth's code if the session of the check has ended, as after a right code."""
COOKIE = interrupted.WAITING
"""The key of the cookie: {"id": of the sign-in, "key": of the encrypted access token}."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in whose password is right. `email` is normal."""

    id: str
    email: str
    user: UUID
    sealed: str = field(repr=False)
    key: str = field(repr=False)


def begin(wiring: Wiring, found: CodeNeeded, email: str, checked_after: str) -> None:
    """Remember the sign-in. See `sign_in.by_password` for `checked_after`. Raises NotAdmin."""
    abandon(wiring)
    pending = wiring.database.call(
        "auth_sync_wait_for_code_v1",
        p_who=email,
        p_auth_user_id=str(found.account.id),
        p_checked_after=checked_after,
        p_sealed=found.sealed,
        p_keep_seconds=KEPT_SECONDS,
    )
    if pending is None:
        end_in_auth(wiring.passwords, found.sealed, found.key)
        raise NotAdmin("dismissed")
    session[COOKIE] = {"id": str(pending), "key": found.key}


def pending(wiring: Wiring) -> Pending | None:
    """Return the visitor's sign-in that waits for a code, or None if there is none or it has expired."""
    if (shown := in_cookie()) is None:
        return None
    id, key = shown
    found = wiring.database.call("auth_sync_pending_sign_in_v1", p_id=id, p_seconds=SECONDS)
    if found is None:
        return None
    return Pending(id, normal_address(found["who"]), UUID(found["auth_user_id"]), found["sealed"], key)


def finish(wiring: Wiring, waiting: Pending, code: str) -> str:
    """Check the code, and return the new session of the database.

    Raises NotAdmin if the sign-in is over, AuthRefused with the reason WRONG_CODE, and AuthUnavailable.
    """
    if wiring.passwords is None:
        raise NotAdmin("no_passwords_here")
    try:
        account = wiring.passwords.check_code(waiting.sealed, waiting.key, code)
    except AuthRefused as error:
        if error.reason != SIGN_IN_REFUSED:
            raise
        if error.code == ENDED:
            session.pop(COOKIE)  # another request with a right code, such as a double click, may be about to succeed
        else:
            abandon(wiring)
        raise NotAdmin(error.code or error.reason) from None
    is_admin = account.id == waiting.user and roles_of(wiring, account)
    begun = (
        wiring.database.call("auth_sync_sign_in_with_code_v1", p_id=waiting.id, p_seconds=SECONDS) if is_admin else None
    )
    if begun is None:
        abandon(wiring)
        raise NotAdmin("dismissed_or_new_password" if is_admin else "no_admin")
    return str(begun)


def abandon(wiring: Wiring) -> None:
    """End the visitor's sign-in that waits for a code, and its session in Auth."""
    shown = in_cookie()
    session.pop(COOKIE, None)
    if shown is not None:
        id, key = shown
        sealed = wiring.database.call("auth_sync_drop_sign_in_v1", p_id=id)
        if sealed is not None:
            end_in_auth(wiring.passwords, sealed, key)


def end_in_auth(passwords: Passwords | None, sealed: str, key: str) -> None:
    """End the session in Auth. During an outage of Auth it stays open, but its access token is deleted here."""
    if passwords is not None:
        passwords.abandon(sealed, key)


def in_cookie() -> tuple[str, str] | None:
    """Return the id and the key of the cookie, or None if it has none or its content is invalid."""
    match session.get(COOKIE):
        case {"id": str(id), "key": str(key)} if key.isascii():
            try:
                return str(UUID(id)), key
            except ValueError:
                return None
    return None
