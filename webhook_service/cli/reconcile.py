"""The commands `webhook-service reconcile` and `webhook-service prune`."""

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from webhook_service.cli.data_dir import DATA_DIR, database_of, requester
from webhook_service.errors import Unavailable
from webhook_service.ledger import retention
from webhook_service.ledger.reconcile import MAX_SHOWN, Reconciled
from webhook_service.ledger.reconcile import reconcile as run_reconcile

UNITS = {"h": "hours", "d": "days", "w": "weeks"}
SHORTEST = timedelta(days=1)


@click.command(short_help="Compare auth users with employees and fix differences.")
@click.option("--dry-run", is_flag=True, help="Only show the differences. The exit code is 1 if there are any.")
@DATA_DIR
def reconcile(dry_run: bool, data_dir: Path) -> None:
    """Compare auth.users, the last known states and employees, and apply the differences as events.

    Run the command once after the first installation, and every night if you like. The ledger records each run with its
    findings. Without differences, the command changes nothing else.
    """
    with (
        database_of(data_dir) as (database, policy),
        click.progressbar(length=1, label="comparing", show_pos=True) as bar,
    ):

        def show_progress(so_far: Reconciled) -> None:
            bar.length = max(1, so_far.to_see)  # the number is known only after the run has begun
            bar.update(so_far.seen - bar.pos)

        done = run_reconcile(database, policy, requested_by=requester(), dry_run=dry_run, progress=show_progress)
    show(done, dry_run)
    sys.exit(1 if done.left or (dry_run and done.differences) else 0)


def show(done: Reconciled, dry_run: bool) -> None:
    differences = sum(done.differences.values())
    click.echo(
        f"{done.users} auth users compared with the {done.known} last known states: {differences or 'no'} differences"
    )
    for kind, count in sorted(done.differences.items()):
        click.echo(f"  {count:>8} {kind}")
    if dry_run:
        for found in done.shown:
            employee = f", employee {found['employee_id']}" if found["employee_id"] is not None else ""
            click.echo(f"  auth user {found['auth_user_id']}: {found['kind']}{employee}")
        if differences > len(done.shown):
            click.echo(f"  ... and more; only the first {MAX_SHOWN} are shown")
    elif done.outcomes:
        click.echo("outcomes")
        for outcome, count in sorted(done.outcomes.items()):
            click.echo(f"  {count:>8} {outcome}")
    if done.failed:
        click.echo(
            f"{done.failed} events had failed before. The relay retries them: see `replay --status FAILED --dry-run`."
        )
    if done.left:
        click.echo(f"{done.left} could not be applied now. The relay applies them later. The run counts as failed.")


class Age(click.ParamType[timedelta]):
    """An age such as 90d, 12w or 36h, and at least one day."""

    name = "age"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        found = re.fullmatch(r"([0-9]{1,5})([hdw])", str(value))
        if found is None:
            self.fail("must be a number and h, d or w, such as 90d", param, ctx)
        age = timedelta(**{UNITS[found[2]]: int(found[1])})
        if age < SHORTEST:
            self.fail("must be at least 1d, because an event may be delivered again within a day", param, ctx)
        return age


@click.command(short_help="Remove old events that succeeded.")
@click.option("--older-than", type=Age(), required=True, help="Age such as 90d (also h and w); at least 1d.")
@click.option("--dry-run", is_flag=True, help="Only show the number of events.")
@DATA_DIR
def prune(older_than: timedelta, dry_run: bool, data_dir: Path) -> None:
    """Remove events from the ledger that succeeded before this age. Pending and failed events always stay.

    The last known states of auth users are stored separately and stay too.
    """
    before = datetime.now(UTC) - older_than
    with database_of(data_dir) as (database, _):
        if dry_run:
            click.echo(f"{retention.prunable(database, before)} events would be removed.")
            return
        try:
            count = retention.prunable(database, before)
        except Unavailable:  # the database cannot count so many events in time
            count = 0
        with click.progressbar(length=max(1, count), label="removing", show_pos=True) as bar:
            removed = retention.prune(database, before, progress=bar.update)
    click.echo(f"{removed} events removed.")
