"""The file of temporary passwords: CSV, for one run at a time to add to, and for nobody but its owner to read."""

import csv
import fcntl
import io
import os
import stat
from contextlib import suppress
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from webhook_service.errors import NotPossible
from webhook_service.outbound.candidates import printable

HEADER = ("employee_id", "email", "temporary_password")
FLAGS = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""A link is not followed: it could lead anywhere. Nor is anybody waited for, as at the other end of a pipe."""
IN_USE = "output_in_use"
FORMULA = tuple("=+-@")
"""What a spreadsheet takes for the beginning of a formula."""


class PasswordFile:
    """Open for this run alone. A line is on the disk when `add` returns. All of it raises NotPossible."""

    def __init__(self, path: Path) -> None:
        """A new file, or one that an earlier run has begun and that nobody else may read."""
        self.path = path
        self.employees: set[int] = set()
        """Those that this run has written a password of."""
        try:
            self._file, self._is_new = opened(path)
        except OSError as error:
            why = "it is a link" if path.is_symlink() else error.strerror
            raise NotPossible("output_failed", f"{path} cannot be written: {why}.") from error
        try:
            self._begin = beginning(self._file, path)
        except BaseException:
            os.close(self._file)
            raise

    def add(self, employee_id: int, email: str, password: str) -> None:
        """The e-mail with a ' before it where a spreadsheet would take it for a formula."""
        shown = printable(email)
        line = line_of(employee_id, f"'{shown}" if shown.startswith(FORMULA) else shown, password)
        try:
            write_all(self._file, self._begin + line)
        except OSError as error:
            raise NotPossible("output_failed", f"{self.path} cannot be written: {error.strerror}.") from error
        self._begin = b""
        self.employees.add(employee_id)

    def close(self) -> None:
        """A new file that has got no line is removed."""
        if self._is_new and not self.employees and os.fstat(self._file).st_size == 0:
            with suppress(OSError):
                self.path.unlink()
        os.close(self._file)


def opened(path: Path) -> tuple[int, bool]:
    """The file, and whether it is new."""
    try:
        made = os.open(path, FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, FLAGS), False
    sync_folder(path.parent)
    return made, True


def sync_folder(folder: Path) -> None:
    """A new file's name is its folder's."""
    with suppress(OSError):  # not every file system does that
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def beginning(file: int, path: Path) -> bytes:
    """What is to be written before the first line: the header, or the end of a line that was cut off."""
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        raise NotPossible("output_refused", f"{path} is no file.")
    if found.st_uid != os.geteuid() or found.st_nlink != 1 or stat.S_IMODE(found.st_mode) & 0o077:
        detail = f"{path} is not yours alone: passwords are only added to a file of yours that nobody else may read."
        raise NotPossible("output_refused", f"{detail} Name another one, or: chmod 600 {path}")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise NotPossible(IN_USE, f"Another run writes to {path}; name another file.") from None
    size, header = os.fstat(file).st_size, line_of(*HEADER)
    if size == 0:
        return header
    if os.pread(file, len(header), 0) != header:
        raise NotPossible("output_refused", f"{path} is not empty, and no file of passwords of ours; name another one.")
    return b"" if os.pread(file, 1, size - 1) == b"\n" else b"\n"


def line_of(*cells: object) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()


def write_all(file: int, content: bytes) -> None:
    """Until the disk has it."""
    while content:
        content = content[os.write(file, content) :]
    os.fsync(file)


def new_file(folder: Path, now: datetime) -> PasswordFile:
    """A file of this run's own, named by the time. Raises NotPossible."""
    name = f"logins-{now:%Y%m%dT%H%M%SZ}"
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    while True:
        path = folder / f"{next(names)}.csv"
        if os.path.lexists(path):
            continue
        try:
            return PasswordFile(path)
        except NotPossible as error:
            if error.reason != IN_USE:  # by a run that began in the same moment
                raise
