"""A real PostgreSQL from Debian's packages: with contrib, over TCP, and one that can be killed as by a power loss."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.ports import free_port

VERSIONS = Path("/usr/lib/postgresql")
PATIENCE = 60.0
ACCOUNT = "postgres" if os.geteuid() == 0 else None
"""The server refuses to run as root; Debian's package brings this account."""

# A kill leaves the kernel's cache alone, so nothing is lost without fsync; only a real power cut would. Shared memory
# in the folder (mmap) goes with the folder, also after a kill.
CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
max_connections = 100
shared_buffers = 16MB
dynamic_shared_memory_type = mmap
fsync = off
"""


def installed() -> Path | None:
    """The folder of the newest server's programs, if there is one."""
    found = [initdb.parent for initdb in VERSIONS.glob("*/bin/initdb") if initdb.parents[1].name.isdigit()]
    return max(found, key=lambda programs: int(programs.parent.name), default=None)


class Cluster:
    """A server and its data in `folder`, which also has its log and its socket. The port stays over restarts."""

    def __init__(self, programs: Path, folder: Path):
        self.folder = folder
        self.log_file = folder / "postgres.log"
        self.port = free_port()
        self._programs = programs
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def url(self, database: str = "postgres") -> str:
        """Of this database, for its superuser, over TCP."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def socket_url(self, database: str = "postgres") -> str:
        """The same through the unix socket."""
        return f"postgresql://postgres@/{database}?host={self.folder}&port={self.port}"

    def create(self) -> None:
        """Makes the empty cluster: UTF-8, superuser `postgres`, no passwords."""
        subprocess.run(
            [
                *(self._programs / "initdb", "--pgdata", self._data, "--username=postgres", "--auth=trust"),
                *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
            ],
            cwd=self.folder,
            user=ACCOUNT,
            group=ACCOUNT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write(CONFIGURATION.format(port=self.port, folder=self.folder))

    def start(self) -> None:
        """Starts the server and waits until it answers; after a kill, until it has recovered."""
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
                start_new_session=True,  # Ctrl+C is for the tests, which then stop it
            )
        deadline = time.monotonic() + PATIENCE
        while self.running and time.monotonic() < deadline:
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.url(), connect_timeout=5).close()
                return
            time.sleep(0.02)
        pytest.fail(f"PostgreSQL did not start:\n{self.log_file.read_text('utf-8', 'replace')}")

    def kill(self) -> None:
        """As a power loss: nobody gets to say goodbye. When it returns, no process of it is left."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGSTOP)  # so that it starts no more children meanwhile
        _wait_for_states(process.pid, "T")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii").split()
        pids = [process.pid, *map(int, children)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in pids:
            # One that has ended and whose parent has not yet noticed holds nothing any more.
            _wait_for_states(pid, "ZX")
        process.wait()

    def stop(self) -> None:
        """Ends it in order; open connections are cut."""
        if self._process is None or not self.running:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


def _wait_for_states(pid: int, states: str) -> None:
    """Until the process is in one of these states of /proc/PID/stat, or gone."""
    deadline = time.monotonic() + PATIENCE
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
def cluster() -> Iterator[Cluster]:
    """A started cluster in a temporary folder, removed at the end.

    Where it cannot run, the test is skipped; with CI in the environment it fails: a CI run must not pass without it.
    """
    programs = installed()
    if programs is None:
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up("needs Debian's postgresql: apt-get install postgresql")
    # Not pytest's folder: that one is closed to other accounts, and too long a name for a socket.
    with tempfile.TemporaryDirectory(prefix="ws-pg-") as name:
        if ACCOUNT is not None:
            shutil.chown(name, ACCOUNT, ACCOUNT)
        made = Cluster(programs, Path(name))
        made.create()
        try:
            made.start()
            yield made
        finally:
            made.stop()
