"""Sessions of admins. A signed cookie names a session of the database, which is checked at every request.

An admin who was dismissed, banned or deleted, or has lost the role or changed the password, is signed out at the next
request. A copied cookie is invalid after the sign-out.
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
    g,
    redirect,
    request,
    session,
    url_for,
)
from flask_wtf.csrf import CSRFProtect
from werkzeug.wrappers import Response

from webhook_service.events import Account, Json
from webhook_service.ledger import audit
from webhook_service.settings import Role
from webhook_service.web import Wiring
from webhook_service.web.pages import interrupted, roles

log = logging.getLogger(__name__)

LONGEST_SESSION_SECONDS = 12 * 3600
"""A session ends after this time, even if it is in use."""
KEY_HOLDERS = frozenset({Role.ADMIN})
"""The roles of an admin who signed in with the admin key."""
REFUSED_ACT = "act without the role for it"
LONGEST_TARGET = 200

csrf = CSRFProtect()


@dataclass(frozen=True, slots=True)
class Admin:
    """The admin who requests a page. The audit records `name`. There is at least one role."""

    name: str
    roles: frozenset[Role]


class NotAdmin(Exception):
    """The visitor may not sign in. The reason is only logged."""


def protect(views: Blueprint) -> None:
    """Accept posts only from this service's pages (CSRF)."""

    @views.before_request
    def check() -> None:
        clear_invalid_session()
        csrf.protect()


def require_sign_in(views: Blueprint, wiring: Wiring) -> None:
    """Serve these views only to signed-in admins whose roles allow the request.

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
        require_permission(wiring, admin)
        return None


def require_permission(wiring: Wiring, admin: Admin) -> None:
    """Raise NotAllowed if the admin's roles do not allow the request. The audit records a refused form."""
    needed = roles.needed_for(request.endpoint)
    if needed in roles.permissions_of(admin.roles):
        return
    error = roles.refusal(admin.roles, needed)
    log.warning("not allowed", extra={"endpoint": request.endpoint, "method": request.method})
    if request.method == "POST":
        with audit.attempt(wiring.database, admin.name, REFUSED_ACT, target_of_request(), endpoint=request.endpoint):
            raise error
    raise error


def target_of_request() -> str | None:
    """Return the audit's target for the object in the path, such as `employee:7`."""
    values = request.view_args or {}
    for name, kind in (("employee_id", "employee"), ("event_id", "event"), ("id", "replay")):
        if name in values and not (kind == "replay" and request.blueprint != "replays"):
            return f"{kind}:{values[name]}".replace("\0", "")[:LONGEST_TARGET]
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
    if stored is None or not (found := current_roles(wiring, stored)):
        return None
    if not request.headers.get("X-Refresh"):  # an automatic refresh does not keep an idle session alive
        session["admin"] = shown | {"seen": now}
    return Admin(stored["who"], found)


def current_roles(wiring: Wiring, stored: Json) -> frozenset[Role]:
    """Return the roles that a session of the database has now. Without a role, the session is not valid."""
    if (user := stored["auth_user_id"]) is None:
        return KEY_HOLDERS if wiring.settings.pages.key_sign_in else frozenset()
    if wiring.settings.pages.require_second_factor and not stored["second_factor"]:
        return frozenset()
    return roles_of(wiring, wiring.accounts.admin.get(UUID(user)) if wiring.accounts is not None else None)


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


def roles_of(wiring: Wiring, account: Account | None) -> frozenset[Role]:
    """Return the roles of an account that may sign in, or none."""
    may_sign_in = (
        account is not None
        and account.email_confirmed
        and account.deleted_at is None
        and (account.banned_until is None or account.banned_until <= wiring.now())
    )
    return wiring.settings.pages.roles_of(account.roles) if account is not None and may_sign_in else frozenset()


def begin(wiring: Wiring, begun: str) -> None:
    """Put a new session of the database into the cookie, and end the session that the cookie names."""
    end(wiring)
    kept = session.get(interrupted.KEY)
    session.clear()
    interrupted.resume(kept)
    session["admin"] = {"session": begun, "seen": int(wiring.now().timestamp()), "key": key_fingerprint(wiring)}
    wiring.metrics.signed_in("succeeded")


def end(wiring: Wiring) -> None:
    if (shown := shown_session(wiring)) is not None:
        wiring.database.call("auth_sync_sign_out_v1", p_session=shown["session"])


def key_fingerprint(wiring: Wiring) -> str:
    """Return a fingerprint of the admin key. A new key has another fingerprint, which ends all sessions."""
    signing_key = current_app.secret_key or b""
    key = signing_key if isinstance(signing_key, bytes) else signing_key.encode()
    return hmac.new(key, wiring.settings.admin_api_key.encode(), sha256).hexdigest()[:16]
