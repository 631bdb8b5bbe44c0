"""The load, in which wrk sends each signed request once, over a fixed number of connections."""

import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed import processes
from benchmarks.speed.events import write

SCRIPT = Path(__file__).with_name("load.lua")
REFUSED = re.compile(r"Non-2xx or 3xx responses: ([0-9]+)")
MAX_SECONDS = 200
"""The maximum time of a run, which is well within the tolerance of the signatures."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One run. `seconds` are from the first request to the last response, and `load_cpu` is in CPU seconds of wrk."""

    seconds: float
    refused: int
    load_cpu: float


def require_wrk() -> None:
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is missing: apt-get install wrk")


def send(
    requests: Sequence[bytes], port: int, connections: int, *, host: str = "127.0.0.1", may_be_refused: bool = False
) -> Sent:
    """Send each request. Raise RuntimeError if a request was refused, was sent twice, or got no response."""
    with tempfile.TemporaryDirectory() as folder:
        file, result = Path(folder) / "requests", Path(folder) / "result"
        write(file, requests)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{MAX_SECONDS}", "--timeout", "30", "-s", str(SCRIPT)]
        arguments = [f"http://{host}:{port}", "--", str(file), str(result), str(connections)]
        wrk = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True)
        try:
            deadline = time.monotonic() + MAX_SECONDS
            while not result.exists() and wrk.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            load_cpu = processes.cpu_seconds([wrk.pid])
        finally:
            wrk.send_signal(signal.SIGINT)  # wrk's threads have stopped, but wrk would sleep until MAX_SECONDS
            reported, _ = wrk.communicate()
        if not result.exists():
            raise RuntimeError(f"not every request got a response: {reported}")
        sent, started, ended = result.read_text().split()
    found = REFUSED.search(reported)
    refused = int(found[1]) if found else 0
    if int(sent) != len(requests) or "Socket errors" in reported or (refused and not may_be_refused):
        raise RuntimeError(f"{sent} requests were sent instead of {len(requests)}, or some were refused: {reported}")
    return Sent(float(ended) - float(started), refused, load_cpu)
