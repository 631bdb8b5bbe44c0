"""The command `webhook-service held`."""

from pathlib import Path

import click

from webhook_service.cli.data_dir import DATA_DIR, database_of, requester
from webhook_service.outbound import held as holding
from webhook_service.outbound.held import Reason

MAX_SHOWN = 100
REASON = click.option(
    "--reason",
    type=click.Choice([str(reason) for reason in Reason]),
    default=str(Reason.MASS_DEACTIVATION),
    show_default=True,
    help="Decide about the bans that are held for this reason.",
)
YES = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


@click.group(short_help="Decide about bans that are held.")
def held() -> None:
    """Decide about the bans that are held. While a ban is held, the login can still sign in.

    The reason is mass_deactivation if an unusual share of the employees was deactivated at once. The limit is
    MASS_DEACTIVATION_LIMIT. The reason is shared_email if another active employee may own the login.
    """


@held.command("list", short_help="Show the bans that are held.")
@DATA_DIR
def list_(data_dir: Path) -> None:
    """Show the people whose logins would be banned, with the reason for which each ban is held."""
    with database_of(data_dir) as (database, _):
        found = holding.held(database, MAX_SHOWN)
    click.echo(f"{found['count']:,} bans are held.")
    for person in found["people"]:
        name = person["name"] or f"employee {person['employee_id']}"
        click.echo(f"  {name} ({person['email'] or person['auth_user_id']}): {person['reason']}")
    if found["count"] > len(found["people"]):
        click.echo(f"  ... and more; only the first {MAX_SHOWN} are shown")


@held.command(short_help="Ban the logins.")
@REASON
@YES
@DATA_DIR
def release(reason: str, yes: bool, data_dir: Path) -> None:
    """Ban the logins: relays perform the bans at the rate of AUTH_RATE."""
    with database_of(data_dir) as (database, _):
        found = holding.held(database, 0, Reason(reason))
        if not yes:
            click.confirm(f"Ban {found['count']:,} logins?", abort=True)
        click.echo(f"{holding.release(database, requester(), found['newest_id'], Reason(reason)):,} bans are released.")


@held.command(short_help="Drop the bans.")
@REASON
@YES
@DATA_DIR
def discard(reason: str, yes: bool, data_dir: Path) -> None:
    """Drop the bans: the logins stay as they are.

    Correct the employees first. The next event or reconcile of an employee who is still inactive requests the ban
    again.
    """
    with database_of(data_dir) as (database, _):
        found = holding.held(database, 0, Reason(reason))
        if not yes:
            click.confirm(f"Drop {found['count']:,} bans?", abort=True)
        click.echo(f"{holding.discard(database, requester(), found['newest_id'], Reason(reason)):,} bans are dropped.")
