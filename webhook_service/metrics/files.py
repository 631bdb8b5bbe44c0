"""The files that the workers of one gunicorn count in: counter_PID.db and histogram_PID.db (prometheus-client's
multi-process mode). Those of workers that have ended are added up in one, so that no count is lost and no file is left
behind by each restart.
"""

import fcntl
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus-client knows, when it is first imported, that several processes count together."""

LOCK = "lock"


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """While this lasts, nothing is added up: a worker's counts would be seen twice, or not at all."""
    with (folder / LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def add_up_ended(folder: Path, living: Collection[int]) -> None:
    """Adds up the files of all processes but `living`. Waits for nobody: what is being read stays for the next time.

    Raises OSError, RuntimeError or struct.error for a file that is broken or gone.
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
                finally:  # one that cannot be read would spoil every scrape
                    file.unlink()


def add(file: Path, sums: Path) -> None:
    """The values of one file to those of another; all of them or, where the file is broken, none."""
    values = list(MmapedDict.read_all_values_from_file(str(file)))  # type: ignore[no-untyped-call]
    total = MmapedDict(str(sums))  # type: ignore[no-untyped-call]
    for key, value, _, _ in values:
        so_far, _ = total.read_value(key)  # type: ignore[no-untyped-call]
        total.write_value(key, so_far + value, 0.0)  # type: ignore[no-untyped-call]
    total.close()  # type: ignore[no-untyped-call]
