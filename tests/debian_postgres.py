"""A PostgreSQL from Debian's packages, which has contrib, listens on TCP, and can be killed as by a power loss."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest

from tests.ports import free_port

VERSIONS = Path("/usr/lib/postgresql")
MEMORY, ROOM_BYTES = Path("/dev/shm"), 8 * 2**30  # noqa: S108 (each test process makes its own folder in it)
PATIENCE_SECONDS = 60.0
ACCOUNT = "postgres" if os.geteuid() == 0 else None
"""The account that Debian's package creates, because the server refuses to run as root."""

# Without fsync, only a power cut loses data, because a kill does not change the kernel's cache. Shared memory (mmap) is
# in the folder, so that it is removed with the folder, even after a kill.
CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
max_connections = 100
shared_buffers = 16MB
dynamic_shared_memory_type = mmap
fsync = off
autovacuum = off
"""


def roomy_memory() -> Path | None:
    """A folder in memory, if it has room. Thousands of databases cost the least there: before ext4 creates a file, it
    examines each file that it deleted in the last seconds.
    """
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES else None


class BrokenInstallation(Exception):
    """The installed server does not start."""


def cannot_run(why: str) -> NoReturn:
    """Skip the test. With CI in the environment, fail the test, because a CI run must not pass without it."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def installed() -> Path | None:
    """The folder with the programs of the newest installed server."""
    found = [initdb.parent for initdb in VERSIONS.glob("*/bin/initdb") if initdb.parents[1].name.isdigit()]
    return max(found, key=lambda programs: int(programs.parent.name), default=None)


def files_of(programs: Path) -> set[tuple[str, int]]:
    """The server's programs and libraries by name and inode. An upgrade of the package changes the inodes."""
    with os.scandir(programs) as found, os.scandir(programs.with_name("lib")) as libraries:
        return {(file.name, file.inode()) for file in (*found, *libraries)}


class Cluster:
    """A server with its data, its log and its socket in `folder`. It has the same port after each restart."""

    def __init__(self, programs: Path, folder: Path, superuser: str = "postgres"):
        self.folder = folder
        self.superuser = superuser
        self.log_file = folder / "postgres.log"
        self.port = free_port()
        self._programs = programs
        self._files = files_of(programs)
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def url(self, database: str = "postgres") -> str:
        """The superuser's URL of this database over TCP."""
        return f"postgresql://{self.superuser}@127.0.0.1:{self.port}/{database}"

    def socket_url(self, database: str = "postgres") -> str:
        """The superuser's URL of this database over the Unix socket."""
        return f"postgresql://{self.superuser}@/{database}?host={self.folder}&port={self.port}"

    def create(self) -> None:
        """Make the empty cluster with UTF-8, the superuser, and no passwords. Raises BrokenInstallation."""
        done = subprocess.run(
            [
                *(self._programs / "initdb", "--pgdata", self._data, f"--username={self.superuser}", "--auth=trust"),
                *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
            ],
            cwd=self.folder,
            user=ACCOUNT,
            group=ACCOUNT,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise BrokenInstallation(f"initdb of {self._programs} failed:\n{done.stderr}")
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write(CONFIGURATION.format(port=self.port, folder=self.folder))

    def start(self) -> None:
        """Start the server and wait until it runs PL/pgSQL. After a kill, this is when it has recovered.

        Raises BrokenInstallation if the server ends or takes too long.
        """
        assert not self.running
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data],
                cwd=self.folder,
                user=ACCOUNT,
                group=ACCOUNT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl+C ends the tests, which then stop the server
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.running and time.monotonic() < deadline:
            with suppress(psycopg.OperationalError), psycopg.connect(self.url(), connect_timeout=5) as connection:
                connection.execute("do 'begin end'")  # loads a library, which must fit the server
                return
            time.sleep(0.02)
        said = self.log_file.read_text("utf-8", "replace")
        raise BrokenInstallation(f"the PostgreSQL of {self._programs} did not start:\n{said}")

    def check_installation(self) -> None:
        """Skip the test, or fail it in CI, if the package was upgraded since this object was made."""
        try:
            is_unchanged = files_of(self._programs) == self._files
        except FileNotFoundError:
            is_unchanged = False
        if not is_unchanged:
            cannot_run(f"{self._programs} was upgraded while its server ran: run the tests again after the upgrade")

    def kill(self) -> None:
        """Kill all processes of the server at once, as a power loss does. Return after all of them have ended."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGSTOP)  # a stopped server starts no more children
        _wait_for_states(process.pid, "T")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii").split()
        pids = [process.pid, *map(int, children)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in pids:
            # A zombie is a process whose parent has not noticed its end yet. It holds no files and no memory.
            _wait_for_states(pid, "ZX")
        process.wait()

    def stop(self) -> None:
        """Shut the server down, which closes open connections."""
        if self._process is None or not self.running:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


def _wait_for_states(pid: int, states: str) -> None:
    """Wait until the process is in one of these states of /proc/PID/stat, or has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (state := _state(pid)) is not None and state not in states:
        if time.monotonic() > deadline:
            pytest.fail(f"process {pid} is in state {state}, and not in {states}")
        time.sleep(0.002)


def _state(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


@contextmanager
def cluster(superuser: str = "postgres") -> Iterator[Cluster]:
    """A started cluster in a temporary folder, removed at the end.

    Without a server that starts, the test is skipped, or fails in CI.
    """
    programs = installed()
    if programs is None:
        cannot_run("needs Debian's postgresql: apt-get install postgresql")
    # Pytest's temporary folder is closed to other accounts, and its name is too long for a socket.
    with tempfile.TemporaryDirectory(prefix="ws-pg-", dir=roomy_memory()) as name, ExitStack() as stack:
        if ACCOUNT is not None:
            shutil.chown(name, ACCOUNT, ACCOUNT)
        try:
            made = Cluster(programs, Path(name), superuser)
            stack.callback(made.stop)
            made.create()
            made.start()
        except (BrokenInstallation, OSError) as error:
            cannot_run(f"Debian's postgresql is broken, or is being upgraded: {error}")
        yield made
