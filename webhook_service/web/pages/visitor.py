"""The pages to which a visitor may be redirected."""

import re
from urllib.parse import urlsplit

from flask import current_app, redirect, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

PAGE = re.compile(r"/admin(?:/[\w.:-]+)+(?:\?[!-\[\]-~]*)?", re.ASCII)
"""The path of a page of this service, with the query in the form that browsers send."""
NO_PAGES = ("/admin/login", "/admin/logout", "/admin/api/", "/admin/static/")


def safe_target(requested: str | None) -> str:
    """Return the requested page if it is a page of this service, and otherwise the overview."""
    if requested is None or not PAGE.fullmatch(requested) or ".." in requested or requested.startswith(NO_PAGES):
        return url_for("overview.page")
    return requested


def after_form(page: str) -> Response:
    """Redirect to the page that the form names as `next`, such as the inbox, or otherwise to `page`."""
    requested = request.form.get("next")
    return redirect(safe_target(requested) if requested else page, 303)


def page_of_form() -> str | None:
    """Return the page on which the posted form is: the Referer, or the address of the form, or None."""
    try:
        referrer = urlsplit(request.referrer or "")
    except ValueError:
        referrer = urlsplit("")
    if is_page(referrer.path):
        return f"{referrer.path}?{referrer.query}".rstrip("?")
    return request.path if is_page(request.path) else None


def is_page(path: str) -> bool:
    """Return whether a GET of this path shows a page."""
    try:
        current_app.url_map.bind("").match(path, "GET")
    except HTTPException:
        return False
    return True
