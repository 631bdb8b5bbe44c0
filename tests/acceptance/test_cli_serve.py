"""`webhook-service serve` in a shell: the folder that it serves, the end of the process, and the start of gunicorn."""

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen

import httpx
import pytest

from tests.acceptance.command import (
    EVENT,
    environment_in,
    headers_in,
    processes_about,
    run_command,
    settings_for,
    started_command,
)
from tests.acceptance.conftest import children_of, wait_for
from tests.auth_traffic import SECRET
from tests.ports import free_port
from webhook_service.server import process as server_process


@contextmanager
def served(folder: Path, **settings: str) -> Iterator[tuple[str, Popen[bytes]]]:
    """Run `serve` with the embedded PostgreSQL in `folder`/data until it is ready. Yields its URL and process."""
    port = str(free_port())
    arguments = ("serve", "--port", port, "--data-dir", str(folder / "data"), "--workers", "1")
    environment = environment_in(folder) | settings
    with started_command(*arguments, environment=environment, folder=folder, output=folder / "output.txt") as process:
        server_process.wait_until_ready(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}", process


def text_of(file: Path) -> bytes:
    """The bytes of a file in /proc, or none if the process has ended."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def sign_here(folder: Path, event_id: str) -> dict[str, str]:
    """Headers for EVENT, signed with the secret in the served folder."""
    arguments = ("sign", "--id", event_id, "--data-dir", str(folder / "data"))
    return headers_in(run_command(*arguments, environment=environment_in(folder), folder=folder, stdin=EVENT)[1])


def test_serve_keeps_its_folder(folder: Path) -> None:
    """A folder that is served again has the same secrets and data. Only the owner may read the secrets."""
    secrets = folder / "data" / "secrets.env"
    with served(folder) as (url, process):
        made = secrets.read_text("ascii")
        assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
        headers = sign_here(folder, "evt-1")
        assert httpx.post(f"{url}/webhook/auth", content=EVENT, headers=headers).json()["outcome"] == "unmatched"
        process.terminate()
        assert process.wait(30) == 0
    with served(folder) as (url, process):
        assert secrets.read_text("ascii") == made
        assert httpx.post(f"{url}/webhook/auth", content=EVENT, headers=headers).json()["outcome"] == "duplicate"


@pytest.mark.campaign
@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "SIGHUP", "Ctrl+C"])
def test_serve_ends_with_everything_it_started(folder: Path, how: str) -> None:
    """`serve` ends with 0, without a traceback, and together with its PostgreSQL and its server."""
    with served(folder) as (_, process):
        if how == "Ctrl+C":  # a terminal signals all processes in the foreground
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.Signals[how])
        code = process.wait(30)
        assert processes_about(folder) == []
        assert (code, "Traceback" in (folder / "output.txt").read_text("utf-8")) == (0, False)


@pytest.mark.campaign
def test_a_killed_serve_leaves_no_process_and_serves_its_folder_again(folder: Path) -> None:
    """After a SIGKILL of `serve`, its PostgreSQL and its server end. The next `serve` ends with all it started, too."""
    with served(folder) as (_, process):
        process.kill()
        process.wait()
        wait_for(
            "everything has ended", lambda: processes_about(folder) == [], seconds=60
        )  # the relay has 15 s to stop
    with served(folder) as (url, process):
        assert httpx.get(f"{url}/readyz").status_code == 200
        process.terminate()
        assert process.wait(30) == 0
        assert processes_about(folder) == []


@pytest.mark.campaign
def test_a_killed_command_leaves_the_served_folder_running(folder: Path) -> None:
    """The guardian of a killed command does not stop the PostgreSQL that another command uses."""
    with served(folder) as (url, _):
        arguments = ("relay", "--data-dir", str(folder / "data"))
        output = folder / "relay.txt"
        with started_command(*arguments, environment=environment_in(folder), folder=folder, output=output) as command:
            wait_for("the relay has started", lambda: "relay" in output.read_text("utf-8"))
            guardians = [Path(f"/proc/{pid}/cmdline") for pid in children_of(command.pid)]
            assert [
                guardian for guardian in guardians if b"webhook_service.guardian" not in guardian.read_bytes()
            ] == []
            command.kill()
            command.wait()
            wait_for("its guardian has ended", lambda: not any(text_of(guardian) for guardian in guardians))
            assert httpx.get(f"{url}/readyz").status_code == 200


def content(file: Path) -> str:
    """The text of a file that a process may replace at any moment, or "" while there is none."""
    with suppress(FileNotFoundError):
        return file.read_text("utf-8")
    return ""


@pytest.mark.campaign
def test_serve_that_is_ended_while_it_starts(folder: Path) -> None:
    """A SIGTERM before the server is ready leaves no PostgreSQL behind."""
    arguments = ("serve", "--port", str(free_port()), "--data-dir", str(folder / "data"))
    output = folder / "output.txt"
    with started_command(*arguments, environment=environment_in(folder), folder=folder, output=output) as process:
        state = folder / "data" / "postgres" / "postmaster.pid"
        wait_for("PostgreSQL is up", lambda: state.exists() and "ready" in state.read_text("utf-8"))
        process.terminate()
        process.wait(30)
        assert processes_about(folder) == []


def test_other_commands_leave_the_served_folder_running(folder: Path) -> None:
    """`replay` and `migrate` work on a folder that is being served, and the server goes on."""
    with served(folder) as (url, _):
        for arguments in (("migrate",), ("replay", "--all", "--yes")):
            here = (*arguments, "--data-dir", str(folder / "data"))
            code, _, errors = run_command(*here, environment=environment_in(folder), folder=folder)
            assert code == 0, errors
        assert httpx.get(f"{url}/readyz").status_code == 200


def test_own_secrets_with_the_embedded_database(folder: Path) -> None:
    """WEBHOOK_SECRETS_FILE has priority over the secret in the folder."""
    (folder / "secret.txt").write_text(SECRET, "ascii")
    with served(folder, WEBHOOK_SECRETS_FILE=str(folder / "secret.txt")) as (url, _):
        assert httpx.get(f"{url}/readyz").status_code == 200


def test_serve_becomes_gunicorn(database_url: str, folder: Path) -> None:
    """With DATABASE_URL, the process becomes gunicorn, so that it gets the signals. SIGTERM ends it with 0."""
    port = free_port()
    arguments = ("serve", "--port", str(port), "--host", "127.0.0.1", "--workers", "3")
    output = folder / "output.txt"
    environment = settings_for(database_url)
    with started_command(*arguments, environment=environment, folder=folder, output=output) as process:
        server_process.wait_until_ready(f"http://127.0.0.1:{port}", process)
        assert b"gunicorn" in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert len(children_of(process.pid)) == 3
        process.terminate()
        assert process.wait(30) == 0
