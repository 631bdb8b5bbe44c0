"""The notifier mails notices about the ledger through a real SMTP server."""

import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.employees import Connection
from tests.integration.capturing import auth_on
from tests.integration.misbehaving_servers import Serve
from tests.mailing import PASSWORD, Mailbox, links_in, mail_server, silent_server, url_of
from webhook_service.db.direct import DirectDatabase
from webhook_service.ledger.relay import run_once
from webhook_service.loops import Loop, Relay, own_name
from webhook_service.notifications.decide import Kind
from webhook_service.notifications.links import FailingLink, read_link
from webhook_service.notifications.notify import Notifier
from webhook_service.notifications.notify import notifier as notifier_for
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.settings import NoticeSettings, PageSettings

PAGES = PageSettings(secret_key="k" * 40, public_url="https://sync.example.com")
FAILED = """
    insert into integration_sync_log (event_id, direction, operation, status, outcome, error_message, via, request_data)
    select gen_random_uuid(), 'inbound', 'INSERT', 'FAILED', %s, %s, 'relay', jsonb_build_object('email', %s::text)
      from generate_series(1, %s)"""
PERSON = "jane.canary@example.com"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as mailbox:
        yield mailbox


def notifier(database: Database, *urls: str, pages: PageSettings = PAGES) -> Notifier:
    found = notifier_for(database, NoticeSettings(urls), pages, None, with_actions=True)
    assert found is not None
    return found


def fail_finally(connection: Connection, count: int, outcome: str = "ambiguous") -> None:
    """Insert events that need attention."""
    connection.execute(FAILED, [outcome, f"no place for {PERSON}", PERSON, count])


def later(connection: Connection, minutes: int) -> None:
    """Move the times of the notices back, as if this many minutes had passed."""
    connection.execute(
        """
        update auth_sync_notices
           set opened_at = opened_at - passed, gone_at = gone_at - passed, reported_at = reported_at - passed,
               next_attempt_at = next_attempt_at - passed, leased_until = leased_until - passed
          from (select make_interval(mins => %s) as passed) as _""",
        [minutes],
    )


def test_a_thousand_failures_are_one_mail(database: Database, connection: Connection, mailbox: Mailbox) -> None:
    """A thousand failures cause one mail with counts, what to do and a link to the oldest, without personal data."""
    fail_finally(connection, 700)
    fail_finally(connection, 300, "email_taken")
    one = notifier(database, mailbox.url)
    for _ in range(3):
        one.run_once("a")
    assert mailbox.titles == ["1,000 events need a decision"]
    [text] = mailbox.texts
    assert "Several matches: 700, E-mail in use: 300." in text
    [link] = links_in(text)
    assert link.startswith("https://sync.example.com/admin/failing/")
    token = link.rsplit("/", 1)[1]
    oldest = connection.execute("select min(id) as id from integration_sync_log").fetchone()
    assert oldest is not None
    found = read_link(token, PAGES.signing_key(""), now=datetime.now(UTC))
    assert found == FailingLink(Kind.NEEDS_ATTENTION, oldest["id"])
    whole = mailbox.mails[0].as_string()
    assert [word for word in ("canary", "jane", PASSWORD) if word in whole] == []


def test_later_failures_are_gathered_and_the_end_is_reported_once(
    database: Database, connection: Connection, mailbox: Mailbox
) -> None:
    """Later failures are gathered for a group interval, and their end is reported once as resolved."""
    one = notifier(database, mailbox.url, pages=PageSettings())

    def poll(minutes: int) -> None:
        later(connection, minutes)
        one.run_once("a")
        one.run_once("b")

    poll(0)
    fail_finally(connection, 1)
    poll(0)
    fail_finally(connection, 999)
    poll(5)
    poll(10)
    connection.execute("delete from integration_sync_log")
    poll(1)
    poll(4)
    poll(1)
    poll(60)
    assert mailbox.titles == [
        "1 event needs a decision",
        "Worse: 1,000 events need a decision",
        "Resolved: Nothing needs attention any more",
    ]
    assert "See /admin/inbox of the service." in mailbox.texts[0]


def test_one_of_many_relays_sends_a_notice(database_url: str, connection: Connection, mailbox: Mailbox) -> None:
    """If several relays poll at the same moment, each notice is sent once."""
    relays, polls = 4, 3
    fail_finally(connection, 1)
    databases = [DirectDatabase(database_url) for _ in range(relays)]
    together = threading.Barrier(relays)

    def poll(database: Database) -> None:
        one = notifier(database, mailbox.url)
        for _ in range(polls):
            together.wait(30)
            one.run_once(own_name())

    threads = [threading.Thread(target=poll, args=[database]) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in databases:
        database.close()
    assert mailbox.titles == ["1 event needs a decision"]


def test_a_dead_server_is_retried(
    database: Database, connection: Connection, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A message to a dead mail server is sent when the server works again. Other recipients get no second copy.

    No secret is in the log.
    """
    with mail_server() as dead:
        port = dead.port
    one = notifier(database, mailbox.url, url_of(port))
    fail_finally(connection, 1)
    with caplog.at_level(logging.DEBUG):
        one.run_once("a")
        one.run_once("a")
    assert mailbox.titles == ["1 event needs a decision"]
    records = [record for record in caplog.records if record.name != "mail.log"]  # the mail server's own records
    missed = [vars(record)["destinations"] for record in records if record.message == "notice not sent"]
    assert missed == [["mailto://127.0.0.1"]]
    shown = repr([(record.getMessage(), vars(record)) for record in records])
    assert [word for word in (PASSWORD, "oncall@", PERSON) if word in shown] == []
    with mail_server(port) as back:
        later(connection, 1)
        one.run_once("a")
        later(connection, 60)
        one.run_once("a")
        assert back.titles == ["1 event needs a decision"]
    assert len(mailbox.mails) == 1


def test_a_hanging_server_delays_nothing(database: Database, database_url: str, connection: Connection) -> None:
    """A hanging mail server delays neither events nor the relay's stop, and another relay sends the message."""
    with silent_server() as server:
        fail_finally(connection, 1)
        hanging = notifier(database, url_of(server.getsockname()[1]))
        events = Loop("events", lambda name: run_once(database, Policy(), name=name))
        relay = Relay(events, Loop("notices", hanging.run_once))
        relay.start()
        caller, _ = server.accept()
        with auth_on(database_url) as auth:
            auth.admin_create("joe@example.com")
        wait_for(lambda: has_row(connection, "status = 'SUCCESS'"))
        relay.stop(patience=0)
        caller.close()
        relay.stop(patience=15)
    with mail_server() as mailbox:
        later(connection, 5)
        notifier(database, mailbox.url).run_once("b")
        assert mailbox.titles == ["1 event needs a decision"]


def test_a_slow_server_gets_a_message_once(database: Database, connection: Connection, mailbox: Mailbox) -> None:
    """A server that accepts a message only after the timeout does not get the message again."""
    mailbox.takes = 0.5
    fail_finally(connection, 1)
    with_short_timeout = replace(notifier(database, mailbox.url), timeout=0.1)
    with_short_timeout.run_once("a")
    wait_for(lambda: connection.execute("select from auth_sync_notices where reached <> '[]'").rowcount == 1)
    later(connection, 60)
    with_short_timeout.run_once("a")
    assert mailbox.titles == ["1 event needs a decision"]
    assert connection.execute("select from auth_sync_notices where message is not null").rowcount == 0


def has_row(connection: Connection, condition: str) -> bool:
    return connection.execute(f"select from integration_sync_log where {condition}").fetchone() is not None


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_another_relay_sends_the_message_of_a_dead_relay(
    database: Database, connection: Connection, mailbox: Mailbox
) -> None:
    """If a relay dies while it sends a message, another relay sends the message after the lease."""
    fail_finally(connection, 1)
    one = notifier(database, mailbox.url)
    one.decide()
    assert database.call("auth_sync_claim_notice_v1", p_relay="dead", p_lease_seconds=120) is not None
    one.run_once("a")
    assert mailbox.titles == []
    later(connection, 3)
    one.run_once("a")
    assert mailbox.titles == ["1 event needs a decision"]
    assert (
        database.call(
            "auth_sync_notice_sent_v1", p_kind="needs_attention", p_relay="dead", p_reached=[], p_is_done=True
        )
        is False
    )


def test_a_newer_message_replaces_an_unsent_message(
    database: Database, connection: Connection, mailbox: Mailbox
) -> None:
    """A newer message replaces a message that could not be sent."""
    with mail_server() as dead:
        port = dead.port
    fail_finally(connection, 1)
    notifier(database, url_of(port)).run_once("a")
    fail_finally(connection, 4)
    later(connection, 15)
    notifier(database, mailbox.url).run_once("a")
    assert mailbox.titles == ["Worse: 5 events need a decision"]


def test_a_notice_has_a_level_an_instance_and_a_runbook(
    database: Database, connection: Connection, serve: Serve
) -> None:
    """A destination gets a failure and then a success, with the instance in the title and a section of the runbook."""
    received: list[dict[str, str]] = []

    def accept(client: socket.socket, over: threading.Event) -> None:
        head, body = b"", b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65536)
        head, body = head.split(b"\r\n\r\n", 1)
        length = re.search(rb"(?i)content-length: ([0-9]+)", head)
        assert length is not None
        while len(body) < int(length[1]):
            body += client.recv(65536)
        received.append(json.loads(body))
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    url = f"json://127.0.0.1:{serve(accept)}"
    one = notifier(database, url, pages=replace(PAGES, instance_name="staging", docs_url="https://git.example/docs"))
    fail_finally(connection, 1)
    one.run_once("a")
    connection.execute("delete from integration_sync_log")
    for minutes in (1, 10):
        later(connection, minutes)
        one.run_once("a")
    assert [(each["type"], each["title"]) for each in received] == [
        ("failure", "[Auth sync staging] 1 event needs a decision"),
        ("success", "[Auth sync staging] Resolved: Nothing needs attention any more"),
    ]
    runbook = "Runbook: https://git.example/docs/how-to/runbook.md#needs-attention"
    assert [runbook in each["message"] for each in received] == [True, False]
