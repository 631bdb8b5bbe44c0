"""Who is signed in: a signed cookie names a session of the database, which every request asks for anew.

Whoever was dismissed, banned, deleted or has lost the role is out at the next request, and a cookie that was copied is
worth nothing after the sign-out.
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit
from uuid import UUID

from flask import Blueprint, abort, current_app, flash, g, redirect, render_template, request, session, url_for
from flask_wtf.csrf import CSRFProtect
from werkzeug.wrappers import Response

from webhook_service.events import Account, Json
from webhook_service.web import Wiring

ATTEMPTS, PER_SECONDS = 10, 600
"""For each address, and for each account: so many attempts to sign in at once, and as many again in this time."""
LONGEST_SESSION = 12 * 3600
"""Seconds, however busy it is."""
WRONG = "That is not right. Check what you typed."
KEY_HOLDER = "admin key"

csrf = CSRFProtect()


@dataclass(frozen=True, slots=True)
class Admin:
    """Who asks for a page. `name` is what is recorded of what they do."""

    name: str


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("session", __name__, url_prefix="/admin")
    protect(views)

    @views.get("/login")
    def login() -> str:
        return sign_in_page(wiring)

    @views.post("/login")
    def sign_in() -> tuple[str, int] | Response:
        email = request.form.get("email", "").strip().lower()
        if wait := has_to_wait(wiring, email):
            return sign_in_page(wiring, f"Too many attempts. Try again in {minutes(wait)}."), 429
        who = by_password(wiring, email) if email else by_key(wiring)
        if who is None:
            return sign_in_page(wiring, WRONG), 401
        begin(wiring, *who)
        return redirect(where_to_go(request.form.get("next")), 303)

    @views.post("/logout")
    def sign_out() -> Response:
        if (shown := session.get("admin")) is not None:
            wiring.database.call("auth_sync_sign_out_v1", p_session=shown["session"])
        session.clear()
        flash("You are signed out.")
        return redirect(url_for("session.login"), 303)

    return views


def protect(views: Blueprint) -> None:
    """Nothing is posted here but from a page of ours."""

    @views.before_request
    def check() -> None:
        csrf.protect()


def require_sign_in(views: Blueprint, wiring: Wiring) -> None:
    """All of it is for who is signed in; others sign in first, and come back."""

    @views.before_request
    def check() -> Response | None:
        admin = signed_in(wiring)
        if admin is None:
            session.clear()
            if request.headers.get("X-Refresh"):
                abort(401)
            return redirect(url_for("session.login", next=request.full_path.rstrip("?")))
        g.admin = admin
        csrf.protect()
        return None


def signed_in(wiring: Wiring) -> Admin | None:
    """Asked of the database, and of Auth where the sign-in was by Auth. Raises AuthUnavailable, Unavailable."""
    shown: Json = session.get("admin")
    now = int(wiring.now().timestamp())
    if shown is None or now - shown["seen"] > wiring.settings.pages.idle_minutes * 60:
        return None
    if not hmac.compare_digest(shown["key"], key_print(wiring)):
        return None
    if not wiring.database.call("auth_sync_session_holds_v1", p_session=shown["session"], p_seconds=LONGEST_SESSION):
        return None
    if shown["user"] is not None and not is_admin(wiring, account_of(wiring, UUID(shown["user"]))):
        return None
    if not request.headers.get("X-Refresh"):  # a page that refreshes itself is no sign of life
        session["admin"] = shown | {"seen": now}
    return Admin(shown["who"])


def account_of(wiring: Wiring, user: UUID) -> Account | None:
    return wiring.accounts.admin.get(user) if wiring.accounts is not None else None


def is_admin(wiring: Wiring, account: Account | None) -> bool:
    return (
        account is not None
        and account.role in wiring.settings.pages.roles
        and account.deleted_at is None
        and (account.banned_until is None or account.banned_until <= wiring.now())
    )


def by_key(wiring: Wiring) -> tuple[str, UUID | None] | None:
    shown = request.form.get("key", "").encode()
    if not hmac.compare_digest(shown, wiring.settings.admin_api_key.encode()):
        return None
    name = " ".join(request.form.get("name", "").split())[:60]
    return (f"{KEY_HOLDER} ({name})" if name else KEY_HOLDER), None


def by_password(wiring: Wiring, email: str) -> tuple[str, UUID | None] | None:
    """Nobody's password is asked of Auth where no role may sign in."""
    if not wiring.settings.pages.roles or wiring.check_password is None:
        return None
    account = wiring.check_password(email, request.form.get("password", ""))
    return (account.email or email, account.id) if account is not None and is_admin(wiring, account) else None


def begin(wiring: Wiring, who: str, user: UUID | None) -> None:
    """A new session, under nobody else's cookie."""
    begun = wiring.database.call("auth_sync_sign_in_v1", p_who=who, p_auth_user_id=str(user) if user else None)
    session.clear()
    session["admin"] = {
        "session": begun,
        "who": who,
        "user": str(user) if user else None,
        "seen": int(wiring.now().timestamp()),
        "key": key_print(wiring),
    }


def key_print(wiring: Wiring) -> str:
    """Changes with the admin key, and so ends all sessions when that is replaced."""
    signing_key = current_app.secret_key or b""
    key = signing_key if isinstance(signing_key, bytes) else signing_key.encode()
    return hmac.new(key, wiring.settings.admin_api_key.encode(), sha256).hexdigest()[:16]


def has_to_wait(wiring: Wiring, email: str) -> float:
    """Seconds; counted for the address, and for the account wherever it is tried from."""
    account = sha256(email.encode()).hexdigest()[:32] if email else "key"
    keys = [f"from:{request.remote_addr}", f"to:{account}"] if email else [f"from:{request.remote_addr}"]
    wait: float = wiring.database.call(
        "auth_sync_attempt_sign_in_v1", p_keys=keys, p_attempts=ATTEMPTS, p_seconds=PER_SECONDS
    )
    return wait


def minutes(seconds: float) -> str:
    count = max(1, round(seconds / 60))
    return f"{count} minute{'s' if count > 1 else ''}"


def sign_in_page(wiring: Wiring, problem: str | None = None) -> str:
    has_auth = bool(wiring.settings.pages.roles) and wiring.check_password is not None
    return render_template("login.html", problem=problem, has_auth=has_auth, next=request.values.get("next", ""))


def where_to_go(wanted: str | None) -> str:
    """A page of ours, never another site's."""
    parts = urlsplit(wanted or "")
    is_ours = not parts.scheme and not parts.netloc and parts.path.startswith("/admin/") and "\\" not in (wanted or "")
    return wanted if wanted and is_ours else url_for("overview.page")
