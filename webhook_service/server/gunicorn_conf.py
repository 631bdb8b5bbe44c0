"""The settings of gunicorn, for `gunicorn -c python:webhook_service.server.gunicorn_conf wsgi:app`."""

import gc
import logging
import os
import resource
import shutil
import struct
import sys
from pathlib import Path
from typing import Any

from webhook_service.config import load_server, read_environment
from webhook_service.log import dict_config
from webhook_service.metrics import folder as metrics_folder

# gunicorn reads each name of this module that is also one of its settings. `config` is a setting, so it must not be a
# name here.
_settings = load_server(read_environment())

bind = f"{_settings.host}:{_settings.port}"
workers = _settings.workers
worker_class = "webhook_service.server.worker.Worker"
backlog = 2048  # pg_net posts 200 requests at the same time, and a full queue would refuse some of them
keepalive = 5
timeout = 30
graceful_timeout = 30  # more than worker.GRACE_SECONDS for the requests, and then RELAY_SECONDS for the relay
control_socket_disable = True
logconfig_dict = dict_config(_settings.log_level, _settings.log_format)

# Log lines do not show callers, threads or processes, so logging does not need to find these for each line (logging's
# manual, "Optimization").
logging._srcfile = None
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

RELAY_SECONDS = 15
"""The time limit of the relay's last batch when the worker stops. No call of the Auth Admin API takes longer."""

ALLOCATIONS = 10_000
"""The number of allocations between two garbage collections. One batch of requests makes more than 700, which is
Python's default.
"""


def on_starting(server: Any) -> None:
    """Refuse to start with the PROXY protocol, which the worker does not read. It would refuse every connection."""
    if server.cfg.proxy_protocol != "off":
        server.log.error("--proxy-protocol is not supported: send X-Forwarded-For, and set FORWARDED_ALLOW_IPS")
        sys.exit(1)


def when_ready(server: Any) -> None:
    """Create the folder of the workers' counters before the first worker starts.

    prometheus-client reads the environment variable during its import, so this process must not import it earlier.
    """
    metrics_folder.remove_abandoned()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics_folder.make(server.cfg.uid, server.cfg.gid))


def child_exit(server: Any, worker: Any) -> None:
    """Add the counts of a worker that has ended to the sum."""
    from webhook_service.metrics.files import FOLDER, add_up_ended  # imports prometheus-client

    try:
        add_up_ended(Path(os.environ[FOLDER]), server.WORKERS)
    except (OSError, RuntimeError, struct.error) as error:  # an exception in this hook would end the server
        server.log.warning("the counts of a worker are lost (%s)", type(error).__name__)


def on_exit(server: Any) -> None:
    """Remove the folder of the workers' counters."""
    if folder := os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None):
        shutil.rmtree(folder, ignore_errors=True)


def post_worker_init(worker: Any) -> None:
    """Prepare a worker, and start its relay unless RELAY is off.

    The worker may open as many files as the system allows, because connections are files. The garbage collector skips
    the objects that are loaded by now. Otherwise it would use a tenth of the time of each event.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS)
    if (relay := worker.wsgi.extensions.get("relay")) is not None:
        relay.start()


def worker_exit(server: Any, worker: Any) -> None:
    """Wait for the relay's current batch. Otherwise its leases would delay the batch's rows for half a minute."""
    app = getattr(worker, "wsgi", None)  # None if the worker never started
    if app is not None and (relay := app.extensions.get("relay")) is not None:
        relay.stop(patience=RELAY_SECONDS)
