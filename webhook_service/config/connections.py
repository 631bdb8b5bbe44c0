"""Reads the settings of the connections to the database, to Auth and to the sender."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from webhook_service.config.values import required, switch, value_of, whole_number
from webhook_service.db.url import without_foreign_options
from webhook_service.errors import BadSetting
from webhook_service.inbound.signature import Secret, parse_secrets
from webhook_service.settings import DEFAULT_AUTH_RATE, DirectConnection, SupabaseConnection


def has_connection(environ: Mapping[str, str]) -> bool:
    """Return whether a database connection is configured. If not, `serve` starts an embedded database."""
    names = ("DATABASE_URL", "SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY")
    return any(value_of(environ, name) is not None for name in names)


def connection(environ: Mapping[str, str]) -> DirectConnection | SupabaseConnection:
    """Return the connection to DATABASE_URL, or to Supabase's Data API if DATABASE_URL is not set."""
    if value_of(environ, "DATABASE_URL") is not None:
        return DirectConnection(database_url(environ))
    if value_of(environ, "SUPABASE_URL") is None:
        raise BadSetting("DATABASE_URL", "or SUPABASE_URL must be set")
    return supabase(environ)


def auth_admin(environ: Mapping[str, str]) -> SupabaseConnection | DirectConnection | None:
    """Return the connection to the Auth Admin API at SUPABASE_URL.

    With AUTH_ADMIN=local, returns the connection to its stand-in in the database at DATABASE_URL. Returns None if
    AUTH_ADMIN is off, which is the default without SUPABASE_URL.
    """
    default = "off" if value_of(environ, "SUPABASE_URL") is None else "supabase"
    choice = value_of(environ, "AUTH_ADMIN") or default
    if choice == "supabase":
        return supabase(environ)
    if choice == "local":
        return DirectConnection(database_url(environ))
    if choice == "off":
        return None
    raise BadSetting("AUTH_ADMIN", "must be supabase, local or off")


def auth_rate(environ: Mapping[str, str]) -> int:
    """Return the number of actions per second that all relays together may perform."""
    return whole_number(environ, "AUTH_RATE", DEFAULT_AUTH_RATE)


def supabase(environ: Mapping[str, str]) -> SupabaseConnection:
    """Return the connection to the project of SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY."""
    url = required(environ, "SUPABASE_URL")
    if not re.match(r"https?://[^/\s]+", url):
        raise BadSetting("SUPABASE_URL", "must begin with https:// (or http://)")
    if is_plain_http(url) and not switch(environ, "SUPABASE_ALLOW_HTTP", default="off"):
        raise BadSetting(
            "SUPABASE_URL",
            "must begin with https://, because every request carries the service role key. In a private network, "
            "SUPABASE_ALLOW_HTTP=on allows http://",
        )
    key = required(environ, "SUPABASE_SERVICE_ROLE_KEY")
    if not key.isascii() or re.search(r"\s", key):
        raise BadSetting("SUPABASE_SERVICE_ROLE_KEY", "must be one word of ASCII characters")
    return SupabaseConnection(url, key)


def is_plain_http(url: str) -> bool:
    """Return whether requests to this URL leave the machine without encryption."""
    host = urlsplit(url).hostname or ""
    try:
        is_here = ip_address(host).is_loopback
    except ValueError:
        is_here = host == "localhost" or host.endswith(".localhost")
    return url.startswith("http://") and not is_here


def database_url(environ: Mapping[str, str]) -> str:
    """Return DATABASE_URL, which must be a postgresql:// URL, without the ignored options."""
    return database_url_and_ignored(environ)[0]


def ignored(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each ignored part of a setting."""
    if value_of(environ, "DATABASE_URL") is None:
        return []
    try:
        _, names = database_url_and_ignored(environ)
    except BadSetting:  # the reader of the setting reports the error
        return []
    return [f"DATABASE_URL: the option {name} of another client is ignored" for name in names]


def database_url_and_ignored(environ: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return DATABASE_URL without the ignored options, and the names of these options."""
    url = required(environ, "DATABASE_URL")
    if not re.match(r"postgres(ql)?://", url):
        raise BadSetting(
            "DATABASE_URL", "must begin with postgresql:// (without the name of a driver, such as +asyncpg)"
        )
    try:
        return without_foreign_options(url)
    except ValueError as error:
        raise BadSetting("DATABASE_URL", str(error)) from None


def webhook_secrets(environ: Mapping[str, str]) -> tuple[Secret, ...]:
    """Return the secrets in WEBHOOK_SECRETS, newest first."""
    try:
        return parse_secrets(required(environ, "WEBHOOK_SECRETS"))
    except ValueError as error:
        raise BadSetting("WEBHOOK_SECRETS", f"is unusable: {error}") from None


def event_private_addresses(environ: Mapping[str, str]) -> bool:
    """Return whether subscribers may be at private addresses, EVENT_PRIVATE_ADDRESSES."""
    return switch(environ, "EVENT_PRIVATE_ADDRESSES", default="off")
