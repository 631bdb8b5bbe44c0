"""`webhook-service sql`: the schema as SQL, for other migrators."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from webhook_service.db import schema
from webhook_service.db.schema import Functions, Script

TIME = "%Y%m%d%H%M%S"
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
            file.write_text(script.script, "utf-8")
            click.echo(f"wrote {file}")


def new_files(folder: Path, scripts: list[Script], *, now: datetime) -> Iterator[tuple[Path, Script]]:
    """The scripts that a folder lacks, and files for them: later than those in it, as the Supabase CLI requires."""
    there = sorted(path.name for path in folder.glob("*.sql"))
    missing = [script for script in scripts if not is_in(there, script)]
    moment = max([now.strftime(TIME), *(after(name) for name in there if name[:14].isdigit())])
    for script in missing:
        yield folder / f"{moment}_{MARK}_{script.file_name}", script
        moment = after(moment)


def is_in(names: list[str], script: Script) -> bool:
    """Whether the files have a script already; of the functions, the newest file decides."""
    kind = f"_{MARK}_functions_" if isinstance(script, Functions) else f"_{MARK}_{script.file_name}"
    return any(name.endswith(f"_{MARK}_{script.file_name}") for name in [name for name in names if kind in name][-1:])


def after(name: str) -> str:
    """The second after the one that a name begins with."""
    return (datetime.strptime(name[:14], TIME).replace(tzinfo=UTC) + timedelta(seconds=1)).strftime(TIME)
