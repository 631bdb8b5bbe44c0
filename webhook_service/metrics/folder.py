"""The temporary folder in which the workers of one gunicorn count. It lasts from gunicorn's start to its end."""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "webhook-service-metrics-"


def make(uid: int, gid: int) -> Path:
    """Make a folder for workers with this user and group id. It stays locked while this process or a worker lives."""
    new = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    os.chown(new, uid, gid)
    fcntl.flock(os.open(new, os.O_RDONLY), fcntl.LOCK_SH)
    return new.rename(new.with_name(new.name.removeprefix(".")))  # `remove_abandoned` never sees it without its lock


def remove_abandoned() -> None:
    """Remove the folders that no process has locked. Their server was killed before it could remove them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # the folder is in use, belongs to another user, or is gone
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(lock)
