"""Registers the pages for admins. Only signed-in admins see them. The server renders them completely.

The pages do not load content from other sites.
"""

from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import version

from flask import Blueprint, Flask, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response

from webhook_service.errors import ServiceError
from webhook_service.web import Wiring, long_requests
from webhook_service.web.errors import answer_to, log_service_error, log_unexpected_error, status_of
from webhook_service.web.pages import (
    assets,
    audit,
    chosen_events,
    chosen_people,
    comparison,
    credentials,
    directories,
    edit,
    employee_import,
    events,
    exports,
    held,
    inbox,
    new_employee,
    overview,
    people,
    replays,
    roles,
    session,
    setup,
    sign_in,
    subscribers,
    suggestions,
)
from webhook_service.web.pages.listing import event_filter_in_words, people_filter_in_words, this_page, without
from webhook_service.wording import audit as audit_words
from webhook_service.wording import chosen, comparisons, counts, employees, health, lists, outcomes
from webhook_service.wording import held as held_words
from webhook_service.wording import replays as replay_words

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

WORDING = {
    "audit": audit_words,
    "chosen": chosen,
    "comparisons": comparisons,
    "counts": counts,
    "employees": employees,
    "health": health,
    "held": held_words,
    "lists": lists,
    "outcomes": outcomes,
    "replays": replay_words,
}
"""The words that several templates use, by subject."""

UNEXPECTED = "An unexpected error occurred. Try again. If it happens again, the log of the service has the details."

PROBLEM = "application/problem+json"
FOR_PROGRAMS = ("/admin/api/", "/webhook/", "/metrics", "/healthz", "/readyz", "/scim/")
"""The beginnings of paths that only programs request."""

LONG = ("comparison", "employee_import", "chosen_people", "chosen_events")
"""The blueprints whose forms may take long."""

FORM_BYTES, FORM_FIELDS = 64 * 1024, 100
"""The maximum size and number of fields of a form."""


def register(app: Flask, wiring: Wiring) -> None:
    """Register the pages, the sign-in, the static files and the template helpers."""
    settings = wiring.settings
    app.secret_key = settings.pages.signing_key(settings.admin_api_key)
    app.config |= {
        "SESSION_COOKIE_NAME": "webhook_service",
        "SESSION_COOKIE_PATH": "/admin",
        "SESSION_COOKIE_SAMESITE": "Lax",  # notices link to these pages
        "SESSION_COOKIE_SECURE": (settings.pages.public_url or "").startswith("https:"),
        "WTF_CSRF_CHECK_DEFAULT": False,  # only the pages use the cookie, and `session.protect` checks them
        "WTF_CSRF_TIME_LIMIT": None,  # a token is valid until its session ends
    }
    session.csrf.init_app(app)

    app.register_blueprint(assets.blueprint())
    sign_in_views = sign_in.blueprint(wiring)
    parts = (
        *(overview, inbox, events, replays, people, new_employee, edit, credentials),
        *(held, audit, comparison, exports, employee_import, setup, directories, subscribers, suggestions),
        *(chosen_people, chosen_events),
    )
    for views in (sign_in_views, *(part.blueprint(wiring) for part in parts)):
        if views is not sign_in_views:
            session.require_sign_in(views, wiring)
        if views.name in LONG:
            long_requests.limit(views)
        explain_errors(views)
        app.register_blueprint(views)

    @app.errorhandler(HTTPStatus.NOT_FOUND)
    def not_found(error: HTTPException) -> ResponseReturnValue:
        """Answer a browser with a page, and a program with a problem document."""
        wants_page = request.accept_mimetypes.best_match([PROBLEM, "text/html"]) == "text/html"
        if request.path.startswith(FOR_PROGRAMS) or not (wants_page or request.blueprint is not None):
            return answer_to(error)[0]
        session.clear_invalid_session()
        detail = error.description if request.blueprint is not None else None
        return *error_page(HTTPStatus.NOT_FOUND, detail or "There is no such page."), HEADERS

    limit_forms(app)
    secure(app)

    @app.get("/admin/", strict_slashes=False)  # Werkzeug's redirect to the slash would repeat the Host header
    def start() -> Response:
        return redirect(url_for("overview.page"))

    app.add_template_filter(moment)
    app.add_template_filter(emphasized)
    app.jinja_env.globals |= {
        "asset": assets.asset,
        "without": without,
        "this_page": this_page,
        "people_filter_in_words": people_filter_in_words,
        "event_filter_in_words": event_filter_in_words,
        "wording": WORDING,
        "inbox_count": inbox.menu_count(wiring),
        "now": wiring.now,
        "may": roles.may,
        "may_use": roles.may_use,
        "instance_name": settings.pages.instance_name,
        "docs_url": settings.pages.docs_url,
        "version": version("webhook-service"),
    }


def explain_errors(views: Blueprint) -> None:
    """Render errors as a page instead of a problem document."""

    @views.errorhandler(ServiceError)
    def page_of_our_error(error: ServiceError) -> tuple[str, int]:
        log_service_error(error)
        return error_page(status_of(error), error.detail)

    @views.errorhandler(HTTPException)
    def page_of_http_error(error: HTTPException) -> tuple[str, int]:
        status = HTTPStatus(error.code or 500)
        return error_page(status, error.description or status.description)

    @views.errorhandler(Exception)
    def page_of_unexpected_error(error: Exception) -> tuple[str, int]:
        log_unexpected_error(error)
        return error_page(HTTPStatus.INTERNAL_SERVER_ERROR, UNEXPECTED)


def error_page(status: HTTPStatus, detail: str) -> tuple[str, int]:
    g.is_error = True
    return render_template("error.html", status=status, detail=detail), status


def limit_forms(app: Flask) -> None:
    """Refuse large forms before they are parsed, because anyone can send a form to the sign-in page."""

    @app.before_request
    def check() -> None:
        if not is_page(request.path):
            return
        request.max_content_length = request.max_form_memory_size = FORM_BYTES
        request.max_form_parts = FORM_FIELDS
        if request.mimetype == "application/x-www-form-urlencoded" and request.get_data().count(b"&") >= FORM_FIELDS:
            raise RequestEntityTooLarge(f"The form has more than {FORM_FIELDS} fields.")


def is_page(path: str) -> bool:
    """Return whether the path is under /admin, but not of the admin API."""
    return path.startswith("/admin") and not path.startswith("/admin/api")


def secure(app: Flask) -> None:
    """Add the security headers to all responses under /admin, including redirects. The admin API has other headers."""

    @app.after_request
    def add_headers(response: Response) -> Response:
        if is_page(request.path):
            response.headers.update(HEADERS)
            if request.endpoint != "assets.static":
                response.headers["Cache-Control"] = "no-store"  # pages hold personal data, so no cache may keep them
        return response


def emphasized(text: str) -> Markup:
    """Return a text as HTML, in which the parts between ** are strong."""
    parts = enumerate(text.split("**"))
    return Markup("").join(Markup("<strong>{}</strong>").format(part) if place % 2 else part for place, part in parts)


def moment(reported: str | None) -> str:
    """Format a time of the ledger in UTC, for example 2026-11-22 14:03:05."""
    return datetime.fromisoformat(reported).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if reported else "–"
