"""Sign-in and sessions of admins. A signed cookie names a session of the database, which is checked at every request.

An admin who was dismissed, banned or deleted, or has lost the role or changed the password, is signed out at the next
request. A copied cookie is invalid after the sign-out.
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from flask import (
    Blueprint,
    abort,
    current_app,
    flash,
    g,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask_wtf.csrf import CSRFProtect
from werkzeug.wrappers import Response

from webhook_service.addresses import normal_address
from webhook_service.auth.passwords import SIGN_IN_REFUSED
from webhook_service.errors import AuthRefused, AuthUnavailable
from webhook_service.events import Account, Json
from webhook_service.web import Wiring, attempts
from webhook_service.web.attempts import ATTEMPTS as ATTEMPTS
from webhook_service.web.pages import interrupted
from webhook_service.web.pages.visitor import safe_target

LONGEST_SESSION_SECONDS = 12 * 3600
"""A session ends after this time, even if it is in use."""
SIGN_IN_FAILED = "That is not right. Check what you typed."
AUTH_UNAVAILABLE = "Auth does not answer now, and only Auth knows your password. The admin key works."
KEY_HOLDER = "admin key"
LONGEST_NAME = 60

csrf = CSRFProtect()


@dataclass(frozen=True, slots=True)
class Admin:
    """The admin who requests a page. The audit records `name`."""

    name: str


class NotAdmin(Exception):
    """The visitor may not sign in. The reason is only logged."""


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("session", __name__, url_prefix="/admin")
    protect(views)

    @views.get("/login")
    def login() -> str:
        return sign_in_page(wiring)

    @views.post("/login")
    def sign_in() -> Response:
        email = normal_address(request.form.get("email", ""))
        if wait := attempts.seconds_to_wait(wiring, email):
            return not_signed_in(wiring, "too_many", f"Too many attempts. Try again in {minutes(wait)}.", 429, wait)
        try:
            if email:
                before = wiring.database.call("auth_sync_snapshot_v1")
                begin(wiring, *by_password(wiring, email), checked_after=before)
            else:
                begin(wiring, *by_key(wiring))
        except NotAdmin as error:
            return not_signed_in(wiring, str(error), SIGN_IN_FAILED, 401)
        except AuthUnavailable as error:
            return not_signed_in(wiring, error.reason, AUTH_UNAVAILABLE, 503, error.retry_after)
        return redirect(safe_target(request.form.get("next")), 303)

    @views.post("/logout")
    def sign_out() -> Response:
        end(wiring)
        session.clear()
        flash("You are signed out.")
        return redirect(url_for("session.login"), 303)

    return views


def protect(views: Blueprint) -> None:
    """Accept posts only from this service's pages (CSRF)."""

    @views.before_request
    def check() -> None:
        clear_invalid_session()
        csrf.protect()


def require_sign_in(views: Blueprint, wiring: Wiring) -> None:
    """Serve these views only to signed-in admins.

    Other visitors are redirected to the sign-in page, and to the requested page, or the page of the form, after they
    have signed in. A page's automatic refresh (header X-Refresh) gets a 401 instead.
    """

    @views.before_request
    def check() -> Response | None:
        clear_invalid_session()
        admin = signed_in(wiring)
        if admin is None:
            requested = interrupted.keep(csrf)
            if request.headers.get("X-Refresh"):
                abort(401)
            return redirect(url_for("session.login", next=requested), 303)
        g.admin = admin
        csrf.protect()
        return None


def clear_invalid_session() -> None:
    """Clear the cookie if its content is invalid. Another version of this service may have signed it."""
    token, messages = session.get("csrf_token", ""), session.get("_flashes", [])
    if not (
        isinstance(token, str)
        and token.isascii()
        and isinstance(messages, list)
        and all(isinstance(message, tuple | list) and len(message) == 2 for message in messages)
    ):
        session.clear()


def signed_in(wiring: Wiring) -> Admin | None:
    """Return the admin of the request's session, or None if it is not valid.

    Checks the session in the database. If the admin signed in with an account, checks the account in Auth too. Raises
    AuthUnavailable, Unavailable.
    """
    now = int(wiring.now().timestamp())
    shown = shown_session(wiring)
    if shown is None or now - shown["seen"] > wiring.settings.pages.idle_minutes * 60:
        return None
    stored = wiring.database.call("auth_sync_session_v1", p_session=shown["session"], p_seconds=LONGEST_SESSION_SECONDS)
    if stored is None:
        return None
    if (user := stored["auth_user_id"]) is not None and not is_admin(wiring, account_of(wiring, UUID(user))):
        return None
    if not request.headers.get("X-Refresh"):  # an automatic refresh does not keep an idle session alive
        session["admin"] = shown | {"seen": now}
    return Admin(stored["who"])


def shown_session(wiring: Wiring) -> dict[str, Json] | None:
    """Return the cookie's content, or None if it is invalid or older than the current admin key."""
    match session.get("admin"):
        case {"session": str(name), "seen": int(seen), "key": str(key)}:
            is_current = hmac.compare_digest(key.encode(errors="replace"), key_fingerprint(wiring).encode())
            try:
                return {"session": str(UUID(name)), "seen": seen, "key": key} if is_current else None
            except ValueError:
                return None
    return None


def account_of(wiring: Wiring, user: UUID) -> Account | None:
    return wiring.accounts.admin.get(user) if wiring.accounts is not None else None


def is_admin(wiring: Wiring, account: Account | None) -> bool:
    return (
        account is not None
        and account.role in wiring.settings.pages.roles
        and account.email_confirmed
        and account.deleted_at is None
        and (account.banned_until is None or account.banned_until <= wiring.now())
    )


def by_key(wiring: Wiring) -> tuple[str, UUID | None]:
    """Check the admin key. Return the name to record, and None as the auth user. Raises NotAdmin.

    The visitor chooses the name, which is not verified.
    """
    if not attempts.is_admin_key(wiring, request.form.get("key", "")):
        raise NotAdmin("wrong_key")
    printable = "".join(char if char.isprintable() else " " for char in request.form.get("name", ""))
    name = " ".join(printable.split())[:LONGEST_NAME]
    return (f"{KEY_HOLDER} ({name})" if name else KEY_HOLDER), None


def by_password(wiring: Wiring, email: str) -> tuple[str, UUID | None]:
    """Check the password with Auth. Return the e-mail and the auth user's id.

    If no role may sign in, Auth is not called. Raises NotAdmin, AuthUnavailable, AuthRefused.
    """
    if not wiring.settings.pages.roles or wiring.check_password is None:
        raise NotAdmin("no_passwords_here")
    try:
        account = wiring.check_password(email, request.form.get("password", ""))
    except AuthRefused as error:
        if error.reason != SIGN_IN_REFUSED:
            raise
        raise NotAdmin(error.code or error.reason) from None
    if not is_admin(wiring, account):
        raise NotAdmin("no_admin")
    return account.email or email, account.id


def begin(wiring: Wiring, admin: str, user: UUID | None, checked_after: str | None = None) -> None:
    """Begin a new session, and end the session that the cookie names. Raises NotAdmin.

    `checked_after` is the database's snapshot before Auth checked the password. If the password has changed since, the
    check may have accepted the former one, so there is no session.
    """
    begun = wiring.database.call(
        "auth_sync_sign_in_v1",
        p_who=admin,
        p_auth_user_id=None if user is None else str(user),
        p_checked_after=checked_after,
    )
    if begun is None:
        raise NotAdmin("dismissed_or_new_password")
    end(wiring)
    kept = session.get(interrupted.KEY)
    session.clear()
    interrupted.resume(kept)
    session["admin"] = {"session": str(begun), "seen": int(wiring.now().timestamp()), "key": key_fingerprint(wiring)}
    wiring.metrics.signed_in("succeeded")


def end(wiring: Wiring) -> None:
    if (shown := shown_session(wiring)) is not None:
        wiring.database.call("auth_sync_sign_out_v1", p_session=shown["session"])


def key_fingerprint(wiring: Wiring) -> str:
    """Return a fingerprint of the admin key. A new key has another fingerprint, which ends all sessions."""
    signing_key = current_app.secret_key or b""
    key = signing_key if isinstance(signing_key, bytes) else signing_key.encode()
    return hmac.new(key, wiring.settings.admin_api_key.encode(), sha256).hexdigest()[:16]


def not_signed_in(wiring: Wiring, reason: str, problem: str, status: int, wait: float | None = None) -> Response:
    """Return the sign-in page with the problem. Log the address and the reason, but no typed text."""
    attempts.note_refused(wiring, reason, status)
    response = make_response(sign_in_page(wiring, problem), status)
    if wait is not None:
        response.headers["Retry-After"] = f"{wait:.0f}"
    return response


def minutes(seconds: float) -> str:
    count = -(-int(seconds) // 60) or 1
    return f"{count} minute{'s' if count > 1 else ''}"


def sign_in_page(wiring: Wiring, problem: str | None = None) -> str:
    has_auth = bool(wiring.settings.pages.roles) and wiring.check_password is not None
    return render_template("login.html", problem=problem, has_auth=has_auth, next=request.values.get("next", ""))
