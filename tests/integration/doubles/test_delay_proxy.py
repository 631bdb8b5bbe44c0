"""The delaying proxy that the benchmarks put between service and database changes no bytes."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.ports import free_port

PATIENCE = 20.0
ROOT = Path(__file__).parents[3]


@contextlib.contextmanager
def echoing(connections: int = 1) -> Iterator[Path]:
    """Run a socket that echoes the bytes of so many connections, one after another, and return its path."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        place = Path(folder) / "echo"
        listener.bind(str(place))
        listener.listen()

        def echo() -> None:
            for _ in range(connections):
                connection, _ = listener.accept()
                with connection:
                    while data := connection.recv(4096):
                        connection.sendall(data)

        thread = threading.Thread(target=echo)
        thread.start()
        yield place
        thread.join(PATIENCE)


@contextlib.contextmanager
def proxying(port: int, place: Path, delay: float) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.speed.delay_proxy", str(port), str(place), str(delay)], cwd=ROOT
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def connected(port: int, process: "subprocess.Popen[bytes]") -> socket.socket:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        except ConnectionRefusedError:
            assert process.poll() is None
            assert time.monotonic() < deadline


def test_bytes_arrive_whole_and_in_order() -> None:
    """Bytes arrive complete and in order, however they are cut into pieces."""
    sent = random.Random(1).randbytes(300_000)
    port = free_port()
    with (
        echoing() as place,
        proxying(port, place, 0.002) as process,
        connected(port, process) as connection,
    ):
        for start in range(0, len(sent), 7000):
            connection.sendall(sent[start : start + 7000])
        assert received_from(connection, len(sent)) == sent


def received_from(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        data = connection.recv(65536)
        assert data, f"closed after {len(received)} bytes"
        received += data
    return received


def test_bytes_that_arrive_before_the_proxy_has_connected_are_not_lost() -> None:
    """The bytes of a client wait until the proxy has accepted it and has connected to the other side.

    The proxy is stopped, so that a new client waits in the kernel's queue and its bytes are there when it is accepted.
    """
    port = free_port()
    with echoing(2) as place, proxying(port, place, 0) as process:
        connected(port, process).close()  # the proxy listens
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"early")
            process.send_signal(signal.SIGCONT)
            assert received_from(connection, 5) == b"early"
