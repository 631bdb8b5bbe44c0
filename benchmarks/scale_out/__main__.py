"""The command `python -m benchmarks.scale_out [PART]`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmarks.scale_out import kill, outage, rates, upgrade
from benchmarks.scale_out.options import Options, Report
from benchmarks.speed.processes import machine

Measure = Callable[[Options, Report], list[str]]
PARTS: dict[str, Measure] = {
    "rates": rates.measure,
    "kill": kill.measure,
    "upgrade": upgrade.measure,
    "outage": outage.measure,
}
POSITIVE = click.IntRange(min=1)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("part", default="all", type=click.Choice([*PARTS, "all"]))
@click.option("--events", default=20_000, show_default=True, type=POSITIVE, help="Events in each run of `rates`.")
@click.option("--rate", default=400, show_default=True, type=POSITIVE, help="Changes a second in `kill`, `upgrade`.")
@click.option(
    "--seconds",
    default=10.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Load before and after the losses or restarts.",
)
@click.option("--users", default=1_000_000, show_default=True, type=POSITIVE, help="Users in `outage`.")
@click.option("--changes", default=500_000, show_default=True, type=POSITIVE, help="Changes during the `outage`.")
@click.option(
    "--former",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="A checkout of the version from which `upgrade` starts. Default: this version.",
)
def main(part: str, **chosen: Any) -> None:
    """Run receivers and relays on hosts of their own, which are network namespaces, with one PostgreSQL.

    Needs root, Debian's postgresql and iproute2, and wrk for `rates`. The exit code is 1 if a rule does not hold.

    \b
    rates    events a second with 1, 2 and 4 receivers, and with 1, 2 and 4 relays
    kill     one receiver and one relay are killed, others are cut off:
             nothing is lost or applied twice, and others take over
    upgrade  migrate and a rolling restart of all processes under load,
             from another version with --former
    outage   changes while no process runs, then the time and memory to catch up
    """
    options = Options(**chosen)
    if options.changes > options.users:
        raise click.BadParameter("must not exceed --users: each change is of another user", param_hint="--changes")
    click.echo(machine())
    wrong = []
    try:
        for name in PARTS if part == "all" else (part,):
            click.echo(f"\n{name}")
            wrong += PARTS[name](options, click.echo)
    except RuntimeError as error:  # an invalid run, or NoNetwork
        raise click.ClickException(str(error)) from error
    for line in wrong:
        click.echo(f"WRONG: {line}")
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
