"""Markdown of tables and cells."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. A cell may have Markdown; its line breaks and bars are escaped."""
    heading, *others = (f"| {' | '.join(cell(text) for text in line)} |" for line in (head, *rows))
    return "\n".join([heading, "|" + "---|" * len(head), *others])


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    return f"`{text}`" if text else ""
