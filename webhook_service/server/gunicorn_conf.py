"""gunicorn's settings: `gunicorn -c python:webhook_service.server.gunicorn_conf wsgi:app`."""

import gc
import logging
import os
import resource
import shutil
import struct
from pathlib import Path
from typing import Any

from webhook_service.config import load_server, read_environment
from webhook_service.log import dict_config
from webhook_service.metrics import folder as metrics_folder

# gunicorn reads every name of this module that is one of its settings, so `config` must not be one.
_settings = load_server(read_environment())

bind = f"{_settings.host}:{_settings.port}"
workers = _settings.workers
worker_class = "webhook_service.server.worker.Worker"
backlog = 2048  # pg_net posts 200 at a time; a full queue would refuse some
keepalive = 5
timeout = 30
graceful_timeout = 30  # requests have worker.GRACE_SECONDS to end, then the relay RELAY_SECONDS
control_socket_disable = True
logconfig_dict = dict_config(_settings.log_level)

# What no line of ours shows is not looked up for each of them (logging's manual, "Optimization").
logging._srcfile = None
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

RELAY_SECONDS = 15
"""How long the relay's last batch may take when the worker ends: a call of the Auth Admin API takes no longer."""

ALLOCATIONS = 10_000
"""Between two looks for garbage; Python's own 700 are less than a batch of requests makes."""


def when_ready(server: Any) -> None:
    """Before the first worker: a folder that all of them count in. prometheus-client looks for it as it is imported, so
    that nothing of this process may import it before.
    """
    metrics_folder.remove_abandoned()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics_folder.make(server.cfg.uid, server.cfg.gid))


def child_exit(server: Any, worker: Any) -> None:
    """What a worker has counted stays in the sum."""
    from webhook_service.metrics.files import FOLDER, add_up_ended  # imports prometheus-client

    try:
        add_up_ended(Path(os.environ[FOLDER]), server.WORKERS)
    except (OSError, RuntimeError, struct.error) as error:  # it would end the server
        server.log.warning("what a worker has counted is lost (%s)", type(error).__name__)


def on_exit(server: Any) -> None:
    if folder := os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None):
        shutil.rmtree(folder, ignore_errors=True)


def post_worker_init(worker: Any) -> None:
    """Each worker relays beside serving, unless RELAY is off. What is loaded by now stays: to look for garbage in it
    again and again would be a tenth of what an event costs. Connections are files: as many as the system allows.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS)
    if (relay := worker.wsgi.extensions.get("relay")) is not None:
        relay.start()


def worker_exit(server: Any, worker: Any) -> None:
    """The batch under way ends in order; a lease that is left behind would hold its rows up for half a minute."""
    app = getattr(worker, "wsgi", None)  # None where it never started
    if app is not None and (relay := app.extensions.get("relay")) is not None:
        relay.stop(patience=RELAY_SECONDS)
