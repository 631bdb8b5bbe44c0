"""The file of temporary passwords. Only its owner can read it, and no line is lost or read as a formula."""

import csv
import os
import re
import stat
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from webhook_service.errors import NotPossible
from webhook_service.outbound.password_file import HEADER, PasswordFile, new_file

NOW = datetime(2026, 11, 22, 17, 41, 36, tzinfo=UTC)
HEADER_LINE = ",".join(HEADER) + "\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logins.csv"


def written(path: Path, *emails: str) -> list[list[str]]:
    """Write a password for each e-mail, and return the rows of the file."""
    with closing(PasswordFile(path)) as file:
        for number, email in enumerate(emails, 1):
            file.add(number, email, f"password {number}")
    return rows(path)


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def refused(path: Path) -> str:
    with pytest.raises(NotPossible) as caught:
        PasswordFile(path)
    assert str(path) in caught.value.detail
    return caught.value.reason


def test_the_lines_of_a_file(path: Path) -> None:
    """The file has a header and a line for each login. Any text of an e-mail stays in its column."""
    emails = ["jane@example.com", 'a,"b"@example.com', "a'b@example.com", "jané@example.com"]
    passwords = [[str(number), email, f"password {number}"] for number, email in enumerate(emails, 1)]
    assert written(path, *emails) == [list(HEADER), *passwords]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777], ids=oct)
def test_only_its_owner_reads_it(path: Path, umask: int) -> None:
    """Only the owner can read the file, from the start and with any umask."""
    before = os.umask(umask)
    try:
        with closing(PasswordFile(path)):
            assert stat.S_IMODE(path.stat().st_mode) & ~0o600 == 0
    finally:
        os.umask(before)


@pytest.mark.parametrize("beginning", "=+-@")
def test_an_e_mail_is_not_read_as_a_formula(path: Path, beginning: str) -> None:
    """A value that a spreadsheet would run as a formula is written as a text."""
    email = f"{beginning}cmd|x@example.com"
    assert written(path, email)[1][1] == f"'{email}"


@pytest.mark.parametrize("odd", ["a\nb", "\ta", "\r=a", "a\x1b[2Jb", "a\u2028b", "a\0b"], ids=ascii)
def test_a_login_is_one_line(path: Path, odd: str) -> None:
    """A character of an e-mail that cannot be printed becomes a question mark."""
    [_, [_, email, _]] = written(path, f"{odd}@example.com")
    assert email == re.sub("[\n\t\r\x1b\u2028\0]", "?", f"{odd}@example.com")


def test_a_line_is_written_when_add_returns(path: Path) -> None:
    """A line is in the file as soon as `add` returns, before the file is closed."""
    with closing(PasswordFile(path)) as file:
        file.add(1, "jane@example.com", "secret")
        assert rows(path)[1:] == [["1", "jane@example.com", "secret"]]


def test_an_existing_file_is_extended(path: Path) -> None:
    """An existing file keeps its lines, and gets no second header."""
    written(path, "jane@example.com")
    assert [row[1] for row in written(path, "joe@example.com")] == ["email", "jane@example.com", "joe@example.com"]


def test_a_truncated_line_is_ended(path: Path) -> None:
    """After a truncated line, the next login begins on a new line."""
    written(path, "jane@example.com", "joe@example.com")
    os.truncate(path, path.stat().st_size - 5)
    assert [row[1] for row in written(path, "jim@example.com")][-1] == "jim@example.com"


def test_an_empty_file_gets_its_header(path: Path) -> None:
    path.touch(0o600)
    assert written(path, "jane@example.com")[0] == list(HEADER)


def test_a_new_file_without_a_line_is_removed(path: Path) -> None:
    """A new file without a line is removed when it is closed. An existing file stays."""
    PasswordFile(path).close()
    assert not path.exists()
    path.touch(0o600)
    PasswordFile(path).close()
    assert path.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601])
def test_a_file_that_others_may_use_is_refused(path: Path, mode: int) -> None:
    """No password is written to a file that another user may read, write or run."""
    written(path, "jane@example.com")
    path.chmod(mode)
    assert refused(path) == "output_refused"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(path: Path) -> None:
    written(path, "jane@example.com")
    os.chown(path, 1, 1)
    assert refused(path) == "output_refused"


def linked(path: Path) -> None:
    (path.parent / "target.csv").touch(0o600)
    path.symlink_to("target.csv")


def linked_to_nothing(path: Path) -> None:
    path.symlink_to("nothing.csv")


def linked_twice(path: Path) -> None:
    path.touch(0o600)
    path.with_name("other.csv").hardlink_to(path)


def of_something_else(path: Path) -> None:
    path.touch(0o600)
    path.write_text(f"my diary\n{HEADER_LINE}", "utf-8")


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "link": (linked, "output_failed"),
    "link to nothing": (linked_to_nothing, "output_failed"),
    "second name": (linked_twice, "output_refused"),
    "folder": (lambda path: path.mkdir(0o700), "output_failed"),
    "pipe": (lambda path: os.mkfifo(path, 0o600), "output_refused"),
    "something else": (of_something_else, "output_refused"),
}


@pytest.mark.parametrize("name", ODD)
def test_anything_but_a_file_of_passwords_is_refused(path: Path, name: str) -> None:
    """A path that is not a file of passwords is refused, and not changed."""
    make, reason = ODD[name]
    make(path)
    before = {entry.name: entry.is_file() and entry.read_bytes() for entry in path.parent.iterdir()}
    assert refused(path) == reason
    assert {entry.name: entry.is_file() and entry.read_bytes() for entry in path.parent.iterdir()} == before


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere" / "logins.csv") == "output_failed"


def test_one_run_at_a_time(path: Path) -> None:
    """A second run cannot open the file, because both would write the last line."""
    with closing(PasswordFile(path)) as file:
        assert refused(path) == "output_in_use"
        file.add(1, "jane@example.com", "secret")
    assert len(written(path, "joe@example.com")) == 3


def test_a_full_disk_is_an_error(path: Path) -> None:
    """A full disk is an error, and the password of the line does not count as written."""
    with closing(PasswordFile(path)) as file:
        os.dup2(os.open("/dev/full", os.O_WRONLY), file._file)
        with pytest.raises(NotPossible, match="No space left"):
            file.add(1, "jane@example.com", "secret")
        assert file.employees == set()


def test_a_new_file_is_named_by_the_time(tmp_path: Path) -> None:
    """Two runs in the same second write different files. A run does not use an existing file."""
    names = ["logins-20261122T174136Z.csv", "logins-20261122T174136Z-2.csv", "logins-20261122T174136Z-3.csv"]
    (tmp_path / names[1]).symlink_to("nothing.csv")
    with closing(new_file(tmp_path, NOW)) as first, closing(new_file(tmp_path, NOW)) as second:
        assert [first.path.name, second.path.name] == [names[0], names[2]]
