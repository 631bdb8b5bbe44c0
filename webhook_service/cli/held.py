"""The command `webhook-service held`."""

from collections.abc import Mapping
from pathlib import Path

import click

from webhook_service.cli import output
from webhook_service.cli.data_dir import DATA_DIR, database_of, requester
from webhook_service.events import Json
from webhook_service.outbound import held as holding
from webhook_service.outbound.held import Reason
from webhook_service.wording.counts import counted
from webhook_service.wording.held import MAX_COUNT

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
@output.JSON
@DATA_DIR
def list_(as_json: bool, data_dir: Path) -> None:
    """Show the people whose logins would be banned, with the reason for which each ban is held."""
    with database_of(data_dir) as (database, _):
        found = holding.held(database, MAX_SHOWN)
    if as_json:
        output.emit(found)
        return
    click.echo(counted(found["count"], "{count} ban is held.", "{count} bans are held.", most=MAX_COUNT))
    if found["people"]:
        output.table(("employee", "login", "reason"), map(row, found["people"]))
    if found["count"] > len(found["people"]):
        click.echo(f"  ... and more; only the first {MAX_SHOWN} are shown")


def row(person: Mapping[str, Json]) -> tuple[Json, Json, Json]:
    name = person["name"] or f"employee {person['employee_id']}"
    return name, person["email"] or person["auth_user_id"], person["reason"]


@held.command(short_help="Ban the logins.")
@REASON
@YES
@output.JSON
@DATA_DIR
def release(reason: str, yes: bool, as_json: bool, data_dir: Path) -> None:
    """Ban the logins: relays perform the bans at the rate of AUTH_RATE."""
    with database_of(data_dir) as (database, _):
        found = holding.held(database, 0, Reason(reason))
        if not yes:
            output.ask(counted(found["count"], "Ban {count} login?", "Ban {count} logins?", most=MAX_COUNT))
        count = holding.release(database, requester(), found["newest_id"], Reason(reason))
    output.result(as_json, {"count": count}, counted(count, "{count} ban is released.", "{count} bans are released."))


@held.command(short_help="Drop the bans.")
@REASON
@YES
@output.JSON
@DATA_DIR
def discard(reason: str, yes: bool, as_json: bool, data_dir: Path) -> None:
    """Drop the bans: the logins stay as they are.

    Correct the employees first. The next event or reconcile of an employee who is still inactive requests the ban
    again.
    """
    with database_of(data_dir) as (database, _):
        found = holding.held(database, 0, Reason(reason))
        if not yes:
            output.ask(counted(found["count"], "Drop {count} ban?", "Drop {count} bans?", most=MAX_COUNT))
        count = holding.discard(database, requester(), found["newest_id"], Reason(reason))
    output.result(as_json, {"count": count}, counted(count, "{count} ban is dropped.", "{count} bans are dropped."))
