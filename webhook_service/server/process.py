"""Starts gunicorn in a separate process, waits until it is ready, and stops it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Protocol

import httpx

from webhook_service.errors import Unavailable
from webhook_service.guardian import guarded

COMMAND = (
    sys.executable,
    "-m",
    "gunicorn",
    "-c",
    "python:webhook_service.server.gunicorn_conf",
    "webhook_service.app:create_app()",
)
START_PATIENCE_SECONDS = 30.0
STOP_PATIENCE_SECONDS = 30.0
BACKLOG = 2048


class Process(Protocol):
    """A process of the server: a `subprocess.Popen`, or what behaves like one."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def kill(self) -> None: ...


@contextmanager
def running(
    environment: Mapping[str, str], *, log: IO[bytes] | None = None, listener: socket.socket | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server with this environment, and stop it gracefully at the end, also if this process is killed.

    The server logs to `log`, or to standard error. It listens on `listener`, or on HOST and PORT.
    """
    descriptors = () if listener is None else (listener.fileno(),)
    bind = [f"--bind=fd://{descriptor}" for descriptor in descriptors]
    process = subprocess.Popen(  # noqa: S603 (our own command)
        [*COMMAND, *bind],
        env=dict(environment),
        stdout=log,
        stderr=log,
        pass_fds=descriptors,
        start_new_session=True,  # Ctrl+C must not reach gunicorn, which would stop without its grace period
    )
    with stopped_afterwards(process):
        yield process


@contextmanager
def stopped_afterwards(process: Process) -> Iterator[None]:
    """Stop a server gracefully at the end, also if this process is killed."""
    try:
        with guarded(process.pid, signal.SIGTERM):
            yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def kill(process: Process) -> None:
    """Kill the server and its workers without a grace period, as a power failure does."""
    os.killpg(process.pid, signal.SIGKILL)  # `running` has made the server the leader of a process group
    process.wait()


def wait_until_ready(url: str, process: Process) -> None:
    """Wait until /readyz reports ready. Raises Unavailable if the process ends, or if it is not ready in time."""
    deadline = time.monotonic() + START_PATIENCE_SECONDS
    with httpx.Client(timeout=2) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if client.get(f"{url}/readyz").is_success:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.05)
    raise Unavailable("not_started", f"The server at {url} did not start; its log says why.")


def listening(preferred: int) -> socket.socket:
    """Return a socket that listens on 127.0.0.1, at the port `preferred`, or at a free port if it is in use."""
    try:
        return socket.create_server(("127.0.0.1", preferred), backlog=BACKLOG)
    except OSError:
        return socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
