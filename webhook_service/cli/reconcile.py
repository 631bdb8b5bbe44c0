"""The commands `webhook-service reconcile` and `webhook-service prune`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from webhook_service import config
from webhook_service.cli import output
from webhook_service.cli import plan as plans
from webhook_service.cli.data_dir import DATA_DIR, database_of, requester
from webhook_service.cli.moments import Age
from webhook_service.errors import Unavailable
from webhook_service.ledger import retention
from webhook_service.ledger.plan import plan, report
from webhook_service.ledger.reconcile import Reconciled
from webhook_service.ledger.reconcile import reconcile as run_reconcile

COMPARED = "{users} auth users compared with the {known} last known states. Differences: {differences}"


@click.command(short_help="Compare auth users with employees and fix differences.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Only show the differences, and what a run would do. The exit code is 1 if there are any.",
)
@click.option("--yes", is_flag=True, help="Do not ask before logins are banned. Needed if there is no terminal.")
@click.option(
    "--max-bans",
    type=click.IntRange(min=0),
    metavar="N",
    help="Stop if more logins would be banned.  [default: 20, or a tenth of the linked employees if that is more]",
)
@click.option(
    "--names",
    is_flag=True,
    help="In a first run, also copy the names that users chose in Auth. By default, employees keep their names.",
)
@output.JSON
@DATA_DIR
def reconcile(dry_run: bool, yes: bool, max_bans: int | None, names: bool, as_json: bool, data_dir: Path) -> None:
    """Compare auth.users, the last known states and employees, and apply the differences as events.

    Run the command once after the first installation. From the next day on, a relay reconciles daily, at RECONCILE_AT.
    The ledger records each run with its findings. Without differences, the command changes nothing else. Before it bans
    the logins of employees who have left, it asks.
    """
    with database_of(data_dir) as (database, policy):
        with progress_bar("comparing") as show_progress:
            planned = plan(database, policy, names=names, progress=show_progress)
        if dry_run and as_json:
            output.emit(report(planned, None))
            sys.exit(1 if planned.compared.differences else 0)
        if dry_run:
            show(planned.compared)
            if planned.compared.differences:
                plans.show(planned)
            sys.exit(1 if planned.compared.differences else 0)
        plans.confirm_bans(planned, yes=yes, max_bans=max_bans)
        with progress_bar("applying") as show_progress:
            done = run_reconcile(
                database, policy, requested_by=requester(), dry_run=False, names=names, progress=show_progress
            )
    if as_json:
        output.emit(report(planned, done))
    else:
        show(done)
    sys.exit(1 if done.left else 0)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[Reconciled], None]]:
    """Show a progress bar, and yield the function that advances it."""
    with output.bar(1, label) as bar:

        def show_progress(so_far: Reconciled) -> None:
            bar.length = max(1, so_far.to_see)  # the number is known only after the run has begun
            bar.update(so_far.seen - bar.pos)

        yield show_progress


def show(done: Reconciled) -> None:
    click.echo(COMPARED.format(users=done.users, known=done.known, differences=sum(done.differences.values())))
    for kind, count in sorted(done.differences.items()):
        click.echo(f"  {count:>8} {kind}")
    if done.outcomes:
        click.echo("outcomes")
        for outcome, count in sorted(done.outcomes.items()):
            click.echo(f"  {count:>8} {outcome}")
    if done.failed:
        click.echo(
            f"{done.failed} events had failed before. The relay retries them: see `replay --status FAILED --dry-run`."
        )
    if done.left:
        click.echo(f"{done.left} could not be applied now. The relay applies them later. The run counts as failed.")


@click.command(short_help="Remove old events that succeeded, and old entries of the audit.")
@click.option("--older-than", type=Age(), required=True, help="Age of events such as 90d (also h and w); at least 1d.")
@click.option("--dry-run", is_flag=True, help="Only show the number of events and entries.")
@output.JSON
@DATA_DIR
def prune(older_than: timedelta, dry_run: bool, as_json: bool, data_dir: Path) -> None:
    """Remove events from the ledger that succeeded before this age. Pending and failed events always stay.

    The last known states of auth users are stored separately and stay too. Entries of the audit are removed after
    AUDIT_RETENTION_DAYS. Deliveries to subscribers are removed with the events.
    """
    before = datetime.now(UTC) - older_than
    kept_since = datetime.now(UTC) - config.audit_retention(config.read_environment())
    with database_of(data_dir) as (database, _):
        if dry_run:
            entries = retention.prunable(database, kept_since, function=retention.AUDIT)
            events = retention.prunable(database, before)
            deliveries = retention.prunable(database, before, function=retention.DELIVERIES)
        else:
            try:
                count = retention.prunable(database, before)
            except Unavailable:  # the database cannot count so many events in time
                count = 0
            with output.bar(max(1, count), "removing") as bar:
                events = retention.prune(database, before, progress=bar.update)
            entries = retention.prune(database, kept_since, function=retention.AUDIT)
            deliveries = retention.prune(database, before, function=retention.DELIVERIES)
    if as_json:
        output.emit({"dry_run": dry_run, "events": events, "audit_entries": entries, "deliveries": deliveries})
        return
    verb = "would be removed" if dry_run else "removed"
    if entries:
        click.echo(f"{entries} entries of the audit {verb}.")
    if deliveries:
        click.echo(f"{deliveries} deliveries to subscribers {verb}.")
    click.echo(f"{events} events {verb}.")
