"""The WSGI application: `gunicorn -c python:webhook_service.server.gunicorn_conf wsgi:app`."""

from webhook_service.app import create_app
from webhook_service.server.others import warn_without_relay

app = create_app()
warn_without_relay(app)
