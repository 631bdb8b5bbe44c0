"""The output of the commands: text for people, or with `--json` one JSON document on standard output.

With `--json`, questions, progress and warnings are on standard error, and the exit codes are the same. An error is the
document {"error": {"reason", "detail"}}.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from webhook_service.errors import ServiceError
from webhook_service.events import Json
from webhook_service.outbound.candidates import printable

OPTION = "--json"
KEY = "webhook_service.as_json"
"""The key of the choice in `ctx.meta`, which all contexts of a run share."""

WIDEST = 1000
"""The width of a table that is not printed on a terminal, so that each row is one line."""

JSON = click.option(OPTION, "as_json", is_flag=True, help="Print one JSON document instead of text.")
"""The option. `Errors.parse_args` reads it too, because an error may come before the options are parsed."""


class Errors(click.Group):
    """A group whose errors are one line on standard error, or with `--json` a document on standard output."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[KEY] = OPTION in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. A ServiceError ends it with code 1, and a usage error with code 2, as without `--json`."""
        try:
            return super().invoke(ctx)
        except ServiceError as error:
            if ctx.meta[KEY]:
                fail(ctx, error.reason, error.detail, 1)
            raise click.ClickException(f"{error.detail} [{error.reason}]") from error
        except click.UsageError as error:
            if not ctx.meta[KEY]:
                raise
            fail(ctx, "usage", error.format_message(), error.exit_code)
        except click.ClickException as error:
            if not ctx.meta[KEY]:
                raise
            fail(ctx, "failed", error.format_message(), error.exit_code)
        except click.Abort:
            if not ctx.meta[KEY]:
                raise
            fail(ctx, "aborted", "The question was not answered with yes, so nothing was done.", 1)


def fail(ctx: click.Context, reason: str, detail: str, code: int) -> None:
    emit(error_json(reason, detail))
    ctx.exit(code)


def error_json(reason: str, detail: str) -> dict[str, Json]:
    """Return the document of an error."""
    return {"error": {"reason": reason, "detail": detail}}


def is_json() -> bool:
    """Return whether the current command prints JSON."""
    return bool(click.get_current_context().meta.get(KEY))


def emit(value: Json) -> None:
    """Print a JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, default=str))


def say(text: str) -> None:
    """Print a line for people. With `--json`, nothing is printed."""
    if not is_json():
        click.echo(text)


def result(as_json: bool, document: Json, text: str) -> None:
    """Print the result of a command: the document with `--json`, and otherwise the text."""
    if as_json:
        emit(document)
    else:
        click.echo(text)


def ask(question: str) -> None:
    """Ask for a yes. Raises Abort."""
    click.confirm(question, abort=True, err=is_json())


def bar(length: int, label: str) -> Any:
    """Return a progress bar of click, whose type is not public."""
    stream = sys.stderr if is_json() else None
    return click.progressbar(length=length, label=label, show_pos=True, file=stream)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table. Columns of numbers are right-aligned. A terminal folds long values, and no value is cut off."""
    shown = [list(row) for row in rows]
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, heading in enumerate(headings):
        is_number = bool(shown) and all(isinstance(row[number], int) for row in shown)
        made.add_column(heading, overflow="fold", justify="right" if is_number else "left")
    for row in shown:
        made.add_row(*(printable(str(value)) for value in row))
    width = None if sys.stdout.isatty() else WIDEST
    Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False).print(made)
