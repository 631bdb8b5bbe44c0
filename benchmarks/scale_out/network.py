"""Hosts on one network: network namespaces that a bridge connects. A host can be cut off. They need root and Linux.

    with network() as net:
        host = net.add("relay-1")
        subprocess.Popen([*host.prefix, "webhook-service", "relay"])
        host.cut_off()

The addresses are of 198.18.0.0/15, which RFC 2544 reserves for benchmarks.
"""

import ipaddress
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PREFIX = "wso"
"""Names of bridges, links and namespaces begin with it. The number of the process that made them follows."""
NETWORKS = list(ipaddress.IPv4Network("198.18.0.0/15").subnets(new_prefix=24))


class NoNetwork(RuntimeError):
    """This machine or account cannot make network namespaces. The text says why."""


class MissingProgram(NoNetwork):
    """The program `ip` is not installed."""


@dataclass(frozen=True, slots=True)
class Host:
    """A network namespace with one address."""

    name: str
    address: str
    link: str
    """The bridge's end of the host's cable."""

    @property
    def namespace(self) -> str:
        return f"{PREFIX}{os.getpid()}-{self.name}"

    @property
    def prefix(self) -> tuple[str, ...]:
        """A command after this prefix runs on the host. Its process id is the one of the started process."""
        return ("ip", "netns", "exec", self.namespace)

    def cut_off(self) -> None:
        """Lose each packet from and to the host. No connection is closed."""
        ip("link", "set", self.link, "down")

    def connect(self) -> None:
        ip("link", "set", self.link, "up")


@dataclass(slots=True)
class Network:
    """The bridge, whose address `address` is that of the machine itself, where PostgreSQL listens."""

    bridge: str
    addresses: ipaddress.IPv4Network
    hosts: list[Host] = field(default_factory=list)

    @property
    def address(self) -> str:
        return str(self.addresses[1])

    def add(self, name: str) -> Host:
        number = len(self.hosts) + 1
        link, far = f"{PREFIX}{os.getpid()}l{number}", f"{PREFIX}{os.getpid()}f{number}"
        host = Host(name, str(self.addresses[number + 1]), link)
        self.hosts.append(host)  # before the first command, so that a host that is half made is removed too
        ip("netns", "add", host.namespace)
        ip("link", "add", "name", link, "type", "veth", "peer", "name", far, "netns", host.namespace)
        ip("link", "set", link, "master", self.bridge, "up")
        for command in (
            ("link", "set", "lo", "up"),
            ("link", "set", far, "name", "eth0"),
            ("address", "add", f"{host.address}/{self.addresses.prefixlen}", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
        ):
            ip("-n", host.namespace, *command)
        return host


@contextmanager
def network() -> Iterator[Network]:
    """A network without hosts. At the end it is removed, with its hosts. Raises NoNetwork."""
    require_rights()
    remove_leftovers()
    made = Network(f"{PREFIX}{os.getpid()}", NETWORKS[os.getpid() % len(NETWORKS)])
    try:
        ip("link", "add", "name", made.bridge, "type", "bridge")
        ip("address", "add", f"{made.address}/{made.addresses.prefixlen}", "dev", made.bridge)
        ip("link", "set", made.bridge, "up")
        yield made
    finally:
        remove(os.getpid())


def require_rights() -> None:
    """Raise NoNetwork unless this process may make namespaces, bridges and links, and MissingProgram without `ip`."""
    if shutil.which("ip") is None:
        raise MissingProgram("ip is missing: apt-get install iproute2")
    if os.geteuid() != 0:
        raise NoNetwork("network namespaces need root: run the command with sudo")
    name = f"{PREFIX}{os.getpid()}-try"
    try:
        ip("netns", "add", name)
        ip("-n", name, "link", "add", "name", "wso-b", "type", "bridge")
        ip("-n", name, "link", "add", "name", "wso-l", "type", "veth", "peer", "name", "wso-f")
    finally:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def remove_leftovers() -> None:
    """Remove the networks of processes that were killed."""
    for name in names():
        pid = name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            remove(int(pid))


def remove(pid: int) -> None:
    """Remove the network of a process, whose processes have ended. The links end with their namespaces."""
    own = f"{PREFIX}{pid}"
    for name in names():
        if name == own:
            subprocess.run(["ip", "link", "delete", name], capture_output=True)
        elif name.startswith(f"{own}-"):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def names() -> list[str]:
    """The names of all bridges and namespaces."""
    bridges = json.loads(ip("-json", "link", "show", "type", "bridge") or "[]")
    namespaces = json.loads(ip("-json", "netns", "list") or "[]")
    return [found["ifname"] for found in bridges if found] + [found["name"] for found in namespaces]


def ip(*arguments: str) -> str:
    """Run the command `ip`, and return its output. Raises NoNetwork if it refuses."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise NoNetwork(f"network namespaces are not permitted here: ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
