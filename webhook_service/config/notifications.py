"""Reads the settings of notices."""

import re
from collections.abc import Mapping

from webhook_service.config.values import value_of, whole_number
from webhook_service.errors import BadSetting
from webhook_service.notifications.destinations import destinations
from webhook_service.settings import DEFAULT_BACKLOG_MINUTES, NoticeSettings


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
