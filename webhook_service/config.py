"""Reads the settings from the environment.

Each function takes the environment as a mapping. It raises BadSetting, which names the variable, for a missing or bad
value, so that the service does not start.
"""

import os
import re
from collections.abc import Mapping
from datetime import time, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from webhook_service.db.url import without_foreign_options
from webhook_service.errors import BadSetting
from webhook_service.inbound.signature import Secret, parse_secrets
from webhook_service.notifications.destinations import destinations
from webhook_service.policy import DEACTIVATION_LIMIT, NAME_COLUMNS, EmailOwner, Policy
from webhook_service.settings import (
    DEFAULT_AUTH_RATE,
    DEFAULT_BACKLOG_MINUTES,
    DEFAULT_IDLE_MINUTES,
    DEFAULT_MAX_BODY_BYTES,
    DEFAULT_RECONCILE_AT,
    DirectConnection,
    NoticeSettings,
    PageSettings,
    Role,
    ServerSettings,
    Settings,
    SupabaseConnection,
)

NAMES = (
    *("DATABASE_URL", "SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_ALLOW_HTTP"),
    *("WEBHOOK_SECRETS", "WEBHOOK_STATIC_TOKEN", "ADMIN_API_KEY"),
    *("EMAIL_OWNER", "NAME_FIELDS", "MAX_BODY_BYTES", "RELAY", "RECONCILE_AT", "LINK_UNPROVEN_EMAILS"),
    *("MASS_DEACTIVATION_LIMIT", "AUDIT_RETENTION_DAYS"),
    *("AUTH_ADMIN", "AUTH_RATE"),
    *("SECRET_KEY", "ADMIN_ROLES", "ADMIN_IDLE_MINUTES", "PUBLIC_URL", "INSTANCE_NAME"),
    *("ADMIN_KEY_SIGN_IN", "ADMIN_REQUIRE_SECOND_FACTOR"),
    *("NOTIFY_URLS", "NOTIFY_BACKLOG_MINUTES", "NOTIFY_SILENCE_HOURS"),
    *("HOST", "PORT", "WEB_CONCURRENCY", "LOG_LEVEL", "LOG_FORMAT"),
)
"""All environment variables that the service reads. Each can also be set as NAME_FILE, the path of a file."""

DEFAULT_HOST = "0.0.0.0"  # noqa: S104 (a container's own address)
DEFAULT_PORT = 8000
DEFAULT_WORKERS = 2
SHORTEST_ADMIN_KEY = 16
KEY_SIGN_IN = "ADMIN_KEY_SIGN_IN"
SHORTEST_SECRET_KEY = 32
LONGEST_INSTANCE_NAME = 60
DEFAULT_AUDIT_RETENTION_DAYS = 730
LONGEST_RETENTION_DAYS = 36500


def read_environment() -> dict[str, str]:
    """Return a copy of the environment of this process."""
    return dict(os.environ)


def load_server(environ: Mapping[str, str]) -> ServerSettings:
    """Read the settings of the HTTP server. Raises BadSetting."""
    return ServerSettings(
        host=host(environ),
        port=port(environ),
        workers=whole_number(environ, "WEB_CONCURRENCY", DEFAULT_WORKERS),
        log_level=log_level(environ),
        log_format=log_format(environ),
    )


def without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without this service's variables, for a server that gets other settings."""
    return {name: value for name, value in environ.items() if name.removesuffix("_FILE") not in NAMES}


def load(environ: Mapping[str, str]) -> Settings:
    """Read all settings of the application. Raises BadSetting."""
    settings = Settings(
        connection=connection(environ),
        webhook_secrets=webhook_secrets(environ),
        admin_api_key=admin_api_key(environ),
        static_token=switch(environ, "WEBHOOK_STATIC_TOKEN", default="off"),
        relay=switch(environ, "RELAY", default="on"),
        reconcile_at=reconcile_at(environ),
        auth=auth_admin(environ),
        auth_rate=auth_rate(environ),
        policy=policy(environ),
        max_body_bytes=whole_number(environ, "MAX_BODY_BYTES", DEFAULT_MAX_BODY_BYTES),
        pages=pages(environ),
        notices=notices(environ),
    )
    if settings.auth is None and not settings.pages.key_sign_in:
        raise BadSetting(KEY_SIGN_IN, "is off, but the Auth Admin API is not configured, so nobody could sign in")
    return settings


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
        public_url=public_url(environ),
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


def public_url(environ: Mapping[str, str]) -> str | None:
    """Return PUBLIC_URL without a slash at its end, or None if it is not set."""
    url = value_of(environ, "PUBLIC_URL")
    if url is not None and not re.fullmatch(r"https?://[^/\s?#]+[^\s?#]*", url):
        raise BadSetting("PUBLIC_URL", "must begin with https:// (or http://), and must not have a query")
    return url.rstrip("/") if url is not None else None


def instance_name(environ: Mapping[str, str]) -> str:
    """Return INSTANCE_NAME, for example the name of the environment."""
    name = value_of(environ, "INSTANCE_NAME") or ""
    if len(name) > LONGEST_INSTANCE_NAME or not name.isprintable():
        raise BadSetting("INSTANCE_NAME", f"must be one line of at most {LONGEST_INSTANCE_NAME} characters")
    return name


def notices(environ: Mapping[str, str]) -> NoticeSettings:
    """Return the settings of notices."""
    has_limit = value_of(environ, "NOTIFY_SILENCE_HOURS") is not None
    return NoticeSettings(
        urls=notify_urls(environ),
        backlog_minutes=whole_number(environ, "NOTIFY_BACKLOG_MINUTES", DEFAULT_BACKLOG_MINUTES),
        silence_hours=whole_number(environ, "NOTIFY_SILENCE_HOURS", 1) if has_limit else None,
    )


def notify_urls(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the destinations in NOTIFY_URLS, which spaces or commas separate.

    A comma separates only before another `scheme://`, because a URL may contain commas, for example between recipients.
    """
    text = value_of(environ, "NOTIFY_URLS") or ""
    urls = tuple(url for url in re.split(r"[\s,]+(?=[\w+.-]+://)", text) if url)
    try:
        destinations(urls)
    except ValueError as error:
        raise BadSetting("NOTIFY_URLS", f"is unusable: {error}") from None
    return urls


def policy(environ: Mapping[str, str]) -> Policy:
    """Return the policy of EMAIL_OWNER, NAME_FIELDS, MASS_DEACTIVATION_LIMIT and LINK_UNPROVEN_EMAILS."""
    return Policy(
        email_owner=email_owner(environ),
        name_fields=name_fields(environ),
        deactivation_limit=deactivation_limit(environ),
        link_unproven_emails=switch(environ, "LINK_UNPROVEN_EMAILS", default="off"),
    )


def reconcile_at(environ: Mapping[str, str]) -> time | None:
    """Return RECONCILE_AT, a time of the day in UTC, or None if it is off. The default is 02:30."""
    text = (value_of(environ, "RECONCILE_AT") or DEFAULT_RECONCILE_AT.isoformat("minutes")).lower()
    if text == "off":
        return None
    if re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", text) is None:
        raise BadSetting("RECONCILE_AT", "must be a time of the day in UTC such as 02:30, or off")
    return time.fromisoformat(text)


def deactivation_limit(environ: Mapping[str, str]) -> str:
    """Return MASS_DEACTIVATION_LIMIT: a number of logins, a percentage of the linked employees, or off.

    The default is 10%.
    """
    text = (value_of(environ, "MASS_DEACTIVATION_LIMIT") or DEACTIVATION_LIMIT).lower()
    if text != "off" and re.fullmatch("[0-9]{1,9}|[1-9][0-9]?%|100%", text) is None:
        raise BadSetting("MASS_DEACTIVATION_LIMIT", "must be a number such as 50, a percentage such as 10%, or off")
    return text


def email_owner(environ: Mapping[str, str]) -> EmailOwner:
    """Return EMAIL_OWNER, which is Auth by default."""
    text = value_of(environ, "EMAIL_OWNER") or EmailOwner.AUTH
    try:
        return EmailOwner(text)
    except ValueError:
        raise BadSetting("EMAIL_OWNER", "must be auth or employees") from None


def name_fields(environ: Mapping[str, str]) -> dict[str, str]:
    """Return NAME_FIELDS as {employees column: key in raw_user_meta_data}.

    An example is NAME_FIELDS="first_name=given_name last_name=family_name". The value "none" means {}, so that no names
    are copied.
    """
    text = value_of(environ, "NAME_FIELDS")
    if text is None:
        return {name: name for name in NAME_COLUMNS}
    if text == "none":
        return {}
    words = re.split(r"[\s,]+", text)
    found = [re.fullmatch(r"(\w+)=([\w.-]+)", word) for word in words]
    pairs = {match[1]: match[2] for match in found if match is not None}
    if len(pairs) != len(words) or not pairs.keys() <= set(NAME_COLUMNS):
        raise BadSetting("NAME_FIELDS", f"must be COLUMN=KEY pairs (columns: {', '.join(NAME_COLUMNS)}), or none")
    return pairs


def audit_retention(environ: Mapping[str, str]) -> timedelta:
    """Return the time after which `prune` removes entries of the audit, AUDIT_RETENTION_DAYS."""
    days = whole_number(environ, "AUDIT_RETENTION_DAYS", DEFAULT_AUDIT_RETENTION_DAYS)
    if days > LONGEST_RETENTION_DAYS:
        raise BadSetting("AUDIT_RETENTION_DAYS", f"must be at most {LONGEST_RETENTION_DAYS}")
    return timedelta(days=days)


def log_level(environ: Mapping[str, str]) -> str:
    """Return LOG_LEVEL in upper case. The default is INFO."""
    level = (value_of(environ, "LOG_LEVEL") or "INFO").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        raise BadSetting("LOG_LEVEL", "must be debug, info, warning, error or critical")
    return level


def log_format(environ: Mapping[str, str]) -> str:
    """Return LOG_FORMAT: json, text, or auto, which is the default (text on a terminal, JSON elsewhere)."""
    format = (value_of(environ, "LOG_FORMAT") or "auto").lower()
    if format not in ("json", "text", "auto"):
        raise BadSetting("LOG_FORMAT", "must be json, text or auto")
    return format


def host(environ: Mapping[str, str]) -> str:
    """Return HOST, with brackets around an IPv6 address, as in a URL."""
    text = (value_of(environ, "HOST") or DEFAULT_HOST).removeprefix("[").removesuffix("]")
    return f"[{text}]" if ":" in text else text


def port(environ: Mapping[str, str]) -> int:
    """Return PORT, from 1 to 65535."""
    number = whole_number(environ, "PORT", DEFAULT_PORT)
    if number > 65535:
        raise BadSetting("PORT", "must be at most 65535")
    return number


# Single values


def value_of(environ: Mapping[str, str], name: str) -> str | None:
    """Return the stripped value of NAME, or the content of the file that NAME_FILE names, or None if both are empty."""
    value, file = environ.get(name, "").strip(), environ.get(f"{name}_FILE", "").strip()
    if value and file:
        raise BadSetting(name, f"and {name}_FILE are both set; keep one")
    if file:
        try:
            return Path(file).read_text("utf-8").strip() or None
        except (OSError, ValueError) as error:
            raise BadSetting(f"{name}_FILE", f"names a file that cannot be read ({type(error).__name__})") from error
    return value or None


def required(environ: Mapping[str, str], name: str) -> str:
    """Return the value of a variable that must be set."""
    value = value_of(environ, name)
    if value is None:
        raise BadSetting(name, f"is not set (nor {name}_FILE)")
    return value


def switch(environ: Mapping[str, str], name: str, *, default: str) -> bool:
    """Return whether a variable is on."""
    text = (value_of(environ, name) or default).lower()
    if text not in ("on", "off", "true", "false", "1", "0"):
        raise BadSetting(name, "must be on or off")
    return text in ("on", "true", "1")


def whole_number(environ: Mapping[str, str], name: str, default: int) -> int:
    """Return the value of a variable that is an integer from 1 to 999999999."""
    text = value_of(environ, name)
    if text is None:
        return default
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) == 0:
        raise BadSetting(name, "must be a whole number greater than 0")
    return int(text)


def words(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the values of a variable, which spaces or commas separate, or () if it is not set."""
    text = value_of(environ, name)
    return tuple(word for word in re.split(r"[\s,]+", text) if word) if text is not None else ()
