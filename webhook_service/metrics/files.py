"""The files with the counts of the workers of one gunicorn: counter_PID.db and histogram_PID.db.

This is prometheus-client's multi-process mode. The files of ended workers are added up in one file of each kind, so
that no count is lost, and so that the number of files does not grow with each restart.
"""

import fcntl
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that turns on the multi-process mode during the first import of prometheus-client."""

LOCK = "lock"


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Prevent `add_up_ended` from running while the files are read.

    Otherwise a worker's counts could be read twice, or be missing.
    """
    with (folder / LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def add_up_ended(folder: Path, living: Collection[int]) -> None:
    """Add up the files of all processes whose ids are not in `living`.

    If another process is reading the files, the next call adds them up instead. Raises OSError, RuntimeError or
    struct.error for a file that is broken or gone.
    """
    with (folder / LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        for file in folder.glob("*_*.db"):
            kind, _, process = file.stem.partition("_")
            if process.isdecimal() and int(process) not in living:
                try:
                    add(file, folder / f"{kind}_ended.db")
                finally:  # a broken file would make every scrape fail
                    file.unlink()


def add(file: Path, sums: Path) -> None:
    """Add the values of `file` to the values of `sums`. If `file` is broken, no value is added."""
    values = list(MmapedDict.read_all_values_from_file(str(file)))  # type: ignore[no-untyped-call]
    total = MmapedDict(str(sums))  # type: ignore[no-untyped-call]
    for key, value, _, _ in values:
        so_far, _ = total.read_value(key)  # type: ignore[no-untyped-call]
        total.write_value(key, so_far + value, 0.0)  # type: ignore[no-untyped-call]
    total.close()  # type: ignore[no-untyped-call]
