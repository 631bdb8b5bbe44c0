"""The processes of a chaos run besides PostgreSQL. Each can be killed and started again."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import httpx

from tests.acceptance.command import COMMAND
from webhook_service.server import process as server_process

RELAY = (COMMAND, "relay")
WEB = server_process.COMMAND


class Killable:
    """A command with its environment, and the file for its output."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log_file: Path) -> None:
        self.log_file = log_file
        self._command = command
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, and do not wait for it."""
        assert self._process is None
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """Kill the process and its workers, as a power failure does."""
        if self._process is None:
            return
        if self._process.poll() is None:
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text("ascii")
            for pid in (self._process.pid, *map(int, children.split())):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def has_ended(self) -> bool:
        """Return whether the process has ended without a kill, which is an error."""
        return self._process is not None and self._process.poll() is not None


def answers(url: str) -> bool:
    """Return whether a web process serves at this URL."""
    with suppress(httpx.HTTPError):
        return httpx.get(f"{url}/healthz", timeout=2).is_success
    return False
