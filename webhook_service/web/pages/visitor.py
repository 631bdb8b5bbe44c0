"""The pages to which a visitor may be redirected."""

import re

from flask import url_for

PAGE = re.compile(r"/admin(?:/[\w.:-]+)+(?:\?[!-\[\]-~]*)?", re.ASCII)
"""The path of a page of this service, with the query in the form that browsers send."""
NO_PAGES = ("/admin/login", "/admin/logout", "/admin/api/", "/admin/static/")


def safe_target(requested: str | None) -> str:
    """Return the requested page if it is a page of this service, and otherwise the overview."""
    if requested is None or not PAGE.fullmatch(requested) or ".." in requested or requested.startswith(NO_PAGES):
        return url_for("overview.page")
    return requested
