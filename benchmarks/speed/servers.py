"""The measured servers, which are the product and the baseline. Each is gunicorn with two workers."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tests.ports import free_port
from webhook_service.config import without_settings
from webhook_service.server import process as server_process

WORKERS = 2


@dataclass(frozen=True, slots=True)
class Server:
    port: int
    pid: int


@contextmanager
def product(environment: Mapping[str, str], *, relay: bool = False, gunicorn: str = "") -> Iterator[Server]:
    """The product as deployed. It writes log lines (to /dev/null) and counts metrics, and its relay is off by default.

    `gunicorn` holds options for gunicorn.
    """
    port = free_port()
    settings = {
        "PORT": str(port),
        "HOST": "127.0.0.1",
        "WEB_CONCURRENCY": str(WORKERS),
        "RELAY": "on" if relay else "off",
        "GUNICORN_CMD_ARGS": gunicorn,
    }
    with (
        open(os.devnull, "wb") as log,
        server_process.running(clean() | dict(environment) | settings, log=log) as process,
    ):
        server_process.wait_until_ready(f"http://127.0.0.1:{port}", process)
        yield Server(port, process.pid)


@contextmanager
def baseline(
    environment: Mapping[str, str],
    *,
    threads: int = 4,
    connections: int = 4,
    app: str = "benchmarks.speed.baseline:create_app()",
) -> Iterator[Server]:
    """The baseline with one call per event, and with `threads` and database `connections` in each worker."""
    port = free_port()
    bind = [f"--bind=127.0.0.1:{port}", f"--workers={WORKERS}", f"--threads={threads}", "--backlog=2048"]
    command = [sys.executable, "-m", "gunicorn", "--worker-class=gthread", "--keep-alive=5", "--log-level=warning"]
    process = subprocess.Popen(
        [*command, "--no-control-socket", *bind, app],
        env=clean() | dict(environment) | {"CONNECTIONS": str(connections)},
        start_new_session=True,
    )
    try:
        server_process.wait_until_ready(f"http://127.0.0.1:{port}", process)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait()


def clean() -> dict[str, str]:
    return without_settings(os.environ)
