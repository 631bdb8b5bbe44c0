"""The sign-in of admins: with the admin key, or with a password of Auth and perhaps a code of a second factor."""

from uuid import UUID

from flask import Blueprint, flash, make_response, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from webhook_service.addresses import normal_address
from webhook_service.auth.passwords import SIGN_IN_REFUSED, UNKNOWN_FACTOR, WRONG_CODE, CodeNeeded
from webhook_service.errors import AuthRefused, AuthUnavailable
from webhook_service.web import Wiring, attempts
from webhook_service.web.pages import second_factor
from webhook_service.web.pages.session import NotAdmin, begin, end, protect, roles_of
from webhook_service.web.pages.visitor import safe_target
from webhook_service.wording.counts import counted

WRONG_KEY = "Wrong key."
WRONG_PASSWORD = "Wrong e-mail or password."  # noqa: S105
CODE_IS_WRONG = "Wrong code. Enter the code that the app shows now."
NO_SECOND_FACTOR = (
    "Your account has no second factor, which is required here. Set up an authenticator app for your account first."
)
OTHER_SECOND_FACTOR = "The second factor of your account is not an authenticator app. No other one works here."
NO_KEY_SIGN_IN = "The admin key does not sign in here. Sign in with your account."
OVER = "The sign-in has ended, or took longer than five minutes. Sign in again."
AUTH_UNAVAILABLE = "Supabase Auth does not answer now, so accounts cannot sign in. Try again in a minute."
KEY_WORKS = "Supabase Auth does not answer now, so accounts cannot sign in. The admin key works."
TOO_MANY_ONE = "Too many attempts. Try again in {count} minute."
TOO_MANY = "Too many attempts. Try again in {count} minutes."
KEY_HOLDER = "admin key"
LONGEST_NAME = 60
NO_FACTOR = "no_second_factor"
KEY_IS_OFF = "key_sign_in_off"
PROBLEMS = {NO_FACTOR: NO_SECOND_FACTOR, UNKNOWN_FACTOR: OTHER_SECOND_FACTOR, KEY_IS_OFF: NO_KEY_SIGN_IN}
"""The problems that the page explains. For all others, it does not say why a sign-in failed."""


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
            return refused(wiring, "too_many", sign_in_page(wiring, too_many(wait)), 429, wait)
        try:
            if not email:
                by_key(wiring)
            elif by_password(wiring, email):
                return redirect(url_for("session.code", next=request.form.get("next") or None), 303)
        except NotAdmin as error:
            problem = PROBLEMS.get(str(error), WRONG_PASSWORD if email else WRONG_KEY)
            return refused(wiring, str(error), sign_in_page(wiring, problem), 401)
        except AuthUnavailable as error:
            return refused(wiring, error.reason, sign_in_page(wiring, outage(wiring)), 503, error.retry_after)
        return redirect(safe_target(request.form.get("next")), 303)

    @views.get("/login/code")
    def code() -> str | Response:
        if second_factor.in_cookie() is None:
            return redirect(url_for("session.login"), 303)
        return code_page()

    @views.post("/login/code")
    def check_code() -> Response:
        waiting = second_factor.pending(wiring)
        if waiting is None:
            second_factor.abandon(wiring)
            return refused(wiring, "no_pending_sign_in", sign_in_page(wiring, OVER), 401)
        if wait := attempts.seconds_to_wait(wiring, waiting.email):
            return refused(wiring, "too_many", code_page(too_many(wait)), 429, wait)
        try:
            begun = second_factor.finish(wiring, waiting, request.form.get("code", ""))
        except NotAdmin as error:
            return refused(wiring, str(error), sign_in_page(wiring, OVER), 401)
        except AuthUnavailable as error:
            return refused(wiring, error.reason, code_page(AUTH_UNAVAILABLE), 503, error.retry_after)
        except AuthRefused as error:
            if error.reason != WRONG_CODE:
                raise
            return refused(wiring, error.reason, code_page(CODE_IS_WRONG), 401)
        begin(wiring, begun)
        return redirect(safe_target(request.form.get("next")), 303)

    @views.post("/logout")
    def sign_out() -> Response:
        end(wiring)
        session.clear()
        flash("You are signed out.")
        return redirect(url_for("session.login"), 303)

    return views


def by_key(wiring: Wiring) -> None:
    """Check the admin key, and begin a session. Raises NotAdmin.

    The visitor chooses the name, which is not verified.
    """
    if not wiring.settings.pages.key_sign_in:
        raise NotAdmin(KEY_IS_OFF)
    if not attempts.is_admin_key(wiring, request.form.get("key", "")):
        raise NotAdmin("wrong_key")
    printable = "".join(char if char.isprintable() else " " for char in request.form.get("name", ""))
    name = " ".join(printable.split())[:LONGEST_NAME]
    begin_session(wiring, f"{KEY_HOLDER} ({name})" if name else KEY_HOLDER, None, None)


def by_password(wiring: Wiring, email: str) -> bool:
    """Check the password with Auth, and begin a session. Return whether a code is needed first.

    If no role may sign in, Auth is not called. Raises NotAdmin, AuthUnavailable, AuthRefused.
    """
    if not wiring.settings.pages.roles or wiring.passwords is None:
        raise NotAdmin("no_passwords_here")
    before = wiring.database.call("auth_sync_snapshot_v1")
    try:
        found = wiring.passwords.check_password(email, request.form.get("password", ""))
    except AuthRefused as error:
        if error.reason != SIGN_IN_REFUSED:
            raise
        raise NotAdmin(error.code or error.reason) from None
    account = found.account if isinstance(found, CodeNeeded) else found
    is_admin = bool(roles_of(wiring, account))
    if isinstance(found, CodeNeeded):
        if is_admin:
            second_factor.begin(wiring, found, account.email or email, before)
            return True
        second_factor.end_in_auth(wiring.passwords, found.sealed, found.key)
    if not is_admin:
        raise NotAdmin("no_admin")
    if wiring.settings.pages.require_second_factor:
        raise NotAdmin(NO_FACTOR)
    begin_session(wiring, account.email or email, account.id, before)
    return False


def begin_session(wiring: Wiring, admin: str, user: UUID | None, checked_after: str | None) -> None:
    """Begin a new session. Raises NotAdmin.

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
    second_factor.abandon(wiring)
    begin(wiring, str(begun))


def refused(wiring: Wiring, reason: str, page: str, status: int, wait: float | None = None) -> Response:
    """Return the page of a refused sign-in. Log the address and the reason, but no typed text."""
    attempts.note_refused(wiring, reason, status)
    response = make_response(page, status)
    if wait is not None:
        response.headers["Retry-After"] = f"{wait:.0f}"
    return response


def too_many(seconds: float) -> str:
    count = -(-int(seconds) // 60) or 1
    return counted(count, TOO_MANY_ONE, TOO_MANY)


def outage(wiring: Wiring) -> str:
    return KEY_WORKS if wiring.settings.pages.key_sign_in else AUTH_UNAVAILABLE


def sign_in_page(wiring: Wiring, problem: str | None = None) -> str:
    pages = wiring.settings.pages
    shown = {"has_auth": bool(pages.roles) and wiring.passwords is not None, "has_key": pages.key_sign_in}
    return render_template("login.html", problem=problem, next=request.values.get("next", ""), **shown)


def code_page(problem: str | None = None) -> str:
    return render_template("login_code.html", problem=problem, next=request.values.get("next", ""))
