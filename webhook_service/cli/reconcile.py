"""The commands `webhook-service reconcile` and `webhook-service prune`."""

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from webhook_service.cli.data_dir import DATA_DIR, database_of, who
from webhook_service.errors import Unavailable
from webhook_service.ledger import retention
from webhook_service.ledger.reconcile import MAX_SHOWN, Reconciled
from webhook_service.ledger.reconcile import reconcile as run_reconcile

UNITS = {"h": "hours", "d": "days", "w": "weeks"}
SHORTEST = timedelta(days=1)


@click.command(short_help="Compare everything, and mend what differs.")
@click.option("--dry-run", is_flag=True, help="Only show what differs; exit code 1 where something does.")
@DATA_DIR
def reconcile(dry_run: bool, data_dir: Path) -> None:
    """Compare auth.users, the last known state and employees; bring what differs through the same pipeline.

    Run it once after the first install, and nightly if you like: where nothing differs, it writes nothing but that it
    ran. The run is in the ledger, with what it found.
    """
    with (
        database_of(data_dir) as (database, policy),
        click.progressbar(length=1, label="comparing", show_pos=True) as bar,
    ):

        def show_progress(so_far: Reconciled) -> None:
            bar.length = max(1, so_far.to_see)  # not known before it has begun
            bar.update(so_far.seen - bar.pos)

        done = run_reconcile(database, policy, requested_by=who(), dry_run=dry_run, progress=show_progress)
    show(done, dry_run)
    sys.exit(1 if done.left or (dry_run and done.differences) else 0)


def show(done: Reconciled, dry_run: bool) -> None:
    differences = sum(done.differences.values())
    click.echo(
        f"{done.users} auth users compared with the {done.known} states known before: {differences or 'no'} differences"
    )
    for kind, count in sorted(done.differences.items()):
        click.echo(f"  {count:>8} {kind}")
    if dry_run:
        for found in done.shown:
            employee = f", employee {found['employee_id']}" if found["employee_id"] is not None else ""
            click.echo(f"  auth user {found['auth_user_id']}: {found['kind']}{employee}")
        if differences > len(done.shown):
            click.echo(f"  ... and more than the {MAX_SHOWN} shown")
    elif done.outcomes:
        click.echo("what became of them")
        for outcome, count in sorted(done.outcomes.items()):
            click.echo(f"  {count:>8} {outcome}")
    if done.failed:
        click.echo(
            f"{done.failed} events had failed before and are tried again by the relay: see --status FAILED of replay."
        )
    if done.left:
        click.echo(f"{done.left} could not be applied now; the relay brings them. The run counts as failed.")


class Age(click.ParamType[timedelta]):
    """90d, 12w, 36h."""

    name = "age"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        found = re.fullmatch(r"([0-9]{1,5})([hdw])", str(value))
        if found is None:
            self.fail("must be a number and h, d or w: 90d", param, ctx)
        age = timedelta(**{UNITS[found[2]]: int(found[1])})
        if age < SHORTEST:
            self.fail("must be at least 1d: within it, an event may still be sent again", param, ctx)
        return age


@click.command(short_help="Remove old events that are done.")
@click.option("--older-than", type=Age(), required=True, help="Such as 90d (also h, w); at least 1d.")
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@DATA_DIR
def prune(older_than: timedelta, dry_run: bool, data_dir: Path) -> None:
    """Remove events from the ledger that are done for so long; never what is pending, failed or given up.

    What is known of each auth user is kept apart from the events, so nothing is forgotten that decides.
    """
    before = datetime.now(UTC) - older_than
    with database_of(data_dir) as (database, _):
        if dry_run:
            click.echo(f"{retention.prunable(database, before)} events would be removed.")
            return
        try:
            count = retention.prunable(database, before)
        except Unavailable:  # too many to be counted in time
            count = 0
        with click.progressbar(length=max(1, count), label="removing", show_pos=True) as bar:
            removed = retention.prune(database, before, progress=bar.update)
    click.echo(f"{removed} events removed.")
