"""The command `python -m benchmarks.ledger_size`."""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import psycopg

from benchmarks.ledger_size import partitions
from benchmarks.ledger_size.ledger import Options, fill, number, sizes, total
from benchmarks.speed.processes import machine
from webhook_service.db import embedded, migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.ledger.retention import prune

MEGABYTE = 1_000_000
OLDEST_MONTH_ENDS = "select date_trunc('month', now()) - interval '1 month' * (%s::integer - 1)"
POSITIVE = click.IntRange(min=1)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--events", default=20_000_000, show_default=True, type=POSITIVE, help="Events in the ledger.")
@click.option("--months", default=24, show_default=True, type=click.IntRange(min=2), help="Months of these events.")
@click.option("--partitions/--no-partitions", default=True, help="Measure a partitioned copy of the ledger too.")
def main(**chosen: Any) -> None:
    """Measure the ledger's size, pruning, vacuum, and a copy with a partition for each month.

    20 million events take about 15 GB of disk, and twice as much with the copy.
    """
    options = Options(**chosen)
    with tempfile.TemporaryDirectory() as folder, embedded.running(Path(folder)) as environment:
        url = environment["DATABASE_URL"]
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("alter system set max_wal_size = '8GB'")
            connection.execute("select pg_reload_conf()")
            migrate.migrate(url)
            fill(connection, options, lambda done: click.echo(f"\r{done:,} events", nl=False, err=True))
            click.echo(f"\n{machine()}; {options.events:,} events of {options.months} months\n")
            show_sizes(connection, options)
            show_pruning(connection, url, options)
            if options.partitions:
                click.echo("\n| | the ledger as it is | with a partition for each month |\n|---|---|---|")
                for line in partitions.measure(connection, options):
                    click.echo(f"| {' | '.join(line)} |")


def show_sizes(connection: "psycopg.Connection[Any]", options: Options) -> None:
    found = [*sizes(connection), ("all", total(connection))]
    click.echo("| | MB | bytes per event |\n|---|---|---|")
    for name, size in found:
        click.echo(f"| {name} | {size / MEGABYTE:,.1f} | {size / options.events:,.0f} |")


def show_pruning(connection: "psycopg.Connection[Any]", url: str, options: Options) -> None:
    """Prune the oldest month as the command `prune` does, and vacuum the ledger."""
    row = connection.execute(OLDEST_MONTH_ENDS, [options.months]).fetchone()
    assert row is not None  # noqa: S101 (the query returns one row)
    database = DirectDatabase(url)
    try:
        before = total(connection)
        pruning, pruned = timed(lambda: prune(database, row[0]))
    finally:
        database.close()
    vacuuming, _ = timed(lambda: connection.execute("vacuum analyze public.integration_sync_log"))
    after = total(connection)
    left = number(connection, "select count(*) from public.integration_sync_log")
    if left + pruned != options.events:
        raise click.ClickException(f"{pruned:,} events were pruned, but {left:,} of {options.events:,} are left")
    click.echo(f"\none month pruned: {pruned:,} events in {pruning:.1f} s ({pruned / pruning:,.0f} events/s)")
    click.echo(f"vacuum after it: {vacuuming:.1f} s; size {before / MEGABYTE:,.1f} MB, then {after / MEGABYTE:,.1f} MB")


def timed(call: Any) -> tuple[float, Any]:
    """The seconds of a call, and its result."""
    started = time.perf_counter()
    found = call()
    return time.perf_counter() - started, found


if __name__ == "__main__":
    sys.exit(main())
