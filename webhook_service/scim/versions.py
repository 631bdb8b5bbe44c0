"""The versions in the headers If-Match and If-None-Match, and in the operations of a bulk request."""

import re

ETAG = re.compile(r'(?:W/)?"([^"]*)"')

Versions = tuple[str, ...] | None
"""The versions of which a user must have one, or None for any."""


def versions_in(text: str | None) -> Versions:
    """Return the versions of a list of ETags. `*` and a missing header are None. A malformed list has no version."""
    if text is None or text.strip() == "*":
        return None
    return tuple(ETAG.findall(text))
