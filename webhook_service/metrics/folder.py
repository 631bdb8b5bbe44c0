"""The temporary folder of the workers' counters. It exists from the start to the end of one gunicorn."""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "webhook-service-metrics-"


def make(uid: int, gid: int) -> Path:
    """Create a folder for workers with this user and group id. This process and its workers keep the folder locked."""
    new = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    os.chown(new, uid, gid)
    fcntl.flock(os.open(new, os.O_RDONLY), fcntl.LOCK_SH)
    return new.rename(new.with_name(new.name.removeprefix(".")))  # `remove_abandoned` sees only locked folders


def remove_abandoned() -> None:
    """Remove the folders that no process has locked, which servers leave behind if they are killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # the folder is in use, belongs to another user, or is gone
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(lock)
