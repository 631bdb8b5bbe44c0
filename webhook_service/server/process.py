"""gunicorn as a process of its own: started, waited for, stopped."""

import os
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
    "python:webhook_service.server.gunicorn_conf",
    "webhook_service.app:create_app()",
)
START_PATIENCE = 30.0
STOP_PATIENCE = 30.0
BACKLOG = 2048


@contextmanager
def running(
    environment: Mapping[str, str], *, log: IO[bytes] | None = None, listener: socket.socket | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The server under this environment, with its log on standard error or in `log`; stopped gracefully at the end.

    It listens on `listener` where that is given, else on HOST and PORT.
    """
    descriptors = () if listener is None else (listener.fileno(),)
    bind = [f"--bind=fd://{descriptor}" for descriptor in descriptors]
    process = subprocess.Popen(  # noqa: S603 (our own command)
        [*COMMAND, *bind],
        env=dict(environment),
        stdout=log,
        stderr=log,
        pass_fds=descriptors,
        start_new_session=True,  # Ctrl+C reaches us alone; gunicorn would take it for the order to stop at once
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def kill(process: subprocess.Popen[bytes]) -> None:
    """The server and its workers, at once: as when the machine loses power."""
    os.killpg(process.pid, signal.SIGKILL)  # `running` has made it the leader of a group
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


def listening(preferred: int) -> socket.socket:
    """On this machine alone; on `preferred` if that is free, else on a port that the system chooses."""
    try:
        return socket.create_server(("127.0.0.1", preferred), backlog=BACKLOG)
    except OSError:
        return socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
