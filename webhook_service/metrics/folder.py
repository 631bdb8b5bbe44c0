"""The temporary folder that the workers of one gunicorn count in: made at its start, gone with it."""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "webhook-service-metrics-"


def make(uid: int, gid: int) -> Path:
    """A new one, for workers with these ids. It is locked for as long as this process, or a worker of it, lives."""
    new = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    os.chown(new, uid, gid)
    fcntl.flock(os.open(new, os.O_RDONLY), fcntl.LOCK_SH)
    return new.rename(new.with_name(new.name.removeprefix(".")))  # under this name nobody meets it without its lock


def remove_abandoned() -> None:
    """Those that nobody has locked: their server was killed, and could not."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # it is in use, somebody else's, or gone meanwhile
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(lock)
