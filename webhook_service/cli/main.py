"""The command `webhook-service`. Each subcommand builds the objects that it needs and calls one use case."""

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from webhook_service import config
from webhook_service.app import database_for
from webhook_service.cli import output
from webhook_service.cli.data_dir import DATA_DIR, check_temporary_folder, environment_of, with_missing
from webhook_service.cli.doctor import doctor
from webhook_service.cli.held import held
from webhook_service.cli.import_employees import import_employees
from webhook_service.cli.notify import notify
from webhook_service.cli.provision import provision
from webhook_service.cli.reconcile import prune, reconcile
from webhook_service.cli.relay import relay
from webhook_service.cli.replay import replay
from webhook_service.cli.scim_token import scim_token
from webhook_service.cli.sql import sql
from webhook_service.cli.subscribers import subscribers
from webhook_service.config import read_environment, value_of
from webhook_service.db import embedded
from webhook_service.db import migrate as migrations
from webhook_service.demo.play import run_demo
from webhook_service.errors import MigrationError
from webhook_service.inbound import signature
from webhook_service.policy import Policy
from webhook_service.server import process as server_process
from webhook_service.settings import SupabaseConnection

WOULD_RUN, RAN = "would run {statement};", "ran {statement};"


class Group(output.Errors):
    """Ends a command after SIGTERM, or SIGHUP when its terminal is closed, without leaving a process running."""

    def invoke(self, ctx: click.Context) -> Any:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
            signal.signal(signal.SIGHUP, lambda number, frame: sys.exit(128 + number))
        return super().invoke(ctx)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="webhook-service")
def main() -> None:
    """Auth sync: keep Supabase Auth and a company's employees table in sync.

    Settings are environment variables: DATABASE_URL, or SUPABASE_URL with SUPABASE_SERVICE_ROLE_KEY; WEBHOOK_SECRETS;
    ADMIN_API_KEY. Each can also be set as NAME_FILE. If no database is configured, serve and demo start an embedded
    PostgreSQL.
    """


@main.command(short_help="Run a demo on an embedded PostgreSQL.")
@click.option(
    "--exit", "exits", is_flag=True, help="Exit after the traffic, with code 1 if an employee is not as expected."
)
@click.option(
    "--port", type=int, default=config.DEFAULT_PORT, show_default=True, help="If it is in use, another one is chosen."
)
def demo(exits: bool, port: int) -> None:
    """Run a demo: an embedded PostgreSQL, the real server, a day of changes to auth.users, and a killed server."""
    check_temporary_folder()
    sys.exit(0 if run_demo(keeps_serving=not exits, port=port) else 1)


@main.command(short_help="Serve the webhook, the dashboard and the admin API.")
@click.option(
    "--host", default=None, help="Address to listen on.  [default: 0.0.0.0; 127.0.0.1 with the embedded PostgreSQL]"
)
@click.option("--port", type=int, default=None, help="Port to listen on.  [default: PORT, or 8000]")
@click.option("--workers", type=int, default=None, help="Processes.  [default: WEB_CONCURRENCY, or 2]")
@DATA_DIR
def serve(host: str | None, port: int | None, workers: int | None, data_dir: Path) -> None:
    """Serve the webhook, the dashboard, the admin API and the probes. Unless RELAY=off, also run a relay."""
    check_temporary_folder()
    environment = read_environment()
    chosen = {"HOST": host, "PORT": port, "WEB_CONCURRENCY": workers}
    environment |= {name: str(value) for name, value in chosen.items() if value is not None}
    if config.has_connection(environment):
        config.load(environment)  # raises BadSetting here, before each worker would fail
        os.execve(server_process.COMMAND[0], server_process.COMMAND, environment)  # noqa: S606 (gunicorn takes over the process)

    with embedded.running(data_dir) as own:
        environment = {"HOST": "127.0.0.1"} | with_missing(environment, own)
        config.load(environment)
        migrations.migrate(environment["DATABASE_URL"], policy=config.policy(environment))
        click.echo(f"No database is configured: using an embedded PostgreSQL in {data_dir}.", err=True)
        click.echo(f"The webhook secret and the admin key are in {data_dir / embedded.SECRETS_FILE}.", err=True)
        url = f"http://{config.host(environment)}:{environment.get('PORT', config.DEFAULT_PORT)}"
        click.echo(f"Serving at {url}; the dashboard is {url}/admin/.", err=True)
        with server_process.running(environment) as process:
            signal.signal(signal.SIGTERM, lambda number, frame: process.terminate())
            signal.signal(signal.SIGINT, lambda number, frame: process.terminate())
            if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
                signal.signal(signal.SIGHUP, lambda number, frame: process.terminate())
            sys.exit(process.wait())


@main.command(short_help="Migrate the database to this version's schema.")
@click.option("--dry-run", is_flag=True, help="Only show the scripts that would be applied.")
@click.option(
    "--create-employees",
    is_flag=True,
    help="Create public.employees although a table like it has another name or schema.",
)
@click.option(
    "--protect-employees",
    is_flag=True,
    help="Also take the privileges on employees that open logins from other roles. Prints the statements.",
)
@output.JSON
@DATA_DIR
def migrate(dry_run: bool, create_employees: bool, protect_employees: bool, as_json: bool, data_dir: Path) -> None:
    """Migrate the database at DATABASE_URL to the schema that this version needs. Repeating the command is safe.

    Supabase's Data API cannot migrate. With SUPABASE_URL alone, the command only checks the schema, and stores
    NAME_FIELDS, EMAIL_OWNER and MASS_DEACTIVATION_LIMIT for the triggers.
    """
    verb = "would apply" if dry_run else "applied"
    applied: list[str] = []
    protected: list[str] = []

    def note_applied(title: str) -> None:
        applied.append(title)
        output.say(f"{verb} {title}")

    def note_protected(statement: str) -> None:
        protected.append(statement)
        output.say((WOULD_RUN if dry_run else RAN).format(statement=statement))

    with environment_of(data_dir) as environment:
        connection = config.connection(environment)
        if isinstance(connection, SupabaseConnection):
            if protect_employees:
                raise click.UsageError(
                    "The Data API cannot change privileges. Set DATABASE_URL, or run"
                    " `select auth_sync_protect_employees()` in the SQL editor."
                )
            check_migrations(connection, None if dry_run else config.policy(environment))
            count = 0
        else:
            count = migrations.migrate(
                connection.url,
                policy=config.policy(environment),
                dry_run=dry_run,
                create_employees=create_employees,
                protect_employees=protect_employees,
                protected=note_protected,
                warned=lambda warning: click.secho(f"WARNING: {warning}", fg="yellow", err=True),
                applied=lambda script: note_applied(script.title),
            )
    output.result(
        as_json,
        {"dry_run": dry_run, "scripts": applied, "protected": protected},
        "The database is up to date." if not count else f"{verb} {count} scripts.",
    )


@main.command(short_help="Remove webhook-service from the database.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@output.JSON
@DATA_DIR
def uninstall(yes: bool, as_json: bool, data_dir: Path) -> None:
    """Remove webhook-service from the database at DATABASE_URL: triggers, functions, the ledger. Employees stay.

    `webhook-service sql --uninstall` prints the SQL that the command runs.
    """
    with environment_of(data_dir) as environment:
        url = config.database_url(environment)
        if not yes:
            output.ask("Remove webhook-service and its ledger from this database?")
        migrations.uninstall(url)
    output.result(as_json, {"is_removed": True}, "Removed. Employees and their columns are unchanged.")


def check_migrations(connection: SupabaseConnection, policy: Policy | None) -> None:
    """Store the policy for the triggers. Raises MigrationError if the database's schema is too old."""
    database = database_for(connection)
    try:
        gap = migrations.gap(database, migrations.wanted())
        if gap is None and policy is not None:
            database.call("auth_sync_configure_v1", **migrations.trigger_settings(policy))
            database.call("auth_sync_limit_deactivations_v1", p_limit=policy.deactivation_limit)
    finally:
        database.close()
    if gap is not None:
        raise MigrationError(
            "not_migrated", f"The database is {gap}. Set DATABASE_URL to migrate it, or use `webhook-service sql`."
        )


@main.command(short_help="Sign a payload and print its headers.")
@click.option("--id", "event_id", help="The event id.  [default: a new one]")
@click.option(
    "--token", metavar="NAME", help="Instead, print a token for the static header of a webhook made in the dashboard."
)
@output.JSON
@DATA_DIR
def sign(event_id: str | None, token: str | None, as_json: bool, data_dir: Path) -> None:
    """Sign the payload on standard input, and print the three headers to send with it.

    \b
    webhook-service sign < event.json > headers.txt
    curl -H @headers.txt -H 'Content-Type: application/json' --data-binary @event.json http://localhost:8000/webhook/auth
    """
    environment = read_environment()
    if value_of(environment, "WEBHOOK_SECRETS") is None and (data_dir / embedded.SECRETS_FILE).exists():
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
    if as_json:
        output.emit({"headers": dict(headers)})
        return
    for name, value in headers.items():
        click.echo(f"{name}: {value}")


of_employees = (provision, held, import_employees, scim_token)
for command in (relay, replay, reconcile, prune, *of_employees, doctor, notify, subscribers, sql):
    main.add_command(command)
