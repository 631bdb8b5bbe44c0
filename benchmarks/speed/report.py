"""The figures as tables for the terminal and docs/explanation/speed.md, where each part is between two markers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HEAD = "# How fast it is\n"
"""The beginning of a new page. The page describes the measurements and the goals."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of a table. `met` says whether the goal was reached. It is None if the line has no goal."""

    name: str
    value: str
    note: str = ""
    goal: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """The figures of one part, and the machine and versions of the measurement."""

    name: str
    title: str
    figures: Sequence[Figure]
    measured_with: str


def rate(value: float) -> str:
    return f"{value:,.0f} events/s"


def ratio(value: float) -> str:
    return f"{value:.2f}"


def verdict(figure: Figure) -> str:
    if figure.met is None:
        return figure.goal
    return f"{figure.goal}: {'met' if figure.met else 'not met'}"


def table(part: Part) -> str:
    rows = [f"| {f.name} | {f.value} | {verdict(f)} | {f.note} |" for f in part.figures]
    return "\n".join([f"| {part.title} | | goal | |", "|---|---|---|---|", *rows, "", part.measured_with])


def marked(part: Part) -> str:
    return f"<!-- {part.name} -->\n\n## {part.title}\n\n{table(part)}\n\n<!-- end of {part.name} -->\n"


def write(file: Path, part: Part) -> None:
    """Replace the text of the part in the file, or append it. All other text of the file stays."""
    text = file.read_text("utf-8") if file.exists() else HEAD
    place = re.compile(rf"<!-- {part.name} -->\n.*?<!-- end of {part.name} -->\n", re.DOTALL)
    written, times = place.subn(lambda _: marked(part), text)
    file.write_text(written if times else f"{text.rstrip()}\n\n{marked(part)}", "utf-8")
