"""Reads the settings of the HTTP server."""

from collections.abc import Mapping

from webhook_service.config.values import value_of, whole_number
from webhook_service.errors import BadSetting
from webhook_service.settings import ServerSettings

DEFAULT_HOST = "0.0.0.0"  # noqa: S104 (a container's own address)
DEFAULT_PORT = 8000
DEFAULT_WORKERS = 2


def load_server(environ: Mapping[str, str]) -> ServerSettings:
    """Read the settings of the HTTP server. Raises BadSetting."""
    return ServerSettings(
        host=host(environ),
        port=port(environ),
        workers=whole_number(environ, "WEB_CONCURRENCY", DEFAULT_WORKERS),
        log_level=log_level(environ),
        log_format=log_format(environ),
    )


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
