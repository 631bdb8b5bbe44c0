"""From where a browser comes, and where it may be sent to."""

import re
from ipaddress import IPv6Address, ip_address, ip_network

from flask import request, url_for

PAGE = re.compile(r"/admin(?:/[\w.:-]+)+(?:\?[!-\[\]-~]*)?", re.ASCII)
"""A page of ours, with its query as browsers send it."""
NO_PAGES = ("/admin/login", "/admin/logout", "/admin/api/", "/admin/static/")


def address() -> str:
    """What attempts are counted for: whoever has one IPv6 address has all of its network."""
    try:
        found = ip_address((request.remote_addr or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False))


def safe_target(wanted: str | None) -> str:
    """A page of ours, never another site's."""
    is_page = wanted is not None and PAGE.fullmatch(wanted) and ".." not in wanted
    return wanted if wanted is not None and is_page and not wanted.startswith(NO_PAGES) else url_for("overview.page")
