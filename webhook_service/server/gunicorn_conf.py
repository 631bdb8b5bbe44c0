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

# gunicorn takes every name in this module that is one of its settings. `config` is one, so it must not be a name here.
_settings = load_server(read_environment())

bind = f"{_settings.host}:{_settings.port}"
workers = _settings.workers
worker_class = "webhook_service.server.worker.Worker"
backlog = 2048  # pg_net posts 200 requests at a time; a full queue would refuse some of them
keepalive = 5
timeout = 30
graceful_timeout = 30  # requests get worker.GRACE_SECONDS to finish, and then the relay gets RELAY_SECONDS
control_socket_disable = True
logconfig_dict = dict_config(_settings.log_level)

# Log lines show neither the caller nor threads and processes, so logging need not find these out for each line
# (logging's manual, "Optimization").
logging._srcfile = None
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

RELAY_SECONDS = 15
"""How long the relay's last batch may take when the worker stops. A call of the Auth Admin API takes no longer."""

ALLOCATIONS = 10_000
"""The number of allocations between two garbage collections. A batch of requests makes more than Python's default, 700.
"""


def when_ready(server: Any) -> None:
    """Make the folder in which all workers count, before the first worker starts.

    prometheus-client reads the variable when it is imported, so this process must not import it earlier.
    """
    metrics_folder.remove_abandoned()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics_folder.make(server.cfg.uid, server.cfg.gid))


def child_exit(server: Any, worker: Any) -> None:
    """Keep the counts of a worker that has ended in the sum."""
    from webhook_service.metrics.files import FOLDER, add_up_ended  # imports prometheus-client

    try:
        add_up_ended(Path(os.environ[FOLDER]), server.WORKERS)
    except (OSError, RuntimeError, struct.error) as error:  # would end the server
        server.log.warning("the counts of a worker are lost (%s)", type(error).__name__)


def on_exit(server: Any) -> None:
    """Remove the folder in which the workers count."""
    if folder := os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None):
        shutil.rmtree(folder, ignore_errors=True)


def post_worker_init(worker: Any) -> None:
    """Prepare a worker, and start its relay unless RELAY is off.

    The worker may open as many files as the system allows, because connections are files. The objects that are loaded
    by now are frozen, because searching them for garbage again and again would be a tenth of the cost of an event.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS)
    if (relay := worker.wsgi.extensions.get("relay")) is not None:
        relay.start()


def worker_exit(server: Any, worker: Any) -> None:
    """Wait for the relay's current batch. A lease that is left behind would delay its rows for half a minute."""
    app = getattr(worker, "wsgi", None)  # None if the worker never started
    if app is not None and (relay := app.extensions.get("relay")) is not None:
        relay.stop(patience=RELAY_SECONDS)
