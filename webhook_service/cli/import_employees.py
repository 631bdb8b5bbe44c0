"""The command `webhook-service import`."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import click

from webhook_service.cli import output
from webhook_service.cli.data_dir import DATA_DIR, database_of, requester
from webhook_service.errors import NotPossible
from webhook_service.events import Json
from webhook_service.ledger import audit, employee_import
from webhook_service.ledger.employee_import import MAX_SHOWN, Options
from webhook_service.ledger.import_file import ImportFile
from webhook_service.outbound.candidates import printable
from webhook_service.ports import Database
from webhook_service.wording.imports import COUNTS, counted, place, why


@click.command("import", short_help="Import employees from a CSV file.")
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Only show the plan. The exit code is 1 if it cannot be applied.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation. Needed if there is no terminal.")
@click.option("--deactivate-missing", is_flag=True, help="Deactivate active employees who are missing in the file.")
@click.option("--skip-refused", is_flag=True, help="Import the other lines if some lines are refused.")
@click.option(
    "--allow-mass-deactivation",
    is_flag=True,
    help="Import although more linked employees than MASS_DEACTIVATION_LIMIT would be deactivated.",
)
@output.JSON
@DATA_DIR
def import_employees(
    file: BinaryIO,
    dry_run: bool,
    yes: bool,
    deactivate_missing: bool,
    skip_refused: bool,
    allow_mass_deactivation: bool,
    as_json: bool,
    data_dir: Path,
) -> None:
    """Create and change employees from a CSV file. With - as FILE, the file is read from the standard input.

    The command shows the plan and asks before it changes anything. It imports all lines in one transaction, or none. A
    line is about the employee with its employee_id, else with its employee_number, else with its e-mail. Without such
    an employee, it is a new employee. An empty cell and a missing column leave the value as it is.
    docs/how-to/import.md describes the file.
    """
    options = Options(skip_refused=skip_refused, allow_mass_deactivation=allow_mass_deactivation)
    with database_of(data_dir) as (database, _):
        read = employee_import.read_file(database, file.read())
        with output.bar(len(read.lines), "reading") as bar:
            id = employee_import.store(
                database, read, who=requester(), deactivate_missing=deactivate_missing, progress=bar.update
            )
        if not as_json:
            click.echo(f"The file has {len(read.lines):,} lines in {read.encoding}. Planning ...", err=True)
        plan = employee_import.plan(database, id)
        blocked = employee_import.why_blocked(plan, options)
        if not as_json:
            show(plan, read)
        if dry_run or blocked or employee_import.changes_nothing(plan):
            employee_import.discard(database, id)
            end_without_import(plan, blocked, is_dry=dry_run, as_json=as_json)
            return
        if not yes:
            confirm(plan)
        result = apply(database, id, plan, options)
    if as_json:
        output.emit(result)
    else:
        click.echo(f"Imported: {counted(result)}.")


def end_without_import(plan: Json, blocked: str | None, *, is_dry: bool, as_json: bool) -> None:
    """Print the plan as JSON, or why nothing is imported. The exit code is 1 if the plan cannot be applied."""
    if as_json:
        output.emit(plan | {"blocked": blocked})
    elif blocked and is_dry:
        click.echo(how_to_go_on(blocked))
    elif blocked:
        raise NotPossible(blocked.replace("_and_missing", "_lines"), how_to_go_on(blocked))
    elif not is_dry:
        click.echo("Nothing to import.")
    if blocked:
        sys.exit(1)


def how_to_go_on(blocked: str) -> str:
    """Return why a plan cannot be applied, with the option for it."""
    option = {
        "refused_lines": " The option for this is --skip-refused.",
        "mass_deactivation": " If these people have left, run again with --allow-mass-deactivation.",
    }
    return employee_import.BLOCKED[blocked] + option.get(blocked, "")


def confirm(plan: Json) -> None:
    """Ask. Without a terminal, `--yes` is needed. Raises NotPossible (`not_confirmed`)."""
    if not sys.stdin.isatty():
        detail = (
            "There is no terminal to ask for a confirmation. Nothing was changed. See the plan with --dry-run, and run"
            " again with --yes."
        )
        raise NotPossible("not_confirmed", detail)
    output.ask(f"Import ({counted(plan)})?")


def apply(database: Database, id: UUID, plan: Json, options: Options) -> Json:
    """Apply the plan that was shown. Raises NotPossible if it is not possible any more."""
    with audit.attempt(database, requester(), employee_import.ACTION, None, **plan["counts"]) as act:
        result = employee_import.apply(database, id, plan["digest"], options)
        if result["state"] != "applied":
            raise employee_import.refusal(result, options)
        act.outcome = counted(result)
    return result


def show(plan: Json, read: ImportFile) -> None:
    """Print the counts, then the first lines of each kind that changes something or is refused."""
    if read.ignored:
        click.echo(f"columns that are not imported: {', '.join(read.ignored)}")
    for kind, title in COUNTS.items():
        if kind != "leaves" or plan["deactivate_missing"]:
            click.echo(f"  {plan['counts'][kind]:>8} {title}")
    if plan["logins"]:
        click.echo(f"  {plan['logins']:>8} of the deactivated employees have a login")
    texts: dict[str, Callable[[Json], str]] = {"new": new, "changed": changed, "leaves": leaving, "refused": refused}
    for kind, text in texts.items():
        items = plan["items"][kind]
        if items:
            click.echo(COUNTS[kind])
        for item in items:
            click.echo(f"  {printable(text(item))}")
        if plan["counts"][kind] > len(items):
            click.echo(f"  ... and more; only the first {MAX_SHOWN} are shown")


def person(item: Json) -> str:
    return " ".join(filter(None, (item["name"], f"<{item['email']}>" if item["email"] else None)))


def new(item: Json) -> str:
    return f"line {item['line']}: {person(item) or 'without a name'}"


def changed(item: Json) -> str:
    """Return the changes, for example `line 7, employee 3: last_name "Doe" -> "Roe"`."""
    texts = [
        f"{column} {quoted(change['from'])} -> {quoted(change['to'])}" for column, change in item["changes"].items()
    ]
    return f"line {item['line']}, employee {item['employee_id']}: {', '.join(texts)}"


def quoted(value: Json) -> str:
    return f'"{value}"' if isinstance(value, str) else json.dumps(value)


def leaving(item: Json) -> str:
    return f"employee {item['employee_id']}: {person(item) or 'without a name'}"


def refused(item: Json) -> str:
    return f"{place(item)}: {why(item['refused'])}"
