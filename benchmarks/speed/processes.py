"""The resources of processes from /proc, and the description of this machine."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third (state) on. The list is empty if the process has ended."""
    try:
        return (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def children(parent: int) -> list[int]:
    pids = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    return [pid for pid in pids if (fields := stat(pid)) and int(fields[1]) == parent]


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the user and system time of the processes and of their children that have ended."""
    return sum(int(ticks) for pid in pids for ticks in stat(pid)[11:15]) / TICKS_PER_SECOND


def tree_cpu_seconds(parent: int) -> float:
    """The CPU seconds of a process and its children, such as gunicorn and its workers."""
    return cpu_seconds([parent, *children(parent)])


def memory_mb(pid: int) -> tuple[float, float]:
    """The resident memory, and the memory that no other process shares (USS), in MB."""
    sizes: dict[str, int] = {}
    for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]:
        name, size, *_ = line.split()
        sizes[name] = int(size)
    return sizes["Rss:"] / 1024, (sizes["Private_Clean:"] + sizes["Private_Dirty:"]) / 1024


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = next((line.split(":")[1].strip() for line in lines("cpuinfo") if line.startswith("model name")), "")
    return f"{os.cpu_count()} cores{f' ({model})' if model else ''}, {memory:.0f} GB RAM, {platform.system()}"


def lines(name: str) -> list[str]:
    return (PROC / name).read_text().splitlines()


def open_files(pid: int) -> int:
    """The number of files and sockets that a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))
