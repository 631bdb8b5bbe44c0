"""Paths that comments and documents name."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(
    r"\b(?:(?:webhook_service|tests|benchmarks)/[\w/.]+\.(?:py|sql|sh)|(?<!/)docs/[\w/.-]+\.(?:md|yml))\b"
)
FILES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("tests/**/*.md"),
    *(ROOT / "webhook_service").rglob("*.sql"),
    *(ROOT / "webhook_service").rglob("*.py"),
]


@pytest.mark.parametrize("file", [file for file in FILES if "node_modules" not in file.parts], ids=str)
def test_the_paths_that_a_file_names_exist(file: Path) -> None:
    """Each path that a comment or document names exists."""
    named = NAMED.findall(file.read_text("utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []
