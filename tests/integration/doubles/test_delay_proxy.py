"""The delaying proxy that the benchmarks put between service and database changes no bytes."""

import contextlib
import random
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
def echoing() -> Iterator[Path]:
    """Run a socket that echoes the bytes of one connection, and return its path."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        place = Path(folder) / "echo"
        listener.bind(str(place))
        listener.listen()

        def echo() -> None:
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(4096):
                    connection.sendall(data)

        thread = threading.Thread(target=echo)
        thread.start()
        yield place
        thread.join(PATIENCE)


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
    with echoing() as place:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.speed.delay_proxy", str(port), str(place), "0.002"], cwd=ROOT
        )
        try:
            with connected(port, process) as connection:
                for start in range(0, len(sent), 7000):
                    connection.sendall(sent[start : start + 7000])
                received = b""
                while len(received) < len(sent):
                    received += connection.recv(65536)
        finally:
            process.terminate()
            process.wait()
    assert received == sent
