"""Reads the settings from the environment.

Each function takes the environment as a mapping. It raises BadSetting, which names the variable, for a missing or bad
value, so that the service does not start.
"""

import os
from collections.abc import Mapping

from webhook_service.config.admins import KEY_SIGN_IN, admin_api_key, pages
from webhook_service.config.connections import (
    auth_admin,
    auth_rate,
    connection,
    database_url,
    event_private_addresses,
    has_connection,
    ignored,
    supabase,
    webhook_secrets,
)
from webhook_service.config.notifications import notices
from webhook_service.config.rules import audit_retention, policy, reconcile_at
from webhook_service.config.scim import scim
from webhook_service.config.server import DEFAULT_PORT, host, load_server, log_format, log_level, port
from webhook_service.config.values import switch, value_of, whole_number
from webhook_service.config.variables import VARIABLES
from webhook_service.errors import BadSetting
from webhook_service.settings import DEFAULT_MAX_BODY_BYTES, Settings

__all__ = [
    "DEFAULT_PORT",
    "NAMES",
    "admin_api_key",
    "audit_retention",
    "auth_admin",
    "auth_rate",
    "connection",
    "database_url",
    "event_private_addresses",
    "has_connection",
    "host",
    "ignored",
    "load",
    "load_server",
    "log_format",
    "log_level",
    "notices",
    "pages",
    "policy",
    "port",
    "read_environment",
    "reconcile_at",
    "scim",
    "supabase",
    "value_of",
    "webhook_secrets",
    "without_settings",
]

NAMES = tuple(variable.name for variable in VARIABLES)
"""All environment variables that the service reads. Each can also be set as NAME_FILE, the path of a file."""


def read_environment() -> dict[str, str]:
    """Return a copy of the environment of this process."""
    return dict(os.environ)


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
        scim=scim(environ),
        event_private_addresses=event_private_addresses(environ),
    )
    if settings.auth is None and not settings.pages.key_sign_in:
        raise BadSetting(KEY_SIGN_IN, "is off, but the Auth Admin API is not configured, so nobody could sign in")
    return settings
