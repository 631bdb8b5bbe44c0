"""The WSGI application: `gunicorn -c python:webhook_service.server.gunicorn_conf wsgi:app`."""

from webhook_service.app import create_app

app = create_app()
