"""Markers that choose tests. A run of a marker imports only the modules that name it (tests/conftest.py)."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("marker", ["campaign", "every_employees_table", "release"])
def test_only_modules_of_tests_apply_the_marker(marker: str) -> None:
    """Only a module of tests applies the marker to tests, so a run of the marker finds all of them."""
    users = [path for path in TESTS.rglob("*.py") if f"mark.{marker}" in path.read_text("utf-8")]
    assert users
    assert [path.name for path in users if not path.name.startswith("test_")] == []
