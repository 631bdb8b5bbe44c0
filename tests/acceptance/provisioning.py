"""`webhook-service provision` as a process, with the double of Auth."""

import csv
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from tests.acceptance.command import run_command, run_in_process, settings_for, started_command
from tests.acceptance.conftest import wait_for
from tests.auth_faults import AuthServer, Call
from tests.employees import Connection
from tests.integration.provisioning import USERS, auth_users, intents, logins, reported


@dataclass(frozen=True, slots=True)
class Desk:
    """The folder, the database and the Auth of the command."""

    folder: Path
    database_url: str
    connection: Connection
    server: AuthServer

    def environment(self, **settings: str) -> dict[str, str]:
        auth = {"SUPABASE_URL": self.server.url, "SUPABASE_SERVICE_ROLE_KEY": self.server.key, "AUTH_RATE": "1000"}
        return settings_for(self.database_url) | auth | settings

    def run(self, *arguments: str, stdin: str = "", **settings: str) -> tuple[int, str, str]:
        """Run the command and return its exit code, standard output and standard error."""
        environment = self.environment(**settings)
        return run_command("provision", *arguments, environment=environment, folder=self.folder, stdin=stdin)

    def refused_run(self, *arguments: str) -> tuple[int, str, str]:
        """Like `run`, in the process of the tests, for arguments that the command refuses."""
        return run_in_process("provision", *arguments, environment=self.environment(), folder=self.folder)

    @contextmanager
    def started(self, output: str = "logins.csv", log: str = "log.txt") -> Iterator[subprocess.Popen[bytes]]:
        arguments, log_file = ("provision", "--yes", "--output", output), self.folder / log
        with started_command(
            *arguments, environment=self.environment(), folder=self.folder, output=log_file
        ) as process:
            yield process

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.csv"))

    def passwords(self, *files: Path) -> dict[str, str]:
        """Return {e-mail: password}, from the last line of each e-mail."""
        lines = [line for file in files or self.files() for line in lines_of(file)]
        return {line["email"]: line["temporary_password"] for line in lines}

    def assert_each_once(self, count: int) -> None:
        """Each employee has one login, Auth has no others, and nothing is open."""
        emails = [f"user{n}@example.com" for n in range(1, count + 1)]
        assert [email for _, email in logins(self.connection)] == emails
        assert sorted(auth_users(self.connection)) == sorted(emails)
        assert {status for _, status, _ in intents(self.connection)} == {"SUCCESS"}
        assert self.passwords() == reported(self.server)

    def wait_for_more(self, number: int) -> None:
        """Wait until `number` more requests to create an auth user have arrived."""
        target = self.created() + number
        wait_for("some logins", lambda: self.created() >= target)

    def created(self) -> int:
        """The number of requests to create an auth user that have arrived."""
        return self.server.count("POST", USERS)


def lines_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


@dataclass(frozen=True, slots=True)
class Held:
    """A request to create an auth user that Auth holds back until `release`."""

    has_come: Event
    release: Event

    def wait(self) -> None:
        wait_for("the request that is held back", self.has_come.is_set)


def hold(desk: Desk, number: int) -> tuple[Held, Callable[[Call], None]]:
    """Hold back the request with this number.

    The function that it returns is for `before` or `after` of the double.
    """
    held = Held(Event(), Event())

    def hook(call: Call) -> None:
        if (call.method, call.path) == ("POST", USERS) and desk.created() == number:
            held.has_come.set()
            held.release.wait(30)

    return held, hook
