"""The command `webhook-service doctor`."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from webhook_service import config
from webhook_service.app import admin_for, database_for
from webhook_service.cli.data_dir import DATA_DIR, environment_of
from webhook_service.doctor.checks import examine
from webhook_service.doctor.findings import Finding, Level

MARKS = {Level.OK: ("ok", "green"), Level.NOTE: ("note", "yellow"), Level.WRONG: ("WRONG", "red")}


@click.command(short_help="Check the installation and explain how to fix it.")
@click.option("--quick", is_flag=True, help="Do not compare all auth users with their last known states.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of {check, level, says, todo}.")
@DATA_DIR
def doctor(quick: bool, as_json: bool, data_dir: Path) -> None:
    """Check the installation, and print for each finding what to do.

    The exit code is 1 if a finding is WRONG, and 0 otherwise. The command changes nothing. It posts one signed request
    to the webhook's URL. The request is not an event.
    """
    with environment_of(data_dir) as environment:
        database = database_for(config.connection(environment))
        auth = config.auth_admin(environment)
        admin = admin_for(auth) if auth is not None else None
        try:
            findings = examine(
                database,
                config.policy(environment),
                config.webhook_secrets(environment),
                now=lambda: datetime.now(UTC),
                compare=not quick,
                admin=admin,
                destinations=len(config.notices(environment).urls),
            )
        finally:
            database.close()
            if admin is not None:
                admin.close()
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            show(finding)
    sys.exit(1 if any(finding.level is Level.WRONG for finding in findings) else 0)


def show(finding: Finding) -> None:
    mark, color = MARKS[finding.level]
    click.echo(f"{click.style(f'{mark:>5}', fg=color)}  {finding.check}: {finding.says}")
    if finding.todo:
        click.echo(f"       -> {finding.todo}")
