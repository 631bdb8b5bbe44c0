"""The processes of a chaos run besides PostgreSQL. Each can be killed and started again."""

import atexit
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import httpx

from tests.acceptance.command import COMMAND
from webhook_service.server import process as server_process

RELAY = (COMMAND, "relay")
WEB = server_process.COMMAND
REPOSITORY = Path(__file__).parents[2]


@cache
def starter() -> "subprocess.Popen[str]":
    """The process that forks for each start (tests/chaos/starter.py). It ends with this process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.starter"],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    atexit.register(process.communicate)
    return process


class Killable:
    """A command with its environment, and the file for its output."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log_file: Path) -> None:
        self.log_file = log_file
        self._command = command
        self._environment = dict(environment)
        self._pid: int | None = None

    def start(self) -> None:
        """Start the process, and do not wait for it."""
        assert self._pid is None
        request = {"command": self._command, "environment": self._environment, "log_file": str(self.log_file)}
        process = starter()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{json.dumps(request)}\n")
        process.stdin.flush()
        self._pid = int(process.stdout.readline())

    def kill(self) -> None:
        """Kill the process and its workers, as a power failure does."""
        if self._pid is None:
            return
        with suppress(OSError):  # the process has ended by itself
            children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text("ascii")
            for pid in (self._pid, *map(int, children.split())):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        while not self.has_ended():
            time.sleep(0.001)
        self._pid = None

    def has_ended(self) -> bool:
        """Return whether the process has ended. Without a kill, this is an error."""
        return self._pid is not None and not Path(f"/proc/{self._pid}").exists()


def answers(url: str) -> bool:
    """Return whether a web process serves at this URL."""
    with suppress(httpx.HTTPError):
        return httpx.get(f"{url}/healthz", timeout=2).is_success
    return False
