"""Reads the settings of the admins and of the dashboard."""

import re
from collections.abc import Mapping

from webhook_service.config.values import required, switch, value_of, whole_number, words
from webhook_service.errors import BadSetting
from webhook_service.settings import DEFAULT_IDLE_MINUTES, PageSettings, Role

SHORTEST_ADMIN_KEY = 16
KEY_SIGN_IN = "ADMIN_KEY_SIGN_IN"
SHORTEST_SECRET_KEY = 32
LONGEST_INSTANCE_NAME = 60


def admin_api_key(environ: Mapping[str, str]) -> str:
    """Return ADMIN_API_KEY, which has at least SHORTEST_ADMIN_KEY printable ASCII characters, without spaces."""
    key = required(environ, "ADMIN_API_KEY")
    if not re.fullmatch(r"[!-~]*", key):
        raise BadSetting("ADMIN_API_KEY", "must be one word of ASCII characters")
    if len(key) < SHORTEST_ADMIN_KEY:
        raise BadSetting("ADMIN_API_KEY", f"must have at least {SHORTEST_ADMIN_KEY} characters")
    return key


def pages(environ: Mapping[str, str]) -> PageSettings:
    """Return the settings of the dashboard."""
    secret_key = value_of(environ, "SECRET_KEY") or ""
    if 0 < len(secret_key) < SHORTEST_SECRET_KEY:
        raise BadSetting("SECRET_KEY", f"must have at least {SHORTEST_SECRET_KEY} characters")
    roles = admin_roles(environ)
    key_sign_in = switch(environ, KEY_SIGN_IN, default="on")
    if not (roles or key_sign_in):
        raise BadSetting(KEY_SIGN_IN, "is off, but ADMIN_ROLES is not set, so nobody could sign in")
    return PageSettings(
        secret_key=secret_key,
        roles=roles,
        idle_minutes=whole_number(environ, "ADMIN_IDLE_MINUTES", DEFAULT_IDLE_MINUTES),
        public_url=address(environ, "PUBLIC_URL"),
        docs_url=address(environ, "DOCS_URL"),
        instance_name=instance_name(environ),
        key_sign_in=key_sign_in,
        require_second_factor=switch(environ, "ADMIN_REQUIRE_SECOND_FACTOR", default="off"),
    )


def admin_roles(environ: Mapping[str, str]) -> frozenset[tuple[str, Role]]:
    """Return the pairs of ADMIN_ROLES, such as "hr_team=hr sync_admin".

    A single word that is not one of the roles gives the role `admin`.
    """
    names = {role.value for role in Role}
    pairs = set()
    for word in words(environ, "ADMIN_ROLES"):
        value, is_pair, name = word.partition("=")
        role = name if is_pair else value if value in names else Role.ADMIN.value
        if not value or role not in names:
            raise BadSetting("ADMIN_ROLES", f"must be values or VALUE=ROLE pairs (roles: {', '.join(Role)})")
        pairs.add((value, Role(role)))
    return frozenset(pairs)


def address(environ: Mapping[str, str], name: str) -> str | None:
    """Return a setting that is an address for browsers, without a slash at its end, or None if it is not set."""
    url = value_of(environ, name)
    if url is not None and not re.fullmatch(r"https?://[^/\s?#]+[^\s?#]*", url):
        raise BadSetting(name, "must begin with https:// (or http://), and must not have a query")
    return url.rstrip("/") if url is not None else None


def instance_name(environ: Mapping[str, str]) -> str:
    """Return INSTANCE_NAME, for example the name of the environment."""
    name = value_of(environ, "INSTANCE_NAME") or ""
    if len(name) > LONGEST_INSTANCE_NAME or not name.isprintable():
        raise BadSetting("INSTANCE_NAME", f"must be one line of at most {LONGEST_INSTANCE_NAME} characters")
    return name
