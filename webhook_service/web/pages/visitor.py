"""The visitor's address, and the pages to which a visitor may be redirected."""

import re
from ipaddress import IPv6Address, ip_address, ip_network

from flask import request, url_for

PAGE = re.compile(r"/admin(?:/[\w.:-]+)+(?:\?[!-\[\]-~]*)?", re.ASCII)
"""The path of a page of this service, with the query in the form that browsers send."""
NO_PAGES = ("/admin/login", "/admin/logout", "/admin/api/", "/admin/static/")


def address() -> str:
    """Return the address for counting attempts, or the /64 network for IPv6, because a client can use all of it."""
    try:
        found = ip_address((request.remote_addr or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False))


def safe_target(requested: str | None) -> str:
    """Return the requested page if it is a page of this service, and otherwise the overview."""
    if requested is None or not PAGE.fullmatch(requested) or ".." in requested or requested.startswith(NO_PAGES):
        return url_for("overview.page")
    return requested
