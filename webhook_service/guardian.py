"""A small process that ends another process if the process that started both was killed.

The guardian reads from a pipe that only its parent holds. However the parent ends, the kernel closes the pipe.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

RELEASES, RELEASE_SECONDS = 20, 0.1
"""How often and how long the guardian waits for the lock of its parent, which the kernel may release after the pipe."""


@contextmanager
def guarded(pid: int, number: signal.Signals, lock: Path | None = None) -> Iterator[None]:
    """If this process is killed within the block, a guardian sends the signal `number` to the process `pid`.

    If `lock` is given, the guardian does so only if no process holds a lock on that file.
    """
    arguments = [str(pid), str(int(number)), *([] if lock is None else [str(lock)])]
    guardian = subprocess.Popen(  # noqa: S603 (our own command)
        [sys.executable, "-m", __name__, *arguments], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield
    finally:
        guardian.kill()
        guardian.communicate()


@contextmanager
def held(lock: Path) -> Iterator[int]:
    """Hold a shared lock on the file, and yield its descriptor. The end of the process releases the lock."""
    with lock.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield file.fileno()


def is_last(descriptor: int) -> bool:
    """Return whether no other process holds this lock. If so, the lock becomes exclusive, and others wait for it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def main(pid: str, number: str, lock: str | None = None) -> None:
    sys.stdin.buffer.read()
    with suppress(ProcessLookupError, FileNotFoundError):
        if lock is None:
            os.kill(int(pid), int(number))
            return
        with held(Path(lock)) as descriptor:
            for _ in range(RELEASES):
                if is_last(descriptor):
                    os.kill(int(pid), int(number))
                    return
                time.sleep(RELEASE_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
