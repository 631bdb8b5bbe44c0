"""`webhook-service relay` as a process, and its traces in the database."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.acceptance.command import settings_for, started_command
from tests.employees import Connection


@dataclass(frozen=True, slots=True)
class RelayProcess:
    process: subprocess.Popen[bytes]
    log_file: Path

    def messages(self) -> list[str]:
        lines = self.log_file.read_text("utf-8").splitlines()
        return [str(json.loads(line)["message"]) for line in lines]


@contextmanager
def relay_process(database_url: str, folder: Path, name: str = "relay", **settings: str) -> Iterator[RelayProcess]:
    log_file = folder / f"{name}.log"
    environment = settings_for(database_url) | settings
    with started_command("relay", environment=environment, folder=folder, output=log_file) as process:
        yield RelayProcess(process, log_file)


def is_listening(connection: Connection) -> bool:
    """Whether a process waits for notifications in this database."""
    return bool(activity(connection, "query = 'listen auth_sync' and state = 'idle'"))


def activity(connection: Connection, condition: str) -> list[dict[str, Any]]:
    query = f"select pid from pg_stat_activity where datname = current_database() and {condition}"  # noqa: S608
    return connection.execute(query.encode()).fetchall()


def statuses(connection: Connection) -> list[tuple[str, int, str | None]]:
    """The status, the attempts and the way of each event."""
    found = connection.execute(
        "select status, attempts, via from integration_sync_log where direction = 'inbound' order by id"
    ).fetchall()
    return [(row["status"], row["attempts"], row["via"]) for row in found]
