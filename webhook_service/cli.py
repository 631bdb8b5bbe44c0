"""The command `webhook-service`. Each command puts together what it needs and calls one use case."""

import getpass
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from marshmallow import ValidationError

from webhook_service import config, serving, signature
from webhook_service.app import database_for
from webhook_service.config import Settings
from webhook_service.db import embedded
from webhook_service.db import migrate as migrations
from webhook_service.demo import run_demo
from webhook_service.errors import ServiceError
from webhook_service.ports import Database
from webhook_service.replay import MAX_CHANGES_SHOWN, Replayed, replay_event, replay_events
from webhook_service.web.admin_api import Filter, as_json

DATA_DIR = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".webhook-service"),
    show_default=True,
    help="Folder of the embedded PostgreSQL and its secrets; used where no database is configured.",
)


class Group(click.Group):
    """Our errors end a command with one clear line, and SIGTERM ends it in order: nothing is left running."""

    def invoke(self, ctx: click.Context) -> Any:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        try:
            return super().invoke(ctx)
        except ServiceError as error:
            raise click.ClickException(f"{error.detail} [{error.reason}]") from error


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="webhook-service")
def main() -> None:
    """Keeps Supabase Auth and a company's employees table in step.

    Settings come from the environment: DATABASE_URL, or SUPABASE_URL with SUPABASE_SERVICE_ROLE_KEY; WEBHOOK_SECRETS;
    ADMIN_API_KEY (each also as NAME_FILE). Without a database, serve and demo bring their own PostgreSQL.
    """


@main.command()
@click.option(
    "--exit", "exits", is_flag=True, help="End after the traffic; non-zero if employees are not as they should be."
)
@click.option(
    "--port", type=int, default=config.DEFAULT_PORT, show_default=True, help="Another one is taken if it is in use."
)
def demo(exits: bool, port: int) -> None:
    """Show it at work: an embedded PostgreSQL, the real server, and sample auth traffic as signed HTTP requests."""
    sys.exit(0 if run_demo(keeps_serving=not exits, port=port) else 1)


@main.command()
@click.option(
    "--host", default=None, help="Address to listen on.  [default: 0.0.0.0; 127.0.0.1 with the embedded PostgreSQL]"
)
@click.option("--port", type=int, default=None, help="Port to listen on.  [default: PORT, or 8000]")
@click.option("--workers", type=int, default=None, help="Processes.  [default: WEB_CONCURRENCY, or 2]")
@DATA_DIR
def serve(host: str | None, port: int | None, workers: int | None, data_dir: Path) -> None:
    """Serve the webhook, the probes and the admin API."""
    environment = config.environment()
    chosen = {"HOST": host, "PORT": port, "WEB_CONCURRENCY": workers}
    environment |= {name: str(value) for name, value in chosen.items() if value is not None}
    if config.has_connection(environment):
        config.load(environment)  # fails here, in one line, rather than in each worker
        os.execve(serving.COMMAND[0], serving.COMMAND, environment)  # noqa: S606 (gunicorn gets our process and its signals)

    with embedded.running(data_dir) as own:
        environment = {"HOST": "127.0.0.1"} | with_missing(environment, own)
        config.load(environment)
        migrations.migrate(environment["DATABASE_URL"])
        click.echo(f"No database is configured: using an embedded PostgreSQL in {data_dir}.", err=True)
        click.echo(f"Webhook secret and admin key: {data_dir / embedded.SECRETS_FILE}", err=True)
        with serving.running(environment) as process:
            signal.signal(signal.SIGTERM, lambda number, frame: process.terminate())
            signal.signal(signal.SIGINT, lambda number, frame: process.terminate())
            sys.exit(process.wait())


@main.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be applied.")
@DATA_DIR
def migrate(dry_run: bool, data_dir: Path) -> None:
    """Bring the database at DATABASE_URL to the schema this version needs. Safe to repeat."""
    verb = "would apply" if dry_run else "applied"
    with environment_of(data_dir) as environment:
        count = migrations.migrate(
            config.database_url(environment),
            dry_run=dry_run,
            applied=lambda migration: click.echo(f"{verb} {migration.number:04} {migration.name}"),
        )
    click.echo("The database is up to date." if not count else f"{verb} {count} migrations.")


@main.command()
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write one file each, as `supabase db push` takes them from supabase/migrations/.",
)
def sql(output_dir: Path | None) -> None:
    """Print the migrations, for those who apply them with the Supabase CLI or by hand."""
    if output_dir is not None:
        output_dir.mkdir(parents=True, exist_ok=True)
    for migration in migrations.migrations():
        if output_dir is None:
            click.echo(f"-- webhook-service migration {migration.number:04} {migration.name}\n\n{migration.script}")
            continue
        # Fixed times, so that the same migration is the same file every time it is written.
        file = output_dir / f"20260101{migration.number:06}_webhook_service_{migration.name}.sql"
        file.write_text(migration.script, "utf-8")
        click.echo(f"wrote {file}")


@main.command()
@click.option("--id", "event_id", help="The event id.  [default: a new one]")
@click.option(
    "--token", metavar="NAME", help="Instead: mint a token for the static header of a dashboard-made webhook."
)
@DATA_DIR
def sign(event_id: str | None, token: str | None, data_dir: Path) -> None:
    """Sign the payload on standard input: print the three headers to send with it.

    \b
    webhook-service sign < event.json > headers.txt
    curl -H @headers.txt -H 'Content-Type: application/json' --data-binary @event.json http://localhost:8000/webhook/auth
    """
    environment = config.environment()
    if config.value_of(environment, "WEBHOOK_SECRETS") is None and (data_dir / embedded.SECRETS_FILE).exists():
        environment |= embedded.stored_secrets(data_dir, create=False)
    secrets = config.webhook_secrets(environment)
    now = datetime.now(UTC)
    if token is not None:
        headers = {signature.TOKEN_HEADER: signature.mint_token(secrets, token)}
    else:
        body = sys.stdin.buffer.read()
        try:
            headers = signature.sign(secrets[0], event_id or f"manual-{now:%Y%m%dT%H%M%S%f}", body, now=now)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--id") from None
    for name, value in headers.items():
        click.echo(f"{name}: {value}")


@main.command()
@click.argument("event_id", required=False)
@click.option("--status", help="PENDING, SUCCESS or FAILED.")
@click.option("--outcome", help="Such as ambiguous.")
@click.option("--operation", help="INSERT, UPDATE or DELETE.")
@click.option("--auth-user-id")
@click.option("--employee-id")
@click.option("--since", help="Received at or after, such as 2026-11-22T10:00:00Z.")
@click.option("--until", help="Received before.")
@click.option("--all", "everything", is_flag=True, help="All events of the ledger.")
@click.option("--limit", type=click.IntRange(1), default=10_000, show_default=True, help="At most so many.")
@click.option("--dry-run", is_flag=True, help="Only show how many events fit and what would change.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@DATA_DIR
def replay(
    event_id: str | None, everything: bool, limit: int, dry_run: bool, yes: bool, data_dir: Path, **criteria: str | None
) -> None:
    """Process events again: one by its id, or all that fit a filter. Doing it twice changes nothing."""
    try:
        chosen = as_json(Filter().load({name: value for name, value in criteria.items() if value is not None}))
    except ValidationError as error:
        raise click.UsageError(f"These do not fit: {error.messages_dict}") from None
    if (event_id is not None) + bool(chosen) + everything != 1:
        raise click.UsageError("Give an event id, or a filter, or --all.")
    requested_by = f"cli:{getpass.getuser()}@{socket.gethostname()}"
    with settings_and_database(data_dir) as (settings, database):
        if event_id is not None:
            result = replay_event(database, settings.policy, event_id, requested_by=requested_by)
            click.echo(f"{result.event_id}: {result.status} {result.outcome}")
            return
        preview = replay_events(database, settings.policy, chosen, requested_by=requested_by, dry_run=True, limit=limit)
        show(preview)
        if dry_run or not preview.replayed or not (yes or click.confirm(f"Replay {preview.replayed} events?")):
            return
        with click.progressbar(length=preview.replayed, label="replaying") as bar:
            done = replay_events(
                database,
                settings.policy,
                chosen,
                requested_by=requested_by,
                dry_run=False,
                limit=limit,
                progress=lambda so_far: bar.update(so_far.replayed - bar.pos),
            )
        show(done)


def show(replayed: Replayed) -> None:
    would = "would be " if replayed.dry_run else ""
    click.echo(
        f"{replayed.matched} events fit, {replayed.replayed} {would}replayed, {replayed.changed} change an employee."
    )
    for outcome, count in sorted(replayed.outcomes.items()):
        click.echo(f"  {count:>6} {outcome}")
    for result in replayed.changes:
        columns = ", ".join(sorted(result.changes))
        click.echo(f"  employee {result.employee_id}: {result.outcome}, {columns} ({result.event_id})")
    if replayed.changed > len(replayed.changes):
        click.echo(f"  ... and more than the {MAX_CHANGES_SHOWN} shown")


@contextmanager
def environment_of(data_dir: Path) -> Iterator[dict[str, str]]:
    """The environment; where it names no database, with the embedded one that has been served from `data_dir`."""
    environment = config.environment()
    if config.has_connection(environment):
        yield environment
        return
    embedded.stored_secrets(data_dir, create=False)
    with embedded.running(data_dir) as own:
        yield with_missing(environment, own)


def with_missing(environment: dict[str, str], own: dict[str, str]) -> dict[str, str]:
    """The environment, and of the embedded server's own settings those that it does not have."""
    return environment | {name: value for name, value in own.items() if config.value_of(environment, name) is None}


@contextmanager
def settings_and_database(data_dir: Path) -> Iterator[tuple[Settings, Database]]:
    with environment_of(data_dir) as environment:
        settings = config.load(environment)
        database = database_for(settings)
        try:
            yield settings, database
        finally:
            database.close()
