"""The command `python -m benchmarks.speed [PART...]`."""

import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from benchmarks.speed import burst, delay, flat, memory, processes, rates, rpc, start
from benchmarks.speed.load import require_wrk
from benchmarks.speed.options import Options, Report
from benchmarks.speed.report import Figure, Part, table, write

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "speed.md"

Measure = Callable[[Options, Report], list[Figure]]
PARTS: dict[str, tuple[str, Measure]] = {
    "rates": ("Events a second", rates.measure),
    "delay": ("With 10 ms of network between service and database", delay.measure),
    "burst": ("pg_net's burst: 200 posts at once", burst.measure),
    "flat": ("A small company and a large one", flat.measure),
    "memory": ("Memory of a worker at full load", memory.measure),
    "rpc": ("Over supabase-py", rpc.measure),
    "start": ("Import and start", start.measure),
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--rounds", default=5, show_default=True, help="Rounds of each measurement; the tables show medians.")
@click.option("--events", default=20_000, show_default=True, help="Events in each run.")
@click.option("--employees", default=100_000, show_default=True, help="All of them are linked.")
@click.option("--only", default="", help="In `rates`, measure only the limit and the runs whose name contains this.")
@click.option("--minutes", default=10.0, show_default=True, help="Length of the memory measurement.")
@click.option("--large-employees", default=1_000_000, show_default=True, help="Employees in `flat`'s large company.")
@click.option("--large-events", default=5_000_000, show_default=True, help="Events in the large company's ledger.")
@click.option("--write/--no-write", "is_written", default=True, help="Write the tables to docs/explanation/speed.md.")
def main(parts: tuple[str, ...], is_written: bool, **chosen: Any) -> None:
    """Measure how fast the service is in all PARTS, or in the named PARTS. Needs wrk.

    \b
    rates   events a second, beside the limit of the database, one call per event
            and, if Node.js 20 is installed, two services under Node.js
    delay   events a second, with 10 ms between service and database
    burst   how long 200 posts at once wait for their responses
    flat    a million employees and five million ledger rows, beside
            a thousand employees and an empty ledger
    memory  the memory of each worker over ten minutes of full load
    rpc     over supabase-py, beside one rpc per event (needs Node.js and
            npm ci --prefix tests/supabase_lite)
    start   importing wsgi, starting the server, starting the demo

    For a quick result: python -m benchmarks.speed rates --rounds 1 --events 4000 --no-write
    """
    options = Options(**chosen)
    if options.events > options.employees:
        raise click.BadParameter("must not exceed --employees: each event has its own employee", param_hint="--events")
    try:
        require_wrk()
        for name in parts or PARTS:
            part = measure(name, options)
            click.echo(f"\n{table(part)}\n")
            if is_written:  # written before the next part, because that part may fail
                write(PAGE, part)
    except RuntimeError as error:  # an invalid run
        raise click.ClickException(str(error)) from error


def measure(name: str, options: Options) -> Part:
    title, run = PARTS[name]
    click.echo(f"{name}: {title}", err=True)
    figures = run(options, lambda text: click.echo(f"  {text}", err=True))
    command = " ".join(f"--{option.replace('_', '-')} {value}" for option, value in asdict(options).items() if value)
    return Part(name, title, figures, f"{processes.machine()}; {versions()}; `{command}`.")


def versions() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("gunicorn", "flask", "psycopg"))
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    return f"Python {platform.python_version()}, {packages}, {postgres_version()}; {today}, {commit()}"


def postgres_version() -> str:
    from benchmarks.speed.database import embedded_binary

    done = subprocess.run([embedded_binary("postgres"), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip().replace("postgres (PostgreSQL)", "PostgreSQL")


def commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=PAGE.parent)
    return f"commit {done.stdout.strip()}" if done.returncode == 0 else "no commit"


if __name__ == "__main__":
    sys.exit(main())
