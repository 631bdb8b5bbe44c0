"""The tables that the demo prints."""

from dataclasses import dataclass

from psycopg.rows import TupleRow
from rich import box
from rich.console import Console
from rich.table import Table

from webhook_service.demo.traffic import EXPECTED_EMPLOYEES

COLORS = {"SUCCESS": "green", "FAILED": "yellow", "PENDING": "cyan", "refused": "red"}


@dataclass(slots=True, eq=False)
class Line:
    """One act and its result so far. `event_id` is None if no event was captured."""

    says: str
    expected: str | None = None
    event_id: str | None = None
    status: str = ""
    outcome: str | None = None
    via: str = ""
    milliseconds: float | None = None

    @property
    def is_as_expected(self) -> bool:
        return self.outcome == self.expected


def lines_table(lines: list[Line]) -> Table:
    """Return a table of the lines, with outcomes and the milliseconds from a change until it was applied."""
    table = Table(
        title="changes in Auth, in HR and in a directory, and their outcomes",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for heading in ("", "what happens", "status", "outcome", "via", "ms"):
        table.add_column(heading, justify="right" if heading == "ms" else "left")
    for number, line in enumerate(lines, start=1):
        color = COLORS.get(line.status, "")
        is_over = line.status != "PENDING"
        table.add_row(
            str(number),
            line.says,
            f"[{color}]{line.status}" if color else "",
            (line.outcome or "")
            + (f" [bold red](expected {line.expected})" if is_over and not line.is_as_expected else ""),
            line.via,
            "" if line.milliseconds is None else f"{line.milliseconds:.0f}",
        )
    return table


def comparison(before: list[TupleRow], after: list[TupleRow]) -> Table:
    """Return a table of the employees after the demo, with the values that changed."""
    table = Table(title="\nemployees, before and after", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("number", "name", "e-mail", "login", "active"):
        table.add_column(heading, overflow="fold")
    olds = {row[0]: row for row in before}
    for new in after:
        old = olds.get(new[0], new)
        table.add_row(
            new[0] if new[0] in olds else f"{new[0]} (new)",
            changed(f"{old[1]} {old[2]}", f"{new[1]} {new[2]}"),
            changed(old[3], new[3]),
            new[4],  # no employee has a login before the demo
            "yes" if new[5] else "no",
        )
    return table


def changed(old: str, new: str) -> str:
    return new if old == new else f"{old}\n[bold]-> {new}[/bold]"


def check_employees(console: Console, after: list[TupleRow]) -> bool:
    """Return whether all employees are as expected, and print the result."""
    wrong = [row[0] for row in after if EXPECTED_EMPLOYEES[row[0]] != row[1:6]]
    if wrong or len(after) != len(EXPECTED_EMPLOYEES):
        console.print(f"[bold red]These employees are not as expected: {', '.join(wrong) or 'some are missing'}")
        return False
    console.print("[green]Every employee is as expected.[/green]")
    return True
