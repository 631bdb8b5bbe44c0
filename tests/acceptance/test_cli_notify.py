"""`webhook-service notify --test`, and notices of a relay that is a process of its own."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.command import clean_environment, run_command, run_in_process, run_program, settings_for
from tests.acceptance.conftest import StartServer, wait_for
from tests.employees import Connection
from tests.mailing import PASSWORD, Mailbox, links_in, mail_server, url_of

PUBLIC = {"PUBLIC_URL": "https://sync.example.com"}


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as mailbox:
        yield mailbox


def test_it_says_which_destination_fails(mailbox: Mailbox, tmp_path: Path) -> None:
    """`notify --test` tries each destination and names it by scheme and host, without a password."""
    dead = "mailto://canary:canary@localhost:1?from=a@example.com&to=canary@example.com"
    environment = clean_environment() | {"NOTIFY_URLS": f"{dead}, {mailbox.url}"}
    code, output, error = run_program("notify", "--test", environment=environment, folder=tmp_path)
    assert (code, output.splitlines()) == (1, ["1 mailto://localhost: NOT SENT", "2 mailto://127.0.0.1: sent"])
    assert "canary" not in output + error
    assert mailbox.titles == ["Test message"]
    environment["NOTIFY_URLS"] = mailbox.url
    assert run_program("notify", "--test", environment=environment, folder=tmp_path)[0] == 0


@pytest.mark.parametrize("urls", ["", "smtp://canary:canary@example.com"])
def test_it_says_what_is_missing(urls: str, tmp_path: Path) -> None:
    """A NOTIFY_URLS that is empty or unusable is one line that names the variable."""
    environment = clean_environment() | {"NOTIFY_URLS": urls}
    code, output, error = run_in_process("notify", "--test", environment=environment, folder=tmp_path)
    assert (code, output, len(error.splitlines())) == (1, "", 1)
    assert "NOTIFY_URLS" in error
    assert "canary" not in error


def test_a_relay_from_cron_notifies(
    mailbox: Mailbox, database_url: str, connection: Connection, tmp_path: Path
) -> None:
    """`relay --once` checks once and sends a message with a link. Its log has no part of the URLs."""
    fail_an_event(connection)
    environment = settings_for(database_url) | PUBLIC | {"NOTIFY_URLS": f"{mailbox.url} {url_of(1)}"}
    code, _, error = run_command("relay", "--once", environment=environment, folder=tmp_path)
    assert code == 0
    assert mailbox.titles == ["1 event needs a decision"]
    assert links_in(mailbox.texts[0])[0].startswith("https://sync.example.com/admin/failing/")
    assert "notice not sent" in error
    assert [word for word in (PASSWORD, "oncall", "to=") if word in error] == []


def test_a_server_with_two_workers_notifies_once(
    mailbox: Mailbox, start_server: StartServer, connection: Connection
) -> None:
    """Both workers check at their start. One of them sends the message, and the failed destination is retried."""
    fail_an_event(connection)
    server = start_server(NOTIFY_URLS=f"{mailbox.url} {url_of(1)}", WEB_CONCURRENCY="2")
    wait_for("the end of the check", lambda: "notice not sent" in server.log())
    server.signal(signal.SIGTERM)
    assert server.process.wait(30) == 0
    assert mailbox.titles == ["1 event needs a decision"]
    assert PASSWORD not in server.log()


def fail_an_event(connection: Connection) -> None:
    connection.execute(
        "insert into integration_sync_log (event_id, direction, operation, status, outcome, error_message, via)"
        " values ('e', 'inbound', 'INSERT', 'FAILED', 'ambiguous', 'several', 'relay')"
    )
