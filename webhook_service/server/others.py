"""The warning of servers without `gunicorn_conf`, which serve the same application but start no relay."""

import logging
import sys

from flask import Flask

log = logging.getLogger(__name__)

CONFIGURATION = "webhook_service.server.gunicorn_conf"
WARNING = (
    "No relay runs in this process, because it was not started with `-c python:webhook_service.server.gunicorn_conf`:"
    " it does not apply events that no webhook delivers, and performs no actions in Auth. Run"
    " `webhook-service relay` too, or start `webhook-service serve` instead. (RELAY=off hides this message.)"
)


def warn_without_relay(app: Flask) -> None:
    """Warn if RELAY is on and the server does not start a relay."""
    if "relay" in app.extensions and CONFIGURATION not in sys.modules:
        log.warning(WARNING)
