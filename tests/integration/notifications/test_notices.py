"""Notices: from what is in the ledger to a mail on a real SMTP server."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.employees import Connection
from tests.integration.capturing import auth_on
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


def give_up(connection: Connection, count: int, outcome: str = "ambiguous") -> None:
    """So many events that wait for an admin."""
    connection.execute(FAILED, [outcome, f"no place for {PERSON}", PERSON, count])


def later(connection: Connection, minutes: int) -> None:
    """As if so much time had gone by for the notices."""
    connection.execute(
        """
        update auth_sync_notices
           set opened_at = opened_at - gone_by, gone_at = gone_at - gone_by, reported_at = reported_at - gone_by,
               next_attempt_at = next_attempt_at - gone_by, leased_until = leased_until - gone_by
          from (select make_interval(mins => %s) as gone_by) as _""",
        [minutes],
    )


def test_a_thousand_failures_are_one_mail(database: Database, connection: Connection, mailbox: Mailbox) -> None:
    """With how many of what, what to do, and a link that leads to the oldest of them; and of nobody by name."""
    give_up(connection, 700)
    give_up(connection, 300, "email_taken")
    one = notifier(database, mailbox.url)
    for _ in range(3):
        one.run_once("a")
    assert mailbox.titles == ["1,000 events need attention"]
    [text] = mailbox.texts
    assert "1,000 events need attention: ambiguous 700, email_taken 300" in text
    [link] = links_in(text)
    assert link.startswith("https://sync.example.com/admin/failing/")
    token = link.rsplit("/", 1)[1]
    oldest = connection.execute("select min(id) as id from integration_sync_log").fetchone()
    assert oldest is not None
    found = read_link(token, PAGES.signing_key(""), now=datetime.now(UTC))
    assert found == FailingLink(Kind.NEEDS_ATTENTION, oldest["id"])
    whole = mailbox.mails[0].as_string()
    assert [word for word in ("canary", "jane", PASSWORD) if word in whole] == []


def test_what_follows_is_gathered_and_recovery_is_told_once(
    database: Database, connection: Connection, mailbox: Mailbox
) -> None:
    """From the first failure to the last replay: four looks of many have something to say."""
    one = notifier(database, mailbox.url, pages=PageSettings())

    def look(minutes: int) -> None:
        later(connection, minutes)
        one.run_once("a")
        one.run_once("b")

    look(0)
    give_up(connection, 1)
    look(0)
    give_up(connection, 999)
    look(5)
    look(10)
    connection.execute("delete from integration_sync_log")
    look(1)
    look(4)
    look(1)
    look(60)
    assert mailbox.titles == [
        *("1 event needs attention", "Worse: 1,000 events need attention", "Resolved: Nothing needs attention any more")
    ]
    assert "See /admin/events?status=FAILED of the service." in mailbox.texts[0]


def test_of_many_relays_one_tells(database_url: str, connection: Connection, mailbox: Mailbox) -> None:
    """They look at the same moment, again and again, and each message is sent once."""
    relays, looks = 4, 3
    give_up(connection, 1)
    databases = [DirectDatabase(database_url) for _ in range(relays)]
    together = threading.Barrier(relays)

    def look(database: Database) -> None:
        one = notifier(database, mailbox.url)
        for _ in range(looks):
            together.wait(30)
            one.run_once(own_name())

    threads = [threading.Thread(target=look, args=[database]) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in databases:
        database.close()
    assert mailbox.titles == ["1 event needs attention"]


def test_a_dead_server_is_tried_again(
    database: Database, connection: Connection, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Who can be reached is told at once, and once; who cannot, as soon as the server is back. No secret is logged."""
    with mail_server() as dead:
        port = dead.port
    one = notifier(database, mailbox.url, url_of(port))
    give_up(connection, 1)
    with caplog.at_level(logging.DEBUG):
        one.run_once("a")
        one.run_once("a")
    assert mailbox.titles == ["1 event needs attention"]
    records = [record for record in caplog.records if record.name != "mail.log"]  # which is the mail server's
    missed = [vars(record)["destinations"] for record in records if record.message == "notice not sent"]
    assert missed == [["mailto://127.0.0.1"]]
    shown = repr([(record.getMessage(), vars(record)) for record in records])
    assert [word for word in (PASSWORD, "oncall@", PERSON) if word in shown] == []
    with mail_server(port) as back:
        later(connection, 1)
        one.run_once("a")
        later(connection, 60)
        one.run_once("a")
        assert back.titles == ["1 event needs attention"]
    assert len(mailbox.mails) == 1


def test_a_hanging_server_holds_up_nothing(database: Database, database_url: str, connection: Connection) -> None:
    """While it lets us wait, events are applied; the relay stops in its time; and the message is sent by the next."""
    with silent_server() as server:
        give_up(connection, 1)
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
        assert mailbox.titles == ["1 event needs attention"]


def test_a_slow_server_gets_a_message_once(database: Database, connection: Connection, mailbox: Mailbox) -> None:
    """It takes it after nobody waits any more, which is no reason to send it again and again."""
    mailbox.takes = 0.5
    give_up(connection, 1)
    impatient = replace(notifier(database, mailbox.url), timeout=0.1)
    impatient.run_once("a")
    wait_for(lambda: connection.execute("select from auth_sync_notices where reached <> '[]'").rowcount == 1)
    later(connection, 60)
    impatient.run_once("a")
    assert mailbox.titles == ["1 event needs attention"]
    assert connection.execute("select from auth_sync_notices where message is not null").rowcount == 0


def has_row(connection: Connection, condition: str) -> bool:
    return connection.execute(f"select from integration_sync_log where {condition}").fetchone() is not None


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_who_dies_while_sending_is_followed(database: Database, connection: Connection, mailbox: Mailbox) -> None:
    """Its message is left to it as long as its lease lasts, and then sent by another."""
    give_up(connection, 1)
    one = notifier(database, mailbox.url)
    one.decide()
    assert database.call("auth_sync_claim_notice_v1", p_relay="dead", p_lease_seconds=120) is not None
    one.run_once("a")
    assert mailbox.titles == []
    later(connection, 3)
    one.run_once("a")
    assert mailbox.titles == ["1 event needs attention"]
    assert (
        database.call(
            "auth_sync_notice_sent_v1", p_kind="needs_attention", p_relay="dead", p_reached=[], p_is_done=True
        )
        is False
    )


def test_news_outlive_a_message_that_nobody_got(database: Database, connection: Connection, mailbox: Mailbox) -> None:
    """What could not be sent gives way to how it is now."""
    with mail_server() as dead:
        port = dead.port
    give_up(connection, 1)
    notifier(database, url_of(port)).run_once("a")
    give_up(connection, 4)
    later(connection, 15)
    notifier(database, mailbox.url).run_once("a")
    assert mailbox.titles == ["Worse: 5 events need attention"]
