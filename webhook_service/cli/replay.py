"""The command `webhook-service replay`."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

import click
from marshmallow import ValidationError

from webhook_service.cli import output
from webhook_service.cli.data_dir import DATA_DIR, database_of, requester
from webhook_service.cli.moments import Moment
from webhook_service.events import Json
from webhook_service.ledger.queries import Filter, filter_json
from webhook_service.ledger.replay import MAX_CHANGES_SHOWN, Replayed, replay_event, replay_events

WOULD_REPLAY = "{matched} match, {replayed} would be replayed, {changed} would change an employee"
REPLAYED = "{matched} match, {replayed} replayed, {changed} changed an employee"


@click.command(short_help="Process events again.")
@click.argument("event_id", required=False)
@click.option("--status", help="PENDING, SUCCESS or FAILED.")
@click.option("--outcome", help="An outcome, such as ambiguous.")
@click.option("--operation", help="INSERT, UPDATE or DELETE.")
@click.option("--auth-user-id", help="Events of this auth user.")
@click.option("--employee-id", help="Events of this employee.")
@click.option("--since", type=Moment(), help="Events received since a date, a time, or how long ago, such as 3d.")
@click.option("--until", type=Moment(), help="Events received before this date or time.")
@click.option("--all", "everything", is_flag=True, help="All events of the ledger.")
@click.option("--limit", type=click.IntRange(1), help="Maximum number of events.  [default: all that match]")
@click.option("--dry-run", is_flag=True, help="Only show the number of matching events and the changes.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@output.JSON
@DATA_DIR
def replay(
    event_id: str | None,
    everything: bool,
    limit: int | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    data_dir: Path,
    **options: str | None,
) -> None:
    """Process one event again by its id, or all events that match a filter. A second replay changes nothing."""
    filter = filter_of(options)
    if (event_id is not None) + bool(filter) + everything != 1:
        raise click.UsageError("Give exactly one of: an event id, a filter, or --all.")
    with database_of(data_dir) as (database, policy):
        if event_id is not None:
            result = replay_event(database, policy, event_id, requested_by=requester())
            output.result(as_json, asdict(result), f"{result.event_id}: {result.status} {result.outcome}")
            return
        again = partial(replay_events, database, policy, filter, requested_by=requester(), limit=limit)
        preview, done = again(dry_run=True), None
        if not as_json:
            show(preview)
        if not dry_run and preview.replayed and (yes or click.confirm("Replay them?", err=as_json)):
            with output.bar(preview.replayed, "replaying") as bar:
                done = again(dry_run=False, progress=lambda so_far: bar.update(so_far.replayed - bar.pos))
            if not as_json:
                show(done)
    if as_json:
        output.emit({"preview": asdict(preview), "replayed": None if done is None else asdict(done)})


def filter_of(options: dict[str, str | None]) -> dict[str, Json]:
    try:
        return filter_json(Filter().load({name: value for name, value in options.items() if value is not None}))
    except ValidationError as error:
        wrong = "; ".join(f"--{name.replace('_', '-')}: {' '.join(says)}" for name, says in error.messages_dict.items())
        raise click.UsageError(wrong) from None


def show(replayed: Replayed) -> None:
    says = WOULD_REPLAY if replayed.dry_run else REPLAYED
    click.echo(says.format(matched=replayed.matched, replayed=replayed.replayed, changed=replayed.changed))
    for outcome, count in sorted(replayed.outcomes.items()):
        click.echo(f"  {count:>6} {outcome}")
    if replayed.changes:
        rows = [
            (each.employee_id, each.outcome, ", ".join(sorted(each.changes)), each.event_id)
            for each in replayed.changes
        ]
        output.table(("employee", "outcome", "changes", "event"), rows)
    if replayed.changed > len(replayed.changes):
        click.echo(f"  ... and more; only the first {MAX_CHANGES_SHOWN} are shown")
