"""The files in which workers count. The counts of an ended worker stay in the sum."""

import struct
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from webhook_service.metrics.files import add_up_ended, reading


def count(folder: Path, process: str, value: float) -> None:
    file = MmapedDict(str(folder / f"counter_{process}.db"))  # type: ignore[no-untyped-call]
    file.write_value("key", value, 0.0)  # type: ignore[no-untyped-call]
    file.close()  # type: ignore[no-untyped-call]


def counted(folder: Path) -> dict[str, float]:
    return {
        file.stem.partition("_")[2]: sum(value for _, value, _, _ in MmapedDict.read_all_values_from_file(str(file)))  # type: ignore[no-untyped-call]
        for file in folder.glob("*.db")
    }


def test_ended_processes_become_one_file(tmp_path: Path) -> None:
    """The counts of an ended process are added to one file once. The files of living processes stay."""
    for process in (1, 2, 3):
        count(tmp_path, str(process), process)
    add_up_ended(tmp_path, living=[2, 3])
    add_up_ended(tmp_path, living=[3])
    add_up_ended(tmp_path, living=[3])
    assert counted(tmp_path) == {"ended": 3, "3": 3}


def test_files_do_not_change_while_they_are_read(tmp_path: Path) -> None:
    """A scrape reads each count once. If a process ends during a scrape, its files are added up the next time."""
    count(tmp_path, "1", 5)
    with reading(tmp_path):
        add_up_ended(tmp_path, living=[])
        assert counted(tmp_path) == {"1": 5}
    add_up_ended(tmp_path, living=[])
    assert counted(tmp_path) == {"ended": 5}


def test_a_broken_file_does_not_change_the_sum(tmp_path: Path) -> None:
    """A broken file raises an error and is removed, and the sum does not change."""
    count(tmp_path, "ended", 5)
    (tmp_path / "counter_1.db").touch()
    with pytest.raises(struct.error):
        add_up_ended(tmp_path, living=[])
    assert counted(tmp_path) == {"ended": 5}
