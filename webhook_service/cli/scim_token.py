"""The command `webhook-service scim-token`."""

from pathlib import Path

import click

from webhook_service.cli import output
from webhook_service.cli.data_dir import DATA_DIR, database_of, requester
from webhook_service.events import Json
from webhook_service.scim import clients
from webhook_service.wording.counts import counted


@click.group("scim-token", short_help="Create and revoke the tokens of directories.")
def scim_token() -> None:
    """Create and revoke the tokens with which directories, such as Okta, push employees in by SCIM.

    All tokens of one name are of one directory. To replace a token, create a second one of the same name, enter it in
    the directory, and then revoke the first.
    """


@scim_token.command(short_help="Create a token, and print it once.")
@click.option("--name", required=True, help="The name of the directory, such as okta.")
@output.JSON
@DATA_DIR
def create(name: str, as_json: bool, data_dir: Path) -> None:
    """Create a token of a directory. The token is printed only now, because only its hash is stored."""
    with database_of(data_dir) as (database, _):
        created = clients.create_token(database, name, requested_by=requester())
    if as_json:
        output.emit({"token_id": created.token_id, "name": created.client.name, "token": created.token})
        return
    click.echo(f"Token {created.token_id} of {created.client.name}. It is not shown again.", err=True)
    click.echo(created.token)


@scim_token.command("list", short_help="Show the tokens.")
@output.JSON
@DATA_DIR
def list_(as_json: bool, data_dir: Path) -> None:
    """Show the tokens, oldest first, and when each was last used."""
    with database_of(data_dir) as (database, _):
        found = clients.tokens(database)
    if as_json:
        output.emit({"tokens": found})
        return
    click.echo(counted(len(found), "{count} token.", "{count} tokens."))
    if found:
        output.table(("id", "directory", "created", "by", "last used", "state"), map(row, found))


def row(token: Json) -> tuple[Json, ...]:
    state = "valid" if token["revoked_at"] is None else f"revoked {moment(token['revoked_at'])}"
    used = moment(token["last_used_at"]) if token["last_used_at"] is not None else "never"
    return token["token_id"], token["name"], moment(token["created_at"]), token["created_by"], used, state


def moment(time: str) -> str:
    """Return a time of the database to the minute, in UTC: `2026-12-01 08:30Z`."""
    return f"{time[:10]} {time[11:16]}Z"


@scim_token.command(short_help="Revoke a token.")
@click.option("--id", "token_id", type=click.IntRange(1), help="The token to revoke.")
@click.option("--name", help="Revoke all tokens of this directory.")
@output.JSON
@DATA_DIR
def revoke(token_id: int | None, name: str | None, as_json: bool, data_dir: Path) -> None:
    """Revoke a token, or all tokens of a directory. The next request with the token is refused.

    A directory without a valid token manages nobody, so another directory may take its people over.
    """
    if (token_id is None) == (name is None):
        raise click.UsageError("Name a token with --id, or a directory with --name.")
    with database_of(data_dir) as (database, _):
        count = clients.revoke(database, token_id=token_id, name=name, requested_by=requester())
    output.result(as_json, {"count": count}, counted(count, "{count} token is revoked.", "{count} tokens are revoked."))
