"""The database of a command, which is the configured database or the embedded database of a data folder."""

import getpass
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from webhook_service import config
from webhook_service.app import database_for
from webhook_service.config import read_environment, value_of
from webhook_service.db import embedded
from webhook_service.errors import BadSetting
from webhook_service.policy import Policy
from webhook_service.ports import Database

DATA_DIR = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".webhook-service"),
    show_default=True,
    help="Folder of the embedded PostgreSQL and its secrets, used if no database is configured.",
)


@contextmanager
def environment_of(data_dir: Path, *, warns: bool = True) -> Iterator[dict[str, str]]:
    """Yield the environment variables. If they name no database, start the embedded database in `data_dir`.

    If `warns` is true, print a warning for each ignored part of a setting. Raises BadSetting if `data_dir` has no
    database.
    """
    environment = read_environment()
    if config.has_connection(environment):
        for warning in config.ignored(environment) if warns else ():
            click.secho(f"WARNING: {warning}", fg="yellow", err=True)
        yield environment
        return
    embedded.stored_secrets(data_dir, create=False)
    with embedded.running(data_dir) as own:
        yield with_missing(environment, own)


def with_missing(environment: dict[str, str], own: dict[str, str]) -> dict[str, str]:
    """Return the environment, with the embedded server's settings for variables that the environment does not set."""
    return environment | {name: value for name, value in own.items() if value_of(environment, name) is None}


@contextmanager
def database_of(data_dir: Path) -> Iterator[tuple[Database, Policy]]:
    """Yield the command's database and policy, and close the database afterwards."""
    with environment_of(data_dir) as environment:
        database = database_for(config.connection(environment))
        try:
            yield database, config.policy(environment)
        finally:
            database.close()


def check_temporary_folder() -> None:
    """Raise BadSetting if there is no folder for temporary files, as in a container with a read-only file system."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        raise BadSetting("TMPDIR", "must name a folder that can be written: no default such as /tmp can be") from None


def requester() -> str:
    """Return the name of the user who runs the command, for the ledger: `cli:user@host`."""
    return f"cli:{getpass.getuser()}@{socket.gethostname()}"
