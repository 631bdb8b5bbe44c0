"""Who is signed in: a signed cookie names a session of the database, which every request asks for anew.

Whoever was dismissed, banned, deleted or has lost the role is out at the next request, and a cookie that was copied is
worth nothing after the sign-out.
"""

import hmac
import logging
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

from webhook_service.auth.passwords import SIGN_IN_REFUSED
from webhook_service.errors import AuthRefused, AuthUnavailable
from webhook_service.events import Account, Json
from webhook_service.web import Wiring
from webhook_service.web.pages.visitor import address, safe_target

log = logging.getLogger(__name__)

ATTEMPTS, PER_SECONDS = 10, 600
"""For each address, and for each account: so many attempts to sign in at once, and as many again in this time."""
LONGEST_SESSION_SECONDS = 12 * 3600
"""Seconds, however busy it is."""
SIGN_IN_FAILED = "That is not right. Check what you typed."
AUTH_UNAVAILABLE = "Auth does not answer now, and only Auth knows your password. The admin key works."
KEY_HOLDER = "admin key"
LONGEST_NAME = 60

csrf = CSRFProtect()


@dataclass(frozen=True, slots=True)
class Admin:
    """Who asks for a page. `name` is what is recorded of what they do."""

    name: str


class NotAdmin(Exception):
    """Nobody who may sign in. The reason is for the log only."""


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("session", __name__, url_prefix="/admin")
    protect(views)

    @views.get("/login")
    def login() -> str:
        return sign_in_page(wiring)

    @views.post("/login")
    def sign_in() -> Response:
        email = request.form.get("email", "").strip().lower()
        if wait := seconds_to_wait(wiring, email):
            return not_signed_in(wiring, "too_many", f"Too many attempts. Try again in {minutes(wait)}.", 429, wait)
        try:
            begin(wiring, *(by_password(wiring, email) if email else by_key(wiring)))
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
    """Nothing is posted here but from a page of ours."""

    @views.before_request
    def check() -> None:
        clear_invalid_session()
        csrf.protect()


def require_sign_in(views: Blueprint, wiring: Wiring) -> None:
    """All of it is for who is signed in; others sign in first, and come back to what they asked for."""

    @views.before_request
    def check() -> Response | None:
        clear_invalid_session()
        admin = signed_in(wiring)
        if admin is None:
            session.clear()
            if request.headers.get("X-Refresh"):
                abort(401)
            wanted = request.full_path.rstrip("?") if request.method == "GET" else None
            return redirect(url_for("session.login", next=wanted), 303)
        g.admin = admin
        csrf.protect()
        return None


def clear_invalid_session() -> None:
    """A cookie is signed by us, but maybe by another version of us."""
    token, messages = session.get("csrf_token", ""), session.get("_flashes", [])
    if not (
        isinstance(token, str)
        and token.isascii()
        and isinstance(messages, list)
        and all(isinstance(message, tuple | list) and len(message) == 2 for message in messages)
    ):
        session.clear()


def signed_in(wiring: Wiring) -> Admin | None:
    """Asked of the database, and of Auth where the sign-in was by Auth. Raises AuthUnavailable, Unavailable."""
    now = int(wiring.now().timestamp())
    shown = shown_session(wiring)
    if shown is None or now - shown["seen"] > wiring.settings.pages.idle_minutes * 60:
        return None
    holds = wiring.database.call("auth_sync_session_v1", p_session=shown["session"], p_seconds=LONGEST_SESSION_SECONDS)
    if holds is None:
        return None
    if (user := holds["auth_user_id"]) is not None and not is_admin(wiring, account_of(wiring, UUID(user))):
        return None
    if not request.headers.get("X-Refresh"):  # a page that refreshes itself is no sign of life
        session["admin"] = shown | {"seen": now}
    return Admin(holds["who"])


def shown_session(wiring: Wiring) -> dict[str, Json] | None:
    """What the cookie says, unless that is odd, or from before a change of the admin key."""
    match session.get("admin"):
        case {"session": str(name), "seen": int(seen), "key": str(key)}:
            is_ours = hmac.compare_digest(key.encode(errors="replace"), key_fingerprint(wiring).encode())
            try:
                return {"session": str(UUID(name)), "seen": seen, "key": key} if is_ours else None
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
    """Raises NotAdmin. The name that is given is recorded, and proves nothing."""
    shown = request.form.get("key", "").encode(errors="replace")
    if not hmac.compare_digest(shown, wiring.settings.admin_api_key.encode()):
        raise NotAdmin("wrong_key")
    printable = "".join(char if char.isprintable() else " " for char in request.form.get("name", ""))
    name = " ".join(printable.split())[:LONGEST_NAME]
    return (f"{KEY_HOLDER} ({name})" if name else KEY_HOLDER), None


def by_password(wiring: Wiring, email: str) -> tuple[str, UUID | None]:
    """Nobody's password is asked of Auth where no role may sign in. Raises NotAdmin, AuthUnavailable, AuthRefused."""
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


def begin(wiring: Wiring, who: str, user: UUID | None) -> None:
    """A new session, under nobody else's cookie. Raises NotAdmin."""
    begun = wiring.database.call("auth_sync_sign_in_v1", p_who=who, p_auth_user_id=str(user) if user else None)
    if begun is None:
        raise NotAdmin("dismissed")
    end(wiring)  # of who was signed in here
    session.clear()
    session["admin"] = {"session": str(begun), "seen": int(wiring.now().timestamp()), "key": key_fingerprint(wiring)}
    wiring.metrics.signed_in("succeeded")


def end(wiring: Wiring) -> None:
    if (shown := shown_session(wiring)) is not None:
        wiring.database.call("auth_sync_sign_out_v1", p_session=shown["session"])


def key_fingerprint(wiring: Wiring) -> str:
    """Changes with the admin key, and so ends all sessions when that is replaced."""
    signing_key = current_app.secret_key or b""
    key = signing_key if isinstance(signing_key, bytes) else signing_key.encode()
    return hmac.new(key, wiring.settings.admin_api_key.encode(), sha256).hexdigest()[:16]


def seconds_to_wait(wiring: Wiring, email: str) -> float:
    """Seconds; counted for the address, and for the account wherever it is tried from. There is no such limit on the
    admin key: it is too long to be guessed, and nobody shall be able to lock it.
    """
    keys = [f"from:{address()}"]
    if email:
        keys.append(f"to:{sha256(email.encode(errors='replace')).hexdigest()[:32]}")
    wait: float = wiring.database.call(
        "auth_sync_attempt_sign_in_v1", p_keys=keys, p_attempts=ATTEMPTS, p_seconds=PER_SECONDS
    )
    return wait


def not_signed_in(wiring: Wiring, reason: str, problem: str, status: int, wait: float | None = None) -> Response:
    """The page again. The log says from where and why, but neither who nor what was typed."""
    log.warning("sign-in refused", extra={"address": request.remote_addr, "reason": reason})
    wiring.metrics.signed_in("refused" if status == 401 else "throttled" if status == 429 else "failed")
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
