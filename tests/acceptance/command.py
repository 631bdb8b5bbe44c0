"""The command `webhook-service`, as a process or in the process of the tests: its environment, input and output."""

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

from click.testing import CliRunner

from tests.auth_traffic import CONFIRMED, SECRET, insert
from tests.conftest import ADMIN_KEY
from webhook_service.cli.main import main
from webhook_service.demo.traffic import body_of

COMMAND = str(Path(sys.executable).with_name("webhook-service"))


def settings_for(database_url: str) -> dict[str, str]:
    """The environment that the service needs, and nothing else from the environment of the tests.

    The daily run of reconcile is off, so that no test depends on the time of the day.
    """
    secrets = {"WEBHOOK_SECRETS": SECRET, "ADMIN_API_KEY": ADMIN_KEY}
    return clean_environment() | secrets | {"DATABASE_URL": database_url, "RECONCILE_AT": "off"}


def clean_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def environment_in(folder: Path) -> dict[str, str]:
    """An environment with temporary files in `folder`: leftovers are found, and no lock is shared with other tests."""
    (folder / "tmp").mkdir(exist_ok=True)
    return clean_environment() | {"TMPDIR": str(folder / "tmp"), "COLUMNS": "200"}


def processes_about(folder: Path) -> list[str]:
    """Commands of the processes that have this folder in their command line or in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # the process has just ended, or belongs to another account
            command = (process / "cmdline").read_bytes()
            if f"{folder}/".encode() in command + (process / "environ").read_bytes():
                found.append(f"{process.name}: {command.replace(bytes(1), b' ').decode()}")
    return found


def run_program(*arguments: str, environment: dict[str, str], folder: Path, stdin: str = "") -> tuple[int, str, str]:
    """Run the installed `webhook-service` and return its exit code, standard output and standard error."""
    done = subprocess.run(
        [COMMAND, *arguments], env=environment, cwd=folder, input=stdin, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


@cache
def forker() -> "subprocess.Popen[str]":
    """The process that forks for each `run_command` of this process, and ends with it."""
    command = [sys.executable, "-m", "tests.acceptance.forker"]
    process = subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(process.communicate)
    return process


def run_command(*arguments: str, environment: dict[str, str], folder: Path, stdin: str = "") -> tuple[int, str, str]:
    """Like `run_program`, in a process that has imported the program already."""
    with tempfile.TemporaryDirectory(prefix="ws-streams-") as name:
        streams = [Path(name) / stream for stream in ("stdin", "stdout", "stderr")]
        for stream, text in zip(streams, (stdin, "", ""), strict=True):
            stream.write_text(text, "utf-8")
        request = {
            "arguments": [COMMAND, *arguments],
            "environment": environment,
            "folder": str(folder),
            "streams": [str(stream) for stream in streams],
        }
        process = forker()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{json.dumps(request)}\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        return code, streams[1].read_text("utf-8"), streams[2].read_text("utf-8")


def run_in_process(*arguments: str, environment: dict[str, str], folder: Path, stdin: str = "") -> tuple[int, str, str]:
    """Like `run_command`, in this process, for a command that refuses its arguments or settings. Fails if the command
    goes so far that it would change this process.
    """
    too_far = AssertionError("the command refuses nothing: run it as a process")
    sigterm = signal.getsignal(signal.SIGTERM)
    try:
        with (
            patch.dict(os.environ, environment, clear=True),
            patch("os.execve", side_effect=too_far),
            patch("logging.config.dictConfig", side_effect=too_far),
            contextlib.chdir(folder),
        ):
            done = CliRunner(catch_exceptions=False).invoke(main, arguments, input=stdin, prog_name=Path(COMMAND).name)
    finally:
        signal.signal(signal.SIGTERM, sigterm)
    return done.exit_code, done.stdout, done.stderr


AS_FROM_A_TERMINAL = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Processes in the background of a shell ignore SIGINT, and under nohup SIGHUP, and their children inherit that."""


@contextmanager
def started_command(
    *arguments: str, environment: dict[str, str], folder: Path, output: Path, errors: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """`webhook-service` with these arguments in a session of its own, killed at the end. Its output is in a file, with
    its standard error or apart from it.
    """
    with output.open("wb") as file, (errors or output).open("ab") as errors_file:
        process = subprocess.Popen(
            [sys.executable, "-c", AS_FROM_A_TERMINAL, COMMAND, *arguments],
            env=environment,
            cwd=folder,
            stdout=file,
            stderr=errors_file if errors else file,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        kill_leftovers(folder)


def kill_leftovers(folder: Path) -> None:
    """Kill the processes that one test leaves, and wait for their end, so that its folder can be removed."""
    deadline = time.monotonic() + 30
    while (left := processes_about(folder)) and time.monotonic() < deadline:
        for line in left:
            with contextlib.suppress(OSError):
                os.kill(int(line.split(":")[0]), signal.SIGKILL)
        time.sleep(0.01)


EVENT = body_of(insert(email="jane@example.com", email_confirmed_at=CONFIRMED)).decode()

Run = Callable[..., tuple[int, str, str]]


def assert_one_clear_line(errors: str, *mentioned: str) -> None:
    """The errors are one line, besides click's hints on usage, and so no traceback."""
    lines = [line for line in errors.splitlines() if line and not line.startswith(("Usage:", "Try "))]
    assert len(lines) == 1, errors
    assert [word for word in mentioned if word not in lines[0]] == []


def headers_in(output: str) -> dict[str, str]:
    """The headers as `curl -H @headers.txt` reads them."""
    pairs = [line.split(": ", 1) for line in output.splitlines()]
    return {"Content-Type": "application/json"} | {name: value for name, value in pairs}
