"""`webhook-service demo`, as a newcomer runs it: one demo for most tests, and more of them in the campaign."""

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

from tests.acceptance.command import environment_in, processes_about, settings_for, started_command
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
    errors_file: Path
    folder: Path

    def output(self) -> str:
        return self.output_file.read_text("utf-8")

    def errors(self) -> str:
        return self.errors_file.read_text("utf-8")

    def found(self, pattern: str) -> str:
        """Wait until the output matches the pattern, and return its group; fails if the demo ends before.

        A demo takes eight seconds, and more than forty on a busy machine.
        """
        wait_for(pattern, lambda: re.search(pattern, self.output()) or self.process.poll() is not None, seconds=120)
        match = re.search(pattern, self.output())
        assert match is not None, self.output() + self.errors()
        return match.group(1)


def left_behind(folder: Path) -> list[str]:
    """Processes and files; the embedded PostgreSQL leaves a lock file, which all its servers on a machine share."""
    files = [path.name for path in (folder / "tmp").iterdir() if path.name != ".lockfile"]
    return processes_about(folder) + files


@contextmanager
def demo(folder: Path, *arguments: str, **settings: str) -> Iterator[Demo]:
    folder.mkdir(exist_ok=True)
    environment = settings | environment_in(folder)
    output, errors = folder / "output.txt", folder / "errors.txt"
    with started_command(
        "demo", *arguments, environment=environment, folder=folder, output=output, errors=errors
    ) as process:
        yield Demo(process, output, errors, folder)


@dataclass(frozen=True, slots=True)
class Day:
    """The output and the answers of a demo that serves, and its end at Ctrl+C."""

    taken_url: str
    url: str
    ready: int
    failed_outcomes: list[str]
    output: str
    errors: str
    code: int
    left_behind: list[str]


@pytest.fixture(scope="module")
def day() -> Iterator[Day]:
    """One demo for all tests, which run on one worker. Settings of a real database are in its environment, and its port
    is in use.
    """
    with tempfile.TemporaryDirectory(prefix="ws-") as name, socket.create_server(("127.0.0.1", 0)) as taken:
        folder = Path(name)
        secret_file = folder / "secret.txt"
        secret_file.write_text("whsec_dGVzdC1zZWNyZXQtdGVzdC1zZWNyZXQtdGVzdC1zZWNyZXQ=", "ascii")
        real = settings_for("postgresql://db.example.com/postgres") | {
            "EMAIL_OWNER": "employees",
            "NAME_FIELDS": "none",
            "WEBHOOK_SECRETS_FILE": str(secret_file),
        }
        del real["WEBHOOK_SECRETS"]
        port = taken.getsockname()[1]
        with demo(folder, "--port", str(port), **real) as running:
            url = running.found(r"Serving at (http\S+)")
            key = running.found(r"ADMIN_API_KEY=(\S+)")
            running.found(r"curl -H (.*)")
            ready = httpx.get(f"{url}/readyz").status_code
            headers = {"Authorization": f"Bearer {key}"}
            failed = httpx.get(f"{url}/admin/api/events", params={"status": "FAILED"}, headers=headers)
            os.killpg(running.process.pid, signal.SIGINT)  # as Ctrl+C in a terminal, to all processes in the foreground
            code = running.process.wait(30)
            outcomes = [event["outcome"] for event in failed.json()["events"]]
            yield Day(
                f"http://127.0.0.1:{port}",
                url,
                ready,
                outcomes,
                running.output(),
                running.errors(),
                code,
                left_behind(folder),
            )


def test_a_demo_shows_each_outcome(day: Day) -> None:
    """A demo shows each outcome there is."""
    assert [outcome for outcome in OUTCOMES if outcome not in day.output] == []


def test_a_demo_shows_a_directory(day: Day) -> None:
    """A directory deactivates a person over HTTP, and the login is disabled."""
    assert re.search(r"Okta deactivates Nora +SUCCESS +disabled", day.output)
    assert re.search(r"E-1008 \(new\) +Nora Field +nora@example.com +disabled +no", day.output)


def test_a_demo_comes_to_a_good_end(day: Day) -> None:
    """A demo finds every employee as it should be. Settings for a real database neither reach nor disturb it."""
    assert (day.code, day.errors) == (0, ""), day.output


def test_a_demo_takes_another_port_than_one_in_use(day: Day) -> None:
    """A demo whose port is in use takes another one."""
    assert day.url != day.taken_url
    assert day.ready == 200


def test_a_demo_that_serves_can_be_used(day: Day) -> None:
    """Without --exit, the demo prints a URL and an admin key that work."""
    assert day.ready == 200
    assert day.failed_outcomes == ["ambiguous"]


def test_a_demo_that_is_ended_by_ctrl_c_leaves_nothing_behind(day: Day) -> None:
    """A demo that serves takes its processes and files with it at Ctrl+C, without a traceback."""
    assert day.left_behind == []
    assert "Traceback" not in day.output + day.errors
    assert day.output.splitlines()[-1] == "Stopping."


@pytest.mark.campaign
def test_demos_at_once_do_not_get_into_each_others_way(folder: Path) -> None:
    """Three `demo --exit` that start at the same moment with the same port end with 0 and leave nothing behind."""
    port = str(free_port())
    with ExitStack() as stack:
        demos = [stack.enter_context(demo(folder / name, "--exit", "--port", port)) for name in ("a", "b", "c")]
        codes = [each.process.wait(60) for each in demos]
        assert codes == [0, 0, 0], "\n".join(each.output() + each.errors() for each in demos)
        assert [each.errors() for each in demos] == ["", "", ""]
        assert [left_behind(each.folder) for each in demos] == [[], [], []]
        assert [outcome for each in demos for outcome in OUTCOMES if outcome not in each.output()] == []


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("when", "how"),
    [("Starting (an) embedded", "Ctrl+C"), ("Starting (an) embedded", "SIGTERM"), ("Serving at (http)", "SIGTERM")],
    ids=["starting-Ctrl+C", "starting-SIGTERM", "serving-SIGTERM"],
)
def test_a_demo_that_is_ended_leaves_nothing_behind(folder: Path, when: str, how: str) -> None:
    """A demo that is ended takes its processes and files with it at any moment, without a traceback."""
    with demo(folder, "--port", str(free_port())) as running:
        running.found(when)
        if how == "Ctrl+C":  # a terminal signals all processes in the foreground
            os.killpg(running.process.pid, signal.SIGINT)
        else:
            running.process.send_signal(signal.Signals[how])
        running.process.wait(30)
        assert left_behind(folder) == []
        assert "Traceback" not in running.output() + running.errors()
