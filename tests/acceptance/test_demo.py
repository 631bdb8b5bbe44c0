"""`webhook-service demo`, as a newcomer runs it."""

import os
import re
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import httpx
import pytest

from tests.acceptance.command import (
    environment_in,
    processes_about,
    run_command,
    settings_for,
    started_command,
)
from tests.acceptance.conftest import wait_for
from tests.ports import free_port

OUTCOMES = (
    "linked", "synced", "unchanged", "orphaned", "unmatched", "unconfirmed", "ignored", "stale", "duplicate",
    "ambiguous", "wrong_signature", "invalid_payload",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Demo:
    process: Popen[bytes]
    output_file: Path
    folder: Path

    def output(self) -> str:
        return self.output_file.read_text("utf-8")

    def found(self, pattern: str) -> str:
        """Waits until the output has this, and returns its group; fails where the demo ends before.

        A demo takes eight seconds; on a machine that is busy with other things, more than forty.
        """
        wait_for(pattern, lambda: re.search(pattern, self.output()) or self.process.poll() is not None, seconds=120)
        match = re.search(pattern, self.output())
        assert match is not None, self.output()
        return match.group(1)


def left_behind(folder: Path) -> list[str]:
    """Processes and files; the lock file of the embedded PostgreSQL belongs to all that run on this machine."""
    files = [path.name for path in (folder / "tmp").iterdir() if path.name != ".lockfile"]
    return processes_about(folder) + files


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[Demo]:
    folder.mkdir(exist_ok=True)
    environment = environment_in(folder)
    output = folder / "output.txt"
    with started_command("demo", *arguments, environment=environment, folder=folder, output=output) as process:
        yield Demo(process, output, folder)


@dataclass(frozen=True, slots=True)
class Day:
    """How `demo --exit` went."""

    code: int
    output: str
    errors: str
    left_behind: list[str]


@pytest.fixture(scope="module")
def day() -> Iterator[Day]:
    """A whole demo, where settings of a real database are in the environment."""
    with tempfile.TemporaryDirectory(prefix="ws-") as name:
        folder = Path(name)
        secret_file = folder / "secret.txt"
        secret_file.write_text("whsec_dGVzdC1zZWNyZXQtdGVzdC1zZWNyZXQtdGVzdC1zZWNyZXQ=", "ascii")
        real = settings_for("postgresql://db.example.com/postgres") | {
            "EMAIL_OWNER": "employees",
            "NAME_FIELDS": "none",
        }
        del real["WEBHOOK_SECRETS"]
        environment = real | {"WEBHOOK_SECRETS_FILE": str(secret_file)} | environment_in(folder)
        arguments = ("demo", "--exit", "--port", str(free_port()))
        code, output, errors = run_command(*arguments, environment=environment, folder=folder)
        yield Day(code, output, errors, left_behind(folder))


def test_a_demo_shows_each_outcome(day: Day) -> None:
    """`demo --exit` shows each outcome there is."""
    assert [outcome for outcome in OUTCOMES if outcome not in day.output] == []


def test_a_demo_comes_to_a_good_end(day: Day) -> None:
    """It finds every employee as it should be. What is set for a real database neither reaches nor disturbs it."""
    assert (day.code, day.errors) == (0, ""), day.output


def test_a_demo_leaves_nothing_behind(day: Day) -> None:
    """When `demo --exit` has ended, no process and no file of it is left."""
    assert day.left_behind == []


def test_a_demo_takes_another_port_than_one_in_use(folder: Path) -> None:
    """Where somebody listens on its port, a demo takes another one."""
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        demo(folder, "--port", str(taken.getsockname()[1])) as other,
    ):
        url = other.found(r"Serving at (http\S+)")
        assert httpx.get(f"{url}/readyz").status_code == 200


def test_demos_at_once_do_not_get_into_each_others_way(folder: Path) -> None:
    """Three demos that start at the same moment and want the same port all come to a good end."""
    port = str(free_port())
    with ExitStack() as stack:
        demos = [stack.enter_context(demo(folder / name, "--exit", "--port", port)) for name in ("a", "b", "c")]
        codes = [each.process.wait(60) for each in demos]
        assert codes == [0, 0, 0], "\n".join(each.output() for each in demos)


def test_a_demo_that_serves_can_be_used(folder: Path) -> None:
    """Without --exit, the demo prints a URL and an admin key that work."""
    with demo(folder, "--port", str(free_port())) as running:
        url = running.found(r"Serving at (http\S+)")
        key = running.found(r"ADMIN_API_KEY=(\S+)")
        running.found(r"curl -H (.*)")
        assert httpx.get(f"{url}/readyz").status_code == 200
        headers = {"Authorization": f"Bearer {key}"}
        failed = httpx.get(f"{url}/admin/api/events", params={"status": "FAILED"}, headers=headers)
        assert [event["outcome"] for event in failed.json()["events"]] == ["ambiguous"]


@pytest.mark.parametrize("how", ["Ctrl+C", "SIGTERM"])
@pytest.mark.parametrize("when", ["Starting (an) embedded", "Serving at (http)"], ids=["starting", "serving"])
def test_a_demo_that_is_ended_leaves_nothing_behind(folder: Path, how: str, when: str) -> None:
    """However and whenever a demo is ended, it takes its processes and files with it, without a traceback."""
    with demo(folder, "--port", str(free_port())) as running:
        running.found(when)
        if how == "Ctrl+C":  # the terminal tells all processes in the foreground
            os.killpg(running.process.pid, signal.SIGINT)
        else:
            running.process.send_signal(signal.Signals[how])
        running.process.wait(30)
        assert left_behind(folder) == []
        assert "Traceback" not in running.output()
        if when.startswith("Serving") and how == "Ctrl+C":
            assert running.output().splitlines()[-1] == "Stopping."
