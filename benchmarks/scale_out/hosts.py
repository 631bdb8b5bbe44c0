"""The processes on the hosts: receivers (the web process without its relay) and relays."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.scale_out.database import cluster
from benchmarks.scale_out.network import Host, Network, network
from benchmarks.speed import processes
from tests.acceptance.command import settings_for
from tests.chaos.processes import RELAY, WEB
from tests.debian_postgres import Cluster
from webhook_service.guardian import guarded

PORT = 8000
PATIENCE_SECONDS = 60.0
STARTED = b"relay started"
"""The line that each loop of a relay writes to its log."""


@dataclass(slots=True)
class Member:
    """A receiver or a relay on its host. It can be started again after it has ended."""

    host: Host
    command: Sequence[str]
    environment: Mapping[str, str]
    log_file: Path
    checkout: Path | None = None
    """The checkout whose program it starts. None is this one."""
    process: "subprocess.Popen[bytes] | None" = None
    _guards: ExitStack = field(default_factory=ExitStack)

    @property
    def name(self) -> str:
        return self.host.name

    @property
    def url(self) -> str:
        return f"http://{self.host.address}:{PORT}"

    @property
    def pid(self) -> int:
        assert self.process is not None  # noqa: S101 (only a member that was started is asked)
        return self.process.pid

    def start(self) -> None:
        """Start the process, and do not wait until it is ready."""
        self.log_file.write_bytes(b"")
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.host.prefix, *self.command],
                env=dict(self.environment) | program_of(self.checkout),
                cwd=self.checkout,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._guards.enter_context(guarded(self.process.pid, signal.SIGTERM))

    def wait_until_ready(self) -> None:
        wait_for(f"{self.name} to start (its log is {self.log_file})", self.is_ready)

    def is_ready(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(f"{self.name} has ended:\n{self.log_file.read_text('utf-8', 'replace')[-2000:]}")
        if self.command == RELAY:
            return STARTED in self.log_file.read_bytes()
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).is_success
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send the signal to the process and its workers."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def stop(self) -> None:
        """End the process with SIGTERM, as a host does before an upgrade, and wait for its end."""
        assert self.process is not None  # noqa: S101
        self.process.terminate()
        self.process.wait(PATIENCE_SECONDS)
        self._guards.close()

    def kill(self) -> None:
        """End the process and its workers with SIGKILL, as a power failure does."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait()
        self._guards.close()

    def cut_off(self) -> None:
        self.host.cut_off()

    def connect(self) -> None:
        self.host.connect()

    def memory_mb(self) -> float:
        """The resident memory of the process and its workers."""
        return sum(processes.memory_mb(pid)[0] for pid in (self.pid, *processes.children(self.pid)))


@dataclass(slots=True)
class Site:
    """PostgreSQL, and the hosts of the network that use it."""

    net: Network
    server: Cluster
    folder: Path
    members: list[Member] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The database from the machine itself."""
        return self.server.url()

    def receiver(self, number: int) -> Member:
        settings = {"HOST": "0.0.0.0", "PORT": str(PORT), "RELAY": "off", "WEB_CONCURRENCY": "1"}  # noqa: S104
        return self._member(f"receiver-{number}", WEB, settings)

    def relay(self, number: int) -> Member:
        return self._member(f"relay-{number}", RELAY, {})

    def _member(self, name: str, command: Sequence[str], more: Mapping[str, str]) -> Member:
        url = f"postgresql://{self.server.superuser}@{self.net.address}:{self.server.port}/postgres"
        environment = settings_for(f"{url}?application_name={name}") | {"LOG_FORMAT": "json"} | dict(more)
        host = self.net.add(name)
        member = Member(host, command, environment, self.folder / f"{name}.log")
        self.members.append(member)
        return member


def program_of(checkout: Path | None) -> dict[str, str]:
    """The environment variables of a process that runs the program of another checkout."""
    return {} if checkout is None else {"PYTHONPATH": str(checkout)}


@contextmanager
def site(folder: Path, *, is_durable: bool = True) -> Iterator[Site]:
    """A network with PostgreSQL and without hosts. At the end all processes are killed. Logs are in `folder`."""
    with network() as net, cluster(net.address, str(net.addresses), is_durable=is_durable) as server:
        made = Site(net, server, folder)
        try:
            yield made
        finally:
            for member in made.members:
                member.kill()


@contextmanager
def running(members: Sequence[Member]) -> Iterator[None]:
    """Start the members, wait until all are ready, and kill them at the end."""
    try:
        for member in members:
            member.start()
        for member in members:
            member.wait_until_ready()
        yield
    finally:
        for member in members:
            member.kill()


def wait_for(what: str, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until the condition holds. Raises RuntimeError if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)
