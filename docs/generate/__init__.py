"""Writes the parts of docs/reference/ that follow from the code: `python -m docs.generate`.

Each part is between two markers in its page. tests/unit/docs/test_generated.py compares the pages with the code.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from docs.generate import commands, http_api, outcomes, settings, sql

REFERENCE = Path(__file__).parents[1] / "reference"
PARTS: Mapping[str, Callable[[], str]] = {
    "settings.md": settings.the_table,
    "cli.md": commands.sections,
    "http-api.md": http_api.sections,
    "sql.md": sql.sections,
    "outcomes.md": outcomes.tables,
}
"""The generated part of each page."""

MARKERS = re.compile(r"(?s)(<!-- begin: python -m docs.generate -->\n).*(<!-- end: python -m docs.generate -->\n)")


def generated(page: str) -> str:
    """Return the whole text of a page, with its part as the code is now."""
    written = (REFERENCE / page).read_text("utf-8")
    part = PARTS[page]()
    text, count = MARKERS.subn(lambda found: f"{found[1]}\n{part.strip()}\n\n{found[2]}", written)
    if count != 1:
        raise ValueError(f"docs/reference/{page} must have one begin and one end of the generated part")
    return text


def write() -> None:
    for page in PARTS:
        (REFERENCE / page).write_text(generated(page), "utf-8")
