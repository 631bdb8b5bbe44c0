"""`webhook-service sql`: the schema as SQL, for other migrators."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from webhook_service.db import schema
from webhook_service.db.schema import Functions, Script

TIME = "%Y%m%d%H%M%S"
VERSION = re.compile("[0-9]{14}(?=_)")
"""What a file name begins with: a time by custom, but any number sorts."""
MARK = "webhook_service"


@click.command(short_help="Print the schema as SQL.")
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the files that are not there yet, as `supabase db push` takes them from supabase/migrations/.",
)
@click.option("--uninstall", is_flag=True, help="Instead: what removes all of ours but employees and their columns.")
def sql(output_dir: Path | None, uninstall: bool) -> None:
    """Print the migrations, and the functions and views, for those who apply them with the Supabase CLI or by hand."""
    if uninstall:
        click.echo(schema.uninstall_script())
    elif output_dir is None:
        for script in schema.scripts():
            click.echo(f"-- webhook-service {script.title}\n\n{script.script}")
    else:
        output_dir.mkdir(parents=True, exist_ok=True)
        for file, script in new_files(output_dir, schema.scripts(), now=datetime.now(UTC)):
            write_whole(file, script.script)
            click.echo(f"wrote {file}")


def write_whole(file: Path, text: str) -> None:
    """All of the file or nothing: a part of one would be taken for the whole by the next run."""
    part = file.with_suffix(".part")
    part.write_text(text, "utf-8")
    part.replace(file)


def new_files(folder: Path, scripts: list[Script], *, now: datetime) -> Iterator[tuple[Path, Script]]:
    """The scripts that a folder lacks, and files for them: later than those in it, as the Supabase CLI requires."""
    there = sorted(path.name for path in folder.glob("*.sql"))
    missing = [script for script in scripts if not is_in(there, script)]
    taken = max((int(found[0]) for name in there if (found := VERSION.match(name))), default=0)
    first = max(int(now.strftime(TIME)), taken + 1)
    for version, script in enumerate(missing, first):
        yield folder / f"{version:014}_{MARK}_{script.file_name}", script


def is_in(names: list[str], script: Script) -> bool:
    """Whether the files have a script already; of the functions, the newest file decides."""
    kind = f"_{MARK}_functions_" if isinstance(script, Functions) else f"_{MARK}_{script.file_name}"
    return any(name.endswith(f"_{MARK}_{script.file_name}") for name in [name for name in names if kind in name][-1:])
