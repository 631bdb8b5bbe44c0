"""The project's English. No file has a retired word or sentence form. docs/glossary.md has the terms to use."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUFFIXES = {".py", ".sql", ".md", ".html", ".js", ".css", ".yml", ".yaml", ".toml", ".sh", ""}
FOLDERS = ("webhook_service", "tests", "benchmarks", "docs", ".ci", ".github", "deploy")
OTHERS = {"node_modules", "__pycache__", "vendor", "released", "LICENSE"}
"""Files that others wrote, and files of the past."""

RETIRED = {
    "told, tell (reported, recorded, named)": r"(?<![a-z])(?:told|tells?|telling)(?![a-z])",
    "look (poll, pass, read, check)": r"(?<![a-z])look(?:s|ed|ing)?(?![a-z]|[ _]up(?![a-z]))",
    "wish (requested action)": r"(?<![a-z])wish(?:es|ed|ing)?(?![a-z])",
    "mend (fix)": r"(?<![a-z])mend(?:s|ed|ing)?(?![a-z])",
    "ordinary (common, fast path)": r"(?<![a-z])ordinar(?:y|ily)(?![a-z])",
    "shall (must)": r"(?<![a-z])shall(?![a-z])",
    "crooked (misconfigured)": r"(?<![a-z])crooked(?![a-z])",
    "lane (concurrent batch)": r"(?<![a-z])lanes?(?![a-z])",
    "given up (needs attention)": r"(?<![a-z])(?:given|gives?|gave|giving)[ _]up(?![a-z])",
    "in step (in sync)": r"(?<![a-z])(?:in|out of) step(?![a-z])",
    "what came in (received data)": r"what came in\b",
    "is no X (is not an X)": r"(?<!there )\bis no (?!longer\b|more\b)[a-z]",
    "whom (the noun)": r"(?<![a-z])whom(?:ever)?(?![a-z])",
    "who without a noun (the noun)": r"\b(?:by|to|of|than|for|with|from) who(?:ever)?\b"
    r"|(?:^\s*(?:#|--|\*|-)\s+|\"\"\"|[.:;]\s+)who(?:ever)?\s(?![^.]*\?)",
    "what as a subject (the noun)": r"(?:^\s*(?:#|--)\s+|\"\"\"|[a-z\"`)][.]\s+)"
    r"(?-i:What|Whatever|Those that|Those who)\s(?![^.]*\?)",
}
"""Each retired form with its replacement. The search ignores case and reads one line at a time."""

ALLOWED = {
    "tests/unit/test_words.py": "the list itself",
    "webhook_service/db/migrations/0002_before_the_first_release.sql": "names of the past, which it removes",
}
"""Files that keep retired words, with the reason."""


def texts() -> Iterator[tuple[str, str]]:
    """(path from the root, text) of each file that is written here."""
    files = [*ROOT.glob("*"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    for path in files:
        if path.is_file() and path.suffix in SUFFIXES and not OTHERS & set(path.relative_to(ROOT).parts):
            yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8", errors="ignore")


@cache
def distinct_lines() -> dict[str, str]:
    """Return each distinct line with the first place where it stands, so that each is searched once."""
    lines: dict[str, str] = {}
    for path, text in texts():
        if path not in ALLOWED:
            for number, line in enumerate(text.splitlines(), 1):
                lines.setdefault(line, f"{path}:{number}")
    return lines


@pytest.mark.parametrize("form", RETIRED)
def test_no_file_has_a_retired_word(form: str) -> None:
    """No file has a retired word, or a sentence without a noun as its subject."""
    retired = re.compile(RETIRED[form], re.IGNORECASE)
    assert [f"{place}: {line.strip()}" for line, place in distinct_lines().items() if retired.search(line)] == []


def test_no_sentence_is_joined_from_a_list() -> None:
    """No sentence has the names of a list joined by a conjunction. A list stands after a colon, as in a translation.

    web/api/docs.py writes types of JSON, such as `string or null`.
    """
    joined = re.compile(r"""["'] (?:and|or)(?: no)? ["']\.join""")
    found = [path for path, text in texts() if path.startswith("webhook_service/") and joined.search(text)]
    assert found == ["webhook_service/web/api/docs.py"]


@pytest.mark.parametrize("path", ALLOWED)
def test_an_exception_is_needed(path: str) -> None:
    """Each exception still has a retired word."""
    text = (ROOT / path).read_text("utf-8")
    assert any(re.search(form, text, re.IGNORECASE | re.MULTILINE) for form in RETIRED.values())
