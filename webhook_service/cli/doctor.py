"""The command `webhook-service doctor`."""

import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from webhook_service import config
from webhook_service.app import admin_for, database_for
from webhook_service.cli import output
from webhook_service.cli.data_dir import DATA_DIR, environment_of
from webhook_service.doctor.examination import examine
from webhook_service.doctor.findings import Finding, Level, note, wrong
from webhook_service.errors import BadSetting
from webhook_service.settings import project_of

T = TypeVar("T")
MARKS = {
    Level.OK: ("ok", "green"),
    Level.NOTE: ("note", "yellow"),
    Level.WRONG: ("WRONG", "red"),
    Level.UNKNOWN: ("??", "magenta"),
}


@click.command(short_help="Check the installation and explain how to fix it.")
@click.option("--quick", is_flag=True, help="Do not compare all auth users with their last known states.")
@output.JSON
@DATA_DIR
def doctor(quick: bool, as_json: bool, data_dir: Path) -> None:
    """Check the installation, and print for each finding what to do.

    The exit code is 1 if a finding is WRONG, else 2 if a check failed with an error, and 0 otherwise. The command
    changes nothing. It posts one signed request to the webhook's URL. The request is not an event.

    With --json, the document is an array of {check, level, says, todo, command}.
    """
    try:
        with environment_of(data_dir, warns=False) as environment:
            findings = findings_of(environment, compare=not quick)
    except BadSetting as error:  # no database is configured or embedded
        findings = [misconfigured(error)]
    if as_json:
        output.emit([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            show(finding)
    levels = {finding.level for finding in findings}
    sys.exit(1 if Level.WRONG in levels else 2 if Level.UNKNOWN in levels else 0)


def findings_of(environment: dict[str, str], *, compare: bool) -> list[Finding]:
    """Examine the installation. A bad setting becomes a finding, and the checks that do not need it still run."""
    findings = [note("settings", each, "remove it") for each in config.ignored(environment)]

    def setting(read: Callable[[dict[str, str]], T]) -> T | None:
        try:
            return read(environment)
        except BadSetting as error:
            if misconfigured(error) not in findings:
                findings.append(misconfigured(error))
            return None

    connection = setting(config.connection)
    auth = setting(config.auth_admin)
    policy = setting(config.policy)
    secrets = setting(config.webhook_secrets) or ()
    pages = setting(config.pages)
    notices = setting(config.notices)
    with ExitStack() as stack:
        database = setting(lambda _: stack.enter_context(closing(database_for(connection)))) if connection else None
        admin = setting(lambda _: stack.enter_context(closing(admin_for(auth)))) if auth else None
        found = examine(
            database,
            policy,
            secrets,
            now=lambda: datetime.now(UTC),
            compare=compare,
            admin=admin,
            project=project_of(connection, auth),
            pages=pages,
            notices=notices,
        )
    return findings + found


def misconfigured(error: BadSetting) -> Finding:
    """Return the finding of a missing or unusable setting."""
    todo = "set it as docs/reference/settings.md says, and run `webhook-service doctor` again"
    return wrong("settings", error.detail, todo)


def show(finding: Finding) -> None:
    mark, color = MARKS[finding.level]
    click.echo(f"{click.style(f'{mark:>5}', fg=color)}  {finding.check}: {finding.says}")
    if finding.todo:
        click.echo(f"       -> {finding.todo}")
    if finding.command:
        click.echo(f"          {finding.command}")
