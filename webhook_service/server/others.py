"""Servers other than `gunicorn_conf`, which serve the same application but start no relay."""

import logging
import sys

from flask import Flask

log = logging.getLogger(__name__)

CONFIGURATION = "webhook_service.server.gunicorn_conf"
WARNING = (
    "No relay runs in this process, because it was not started with `-c python:webhook_service.server.gunicorn_conf`:"
    " events that no webhook delivers and actions in Auth are left. Run `webhook-service relay` beside it, or start"
    " `webhook-service serve` instead. (RELAY=off hides this message.)"
)


def warn_without_relay(app: Flask) -> None:
    """Warn if the application wants a relay, and the server is not one that starts it."""
    if "relay" in app.extensions and CONFIGURATION not in sys.modules:
        log.warning(WARNING)
