"""The server as a process that a process with the imported libraries forks, without most of the imports of a start."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from webhook_service.server.process import COMMAND, stopped_afterwards

LIBRARIES = (
    *("a2wsgi", "apispec", "cryptography.hazmat.primitives.ciphers.aead", "flask", "flask_wtf", "httptools", "httpx"),
    *("itsdangerous", "marshmallow", "psycopg", "psycopg.types.json", "rich.console", "rich.progress", "rich.table"),
    *("supabase_auth", "uvicorn", "uvloop"),
)
"""The libraries of the server, without gunicorn and prometheus-client, whose imports read the environment."""

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(list(LIBRARIES))


class ForkedServer:
    """A server with the methods of a `subprocess.Popen` that tests use."""

    def __init__(self, environment: Mapping[str, str], log_file: Path) -> None:
        self._process = forks.Process(target=become, args=(dict(environment), log_file))
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(COMMAND, timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def become(environment: dict[str, str], log_file: Path) -> None:
    """Become the server of `webhook_service.server.process`."""
    os.setsid()
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.environ.clear()
    os.environ.update(environment)
    if "TZ" in environment:
        time.tzset()
    from gunicorn.app.wsgiapp import run

    sys.argv = ["gunicorn", *COMMAND[3:]]
    run()


@contextmanager
def running(environment: Mapping[str, str], log_file: Path) -> Iterator[ForkedServer]:
    """Run the server with this environment, and stop it gracefully at the end, also if this process is killed."""
    process = ForkedServer(environment, log_file)
    with stopped_afterwards(process):
        yield process
