"""The times to import wsgi, to start a server until it is ready, and to start the demo until its first response."""

import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median

from benchmarks.speed import servers
from benchmarks.speed.database import running
from benchmarks.speed.options import Options, Report
from benchmarks.speed.report import Figure
from tests.ports import free_port
from webhook_service.server import process as server_process

IMPORT = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| +(\S+)")
HEAVIEST = 10
DEMO_GOAL_SECONDS = 10.0
MINIMAL_SETTINGS = {
    "DATABASE_URL": "postgresql://postgres@127.0.0.1:1/postgres",  # importing does not connect
    "WEBHOOK_SECRETS": "whsec_" + "c2VjcmV0" * 6,
    "ADMIN_API_KEY": "a-key-for-this-benchmark",
}


def measure(options: Options, report: Report) -> list[Figure]:
    times = max(3, options.rounds)
    nothing, wsgi = (median(python_takes(code) for _ in range(times)) for code in ("pass", "import wsgi"))
    report(f"import wsgi: {wsgi - nothing:.2f} s")
    with running(1) as database:
        ready = []
        for _ in range(times):
            started = time.perf_counter()
            with servers.product(database.environment, relay=True):
                ready.append(time.perf_counter() - started)
    report(f"gunicorn is ready after {median(ready):.2f} s")
    demo = median(demo_takes() for _ in range(min(3, options.rounds)))
    report(f"demo answers after {demo:.2f} s")
    return [
        Figure("`import wsgi`, without Python's own start", f"{wsgi - nothing:.2f} s", heaviest()),
        Figure("from gunicorn's start to the first 200 of /readyz", f"{median(ready):.2f} s"),
        Figure(
            "from `webhook-service demo` to its first answer", f"{demo:.2f} s", "", "< 10 s", demo < DEMO_GOAL_SECONDS
        ),
    ]


def environment() -> dict[str, str]:
    return servers.clean() | MINIMAL_SETTINGS


def python_takes(code: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env=environment(), check=True)
    return time.perf_counter() - started


def heaviest() -> str:
    """The packages whose modules take longest by `-X importtime`, which adds time."""
    command = [sys.executable, "-X", "importtime", "-c", "import wsgi"]
    done = subprocess.run(command, env=environment(), check=True, capture_output=True, text=True)
    took: Counter[str] = Counter()
    for own, _, name in IMPORT.findall(done.stderr):
        took[name.split(".")[0]] += int(own)
    return ", ".join(f"{name} {microseconds / 1000:.0f} ms" for name, microseconds in took.most_common(HEAVIEST))


def demo_takes() -> float:
    """Return the seconds until the demo's server is ready. Then wait for its end. Raise RuntimeError if it fails."""
    port = free_port()
    command: list[str | Path] = [
        Path(sys.executable).with_name("webhook-service"),
        "demo",
        "--exit",
        "--port",
        str(port),
    ]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        demo = subprocess.Popen(command, cwd=folder, env=servers.clean(), stdout=subprocess.DEVNULL)
        server_process.wait_until_ready(f"http://127.0.0.1:{port}", demo)
        answered = time.perf_counter() - started
        if demo.wait():
            raise RuntimeError("the demo failed")
    return answered
