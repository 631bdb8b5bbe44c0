"""gunicorn as a process of its own: started, waited for, stopped."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

import httpx

from webhook_service.errors import Unavailable

COMMAND = (
    sys.executable,
    "-m",
    "gunicorn",
    "-c",
    "python:webhook_service.gunicorn_conf",
    "webhook_service.app:create_app()",
)
START_PATIENCE = 30.0
STOP_PATIENCE = 30.0


@contextmanager
def running(environment: Mapping[str, str], *, log: IO[bytes] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """The server under this environment, with its log on standard error or in `log`; stopped gracefully at the end."""
    process = subprocess.Popen(COMMAND, env=dict(environment), stdout=log, stderr=log)  # noqa: S603 (our own command)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until /readyz says so. Raises Unavailable where the process ends or takes too long."""
    deadline = time.monotonic() + START_PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise Unavailable("not_started", f"The server at {url} did not start; its log says why.")


def free_port(preferred: int = 0) -> int:
    """`preferred` if nobody listens there, else one that the system chooses."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Unavailable("no_port", "No port is free.")
