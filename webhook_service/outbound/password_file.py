"""The CSV file of temporary passwords. Only one run at a time writes to the file, and only its owner can read it."""

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
"""O_NOFOLLOW refuses a symbolic link, which could name any file. With O_NONBLOCK, opening a pipe does not wait for a
process at the pipe's other end."""
IN_USE = "output_in_use"
FORMULA_PREFIXES = tuple("=+-@")
"""A spreadsheet reads a cell that begins with one of these characters as a formula."""


class PasswordFile:
    """A password file that is open and locked for one run.

    A line is on the disk when `add` returns. The constructor and `add` raise NotPossible (`output_failed`). The
    constructor also raises NotPossible with the reasons `output_refused` and `output_in_use`.
    """

    def __init__(self, path: Path) -> None:
        """Create the file, or open the file of an earlier run if only its owner can read it."""
        self.path = path
        self.employees: set[int] = set()
        """The employee_ids for which this run has written a password."""
        try:
            self._file, self._is_new = opened(path)
        except OSError as error:
            why = "it is a symbolic link" if path.is_symlink() else error.strerror
            raise NotPossible("output_failed", f"{path} cannot be written: {why}.") from error
        try:
            self._begin = beginning(self._file, path)
        except BaseException:
            os.close(self._file)
            raise

    def add(self, employee_id: int, email: str, password: str) -> None:
        """Write a line. An e-mail that a spreadsheet would read as a formula gets a leading `'`."""
        shown = printable(email)
        line = line_of(employee_id, f"'{shown}" if shown.startswith(FORMULA_PREFIXES) else shown, password)
        try:
            write_all(self._file, self._begin + line)
        except OSError as error:
            raise NotPossible("output_failed", f"{self.path} cannot be written: {error.strerror}.") from error
        self._begin = b""
        self.employees.add(employee_id)

    def close(self) -> None:
        """Close the file, and remove it if it is new and empty."""
        if self._is_new and not self.employees and os.fstat(self._file).st_size == 0:
            with suppress(OSError):
                self.path.unlink()
        os.close(self._file)


def opened(path: Path) -> tuple[int, bool]:
    """Return the file's descriptor, and whether the file is new. Raises OSError."""
    try:
        made = os.open(path, FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, FLAGS), False
    sync_folder(path.parent)
    return made, True


def sync_folder(folder: Path) -> None:
    """Flush a folder to the disk, because the folder holds the name of a new file."""
    with suppress(OSError):  # some file systems cannot flush a folder
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def beginning(file: int, path: Path) -> bytes:
    """Lock and check the file, and return the bytes to write before the first line.

    An empty file needs the header. A file whose last line was cut off needs a line break. Raises NotPossible, OSError.
    """
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        raise NotPossible("output_refused", f"{path} is not a regular file.")
    if found.st_uid != os.geteuid() or found.st_nlink != 1 or stat.S_IMODE(found.st_mode) & 0o077:
        detail = (
            f"Others may have access to {path}. Passwords are only added to your own file that no one else can read."
        )
        raise NotPossible("output_refused", f"{detail} Name another file, or run: chmod 600 {path}")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise NotPossible(IN_USE, f"Another run is writing to {path}. Name another file.") from None
    size, header = os.fstat(file).st_size, line_of(*HEADER)
    if size == 0:
        return header
    if os.pread(file, len(header), 0) != header:
        raise NotPossible("output_refused", f"{path} has content that is not a password file. Name another file.")
    return b"" if os.pread(file, 1, size - 1) == b"\n" else b"\n"


def line_of(*cells: object) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()


def write_all(file: int, content: bytes) -> None:
    """Write all of `content`, and flush it to the disk."""
    while content:
        content = content[os.write(file, content) :]
    os.fsync(file)


def new_file(folder: Path, now: datetime) -> PasswordFile:
    """Create `logins-<UTC time>.csv` in `folder`, with a number if the name is taken. Raises NotPossible."""
    name = f"logins-{now:%Y%m%dT%H%M%SZ}"
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    while True:
        path = folder / f"{next(names)}.csv"
        if os.path.lexists(path):
            continue
        try:
            return PasswordFile(path)
        except NotPossible as error:
            if error.reason != IN_USE:  # otherwise another run created this file in the same second
                raise
