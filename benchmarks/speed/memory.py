"""The memory and open files of each worker, every ten seconds at full load."""

import threading
import time
from dataclasses import dataclass, field
from statistics import linear_regression, median

from benchmarks.speed import processes, servers
from benchmarks.speed.database import running
from benchmarks.speed.events import Mix
from benchmarks.speed.options import Options, Report
from benchmarks.speed.report import Figure
from benchmarks.speed.runs import product_run

CONNECTIONS = 64
INTERVAL_SECONDS = 10.0
MAX_GROWTH = 1.05
"""The maximum memory of the last minute relative to the first minute. It is above 1, because pools fill up once."""


@dataclass(frozen=True, slots=True)
class Watch:
    """(Seconds since the start, resident MB, private MB) of each worker, and its open files at these times."""

    pids: list[int]
    samples: dict[int, list[tuple[float, float, float]]] = field(default_factory=dict)
    files: dict[int, list[int]] = field(default_factory=dict)
    is_stopped: threading.Event = field(default_factory=threading.Event)

    def run(self, report: Report) -> None:
        started = time.monotonic()
        while not self.is_stopped.wait(INTERVAL_SECONDS):
            at = time.monotonic() - started
            for pid in self.pids:
                self.samples.setdefault(pid, []).append((at, *processes.memory_mb(pid)))
                self.files.setdefault(pid, []).append(processes.open_files(pid))
            now = ", ".join(f"{self.samples[pid][-1][1]:.1f} MB" for pid in self.pids)
            report(f"after {at:,.0f} s: {now}")


def measure(options: Options, report: Report) -> list[Figure]:
    with running(options.employees) as database, servers.product(database.environment, relay=True) as server:
        watch = Watch(processes.children(server.pid))
        watching = threading.Thread(target=watch.run, args=[report])
        watching.start()
        sent = 0
        try:
            until = time.monotonic() + options.minutes * 60
            while time.monotonic() < until:
                product_run(database, server, CONNECTIONS, options.events, Mix.UPDATES, f"New{sent}")
                sent += options.events
        finally:
            watch.is_stopped.set()
            watching.join()
        if sorted(processes.children(server.pid)) != sorted(watch.pids):
            raise RuntimeError("a worker ended during the measurement")
    workers = [
        figure
        for number, pid in enumerate(watch.pids, 1)
        for figure in (*figures(number, watch.samples[pid]), files(number, watch.files[pid]))
    ]
    return [Figure(f"events in {options.minutes:g} minutes", f"{sent:,}"), *workers]


def figures(number: int, samples: list[tuple[float, float, float]]) -> list[Figure]:
    """The medians of a worker's first and last minute, and the slope after the first minute."""
    end = samples[-1][0]
    first = [sample for sample in samples if sample[0] <= 60]
    last = [sample for sample in samples if sample[0] >= end - 60]
    before, after = (median(resident for _, resident, _ in part) for part in (first, last))
    own_before, own_after = (median(own for *_, own in part) for part in (first, last))
    later = [sample for sample in samples if sample[0] >= 60]
    shown = "too short a run for a slope"
    if len(later) > 2:
        slope, _ = linear_regression([at / 60 for at, *_ in later], [resident for _, resident, _ in later])
        shown = f"{slope * 1000:+,.0f} kB a minute after the first"
    return [
        Figure(
            f"worker {number}: resident, first and last minute",
            f"{before:.1f} MB, {after:.1f} MB",
            shown,
            "flat (within 5 %)",
            after <= before * MAX_GROWTH,
        ),
        Figure(f"worker {number}: its own alone", f"{own_before:.1f} MB, {own_after:.1f} MB"),
    ]


def files(number: int, counts: list[int]) -> Figure:
    """The minimum of each minute, because the load's connections are closed between two runs."""
    minute = round(60 / INTERVAL_SECONDS)
    before, after = min(counts[:minute]), min(counts[-minute:])
    return Figure(
        f"worker {number}: open files, fewest of the first and of the last minute",
        f"{before}, {after}",
        goal="flat (no more than before, and three for the database)",
        met=after <= before + 3,
    )
