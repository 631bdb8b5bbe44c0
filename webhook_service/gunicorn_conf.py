"""gunicorn's settings: `gunicorn -c python:webhook_service.gunicorn_conf wsgi:app`."""

from webhook_service.config import DEFAULT_WORKERS, environment, log_level, port, whole_number
from webhook_service.log import dict_config

# gunicorn reads every name of this module that is one of its settings, so `config` must not be one.
_environment = environment()

bind = f"{_environment.get('HOST', '0.0.0.0')}:{port(_environment)}"  # noqa: S104 (a container's own address)
workers = whole_number(_environment, "WEB_CONCURRENCY", DEFAULT_WORKERS)
worker_class = "gthread"
threads = 32  # requests wait for the database, together: a batch can be as large as this
backlog = 2048  # pg_net posts 200 at a time; a full queue would refuse some
keepalive = 5
timeout = 30
graceful_timeout = 20  # a request in flight is answered: none takes longer than processing.PATIENCE
control_socket_disable = True
logconfig_dict = dict_config(log_level(_environment))
