"""The command `webhook-service sql`, which prints the schema as SQL for other migrators."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from webhook_service.cli import output
from webhook_service.db import schema
from webhook_service.db.schema import Functions, Script

TIME = "%Y%m%d%H%M%S"
VERSION = re.compile("[0-9]{14}(?=_)")
"""The number at the start of a file name. By convention it is a time, but the files are only sorted by the number."""
MARK = "webhook_service"


@click.command(short_help="Print the schema as SQL.")
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the files that the folder lacks, with the names that `supabase db push` needs in supabase/migrations/.",
)
@click.option(
    "--create-employees",
    is_flag=True,
    help="Create public.employees although a table like it has another name or schema.",
)
@click.option("--uninstall", is_flag=True, help="Print the SQL that removes webhook-service, but not employees.")
@output.JSON
def sql(output_dir: Path | None, create_employees: bool, uninstall: bool, as_json: bool) -> None:
    """Print the migrations, functions and views as SQL, for the Supabase CLI or for use by hand.

    The first script begins with the checks of `migrate`. If the database is not suitable, it stops with the reason.
    """
    checks = (schema.CREATE_EMPLOYEES if create_employees else "") + schema.preflight()
    written: list[str] = []
    if uninstall:
        output.say(schema.uninstall_script())
    elif output_dir is None:
        output.say(checks)
        for script in schema.scripts():
            output.say(f"-- webhook-service {script.title}\n\n{script.script}")
    else:
        output_dir.mkdir(parents=True, exist_ok=True)
        for file, script in new_files(output_dir, schema.scripts(), now=datetime.now(UTC)):
            write_whole(file, f"{checks}\n{script.script}")
            checks = ""
            written.append(str(file))
            output.say(f"wrote {file}")
    if as_json and uninstall:
        output.emit({"uninstall": schema.uninstall_script()})
    elif as_json and output_dir is None:
        scripts = [{"title": each.title, "file_name": each.file_name, "sql": each.script} for each in schema.scripts()]
        output.emit({"checks": checks, "scripts": scripts})
    elif as_json:
        output.emit({"written": written})


def write_whole(file: Path, text: str) -> None:
    """Write the whole file or no file, because the next run does not notice that a file is incomplete."""
    part = file.with_suffix(".part")
    part.write_text(text, "utf-8")
    part.replace(file)


def new_files(folder: Path, scripts: list[Script], *, now: datetime) -> Iterator[tuple[Path, Script]]:
    """Yield each script that a folder lacks, with its new file.

    The new files sort after all files of the folder, as the CLI requires.
    """
    names = sorted(path.name for path in folder.glob("*.sql"))
    missing = [script for script in scripts if not is_in(names, script)]
    newest = max((int(found[0]) for name in names if (found := VERSION.match(name))), default=0)
    first = max(int(now.strftime(TIME)), newest + 1)
    for version, script in enumerate(missing, first):
        yield folder / f"{version:014}_{MARK}_{script.file_name}", script


def is_in(names: list[str], script: Script) -> bool:
    """Return whether the files contain a script. Only the newest file of the functions counts."""
    kind = f"_{MARK}_functions_" if isinstance(script, Functions) else f"_{MARK}_{script.file_name}"
    return any(name.endswith(f"_{MARK}_{script.file_name}") for name in [name for name in names if kind in name][-1:])
