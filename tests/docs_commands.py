"""The blocks of code in the documents, with the markers of commands that a test runs or leaves out.

tests/acceptance/test_docs_commands.py runs each block of `sh`, unless the line before it is `<!-- not run: REASON -->`.
With `<!-- shows: TEXT -->`, it repeats the commands until their output has this text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^ *(?:<!-- (?P<marker>not run|shows): (?P<text>[^\n]+) -->\n *)?"
    r"```(?P<language>\w*)\n(?P<code>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a document. `not_run` is the reason for which no test runs it, or "". `shows` is expected, or ""."""

    language: str
    code: str
    not_run: str = ""
    shows: str = ""


def blocks(page: Path) -> Iterator[Block]:
    for found in BLOCK.finditer(page.read_text("utf-8")):
        markers = {found["marker"]: found["text"]}
        code = dedent(found["code"])
        yield Block(found["language"], code, markers.get("not run", ""), markers.get("shows", ""))


def outside_of_blocks(page: Path) -> str:
    return BLOCK.sub("", page.read_text("utf-8"))


def commands(page: Path) -> list[Block]:
    """The blocks of a page that a test runs."""
    return [block for block in blocks(page) if block.language == "sh" and not block.not_run]
