"""The file with the secrets of the embedded PostgreSQL."""

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from webhook_service.db.embedded import SECRETS_FILE, stored_secrets, usable
from webhook_service.errors import BadSetting


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    former = os.umask(0)
    yield
    os.umask(former)


def test_secrets_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    """The file is made with new secrets, whatever the umask is, and nothing else stays in the folder."""
    made = stored_secrets(tmp_path)
    assert stored_secrets(tmp_path) == made
    assert stat.S_IMODE((tmp_path / SECRETS_FILE).stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [SECRETS_FILE]


def test_processes_that_start_at_once_get_the_same_secrets(tmp_path: Path) -> None:
    """Of several that make the file at once, one wins, and all use its secrets."""
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: stored_secrets(tmp_path), range(8)))
    assert all(each == found[0] for each in found)


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the secrets cannot be written to the disk, there is no file, and the next start makes them."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            stored_secrets(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert stored_secrets(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "\n\n", "WEBHOOK_SECRETS=whsec_abc\n", "ADMIN_API_KEY=\nWEBHOOK_SECRETS=x", "\udcff"]
)
def test_a_broken_file_is_named_with_what_to_do(tmp_path: Path, text: str) -> None:
    """A file without both secrets is refused. The message names the file, and shows none of its text."""
    file = tmp_path / SECRETS_FILE
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    file.chmod(0o600)
    with pytest.raises(BadSetting) as refused:
        stored_secrets(tmp_path)
    assert str(file) in refused.value.detail
    assert "delete it to get new secrets" in refused.value.detail
    assert "whsec_abc" not in refused.value.detail


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    """A user who can write the file could choose the secrets."""
    stored_secrets(tmp_path)
    (tmp_path / SECRETS_FILE).chmod(mode)
    with pytest.raises(BadSetting, match="can be changed by other users"):
        stored_secrets(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    """The owner of the file could choose the secrets."""
    stored_secrets(tmp_path)
    os.chown(tmp_path / SECRETS_FILE, 65534, -1)
    with pytest.raises(BadSetting, match="can be changed by other users"):
        stored_secrets(tmp_path)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    """A folder below a file is named."""
    (tmp_path / "file").touch()
    with pytest.raises(BadSetting, match="--data-dir cannot be created"):
        usable(tmp_path / "file" / "data")
