"""Relays send signed events to real servers, and to no address that is not allowed."""

import json
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest

from tests.employees import Connection
from tests.integration.misbehaving_servers import Serve, silent
from tests.integration.subscribers.feeding import SECRET, deliveries, subscribe, write_entry
from tests.integration.subscribers.receiving import Receiver, serving
from webhook_service.errors import NotPossible
from webhook_service.inbound.signature import Secret, verify
from webhook_service.ports import Database
from webhook_service.subscribers import registry
from webhook_service.subscribers.delivering import run_once
from webhook_service.subscribers.sending import Target, completed, send
from webhook_service.subscribers.targets import is_public


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving() as server:
        yield server


def resolve(host: str, port: int) -> Sequence[str]:
    """The answer of a name server that leads to this machine."""
    return ["127.0.0.1"]


def now() -> datetime:
    return datetime.now(UTC)


def relay(database: Database, *, private_addresses: bool = True) -> dict[str, int]:
    ran = run_once(database, name="a", private_addresses=private_addresses, now=now, resolve=resolve)
    return dict(ran.outcomes)


def test_a_pass_delivers_a_signed_event(database: Database, connection: Connection, receiver: Receiver) -> None:
    """A subscriber gets the event with a valid signature of each secret, and the delivery is done."""
    subscribe(database, p_url=receiver.url, p_allow_private=True)
    new = registry.rotate(database, "crm", who="cli:ann")
    write_entry(connection, 7)
    assert relay(database) == {"done": 1}
    [(headers, body)] = receiver.requests
    for secret in (SECRET, new):
        verify([Secret.parse(secret)], headers, body, now=now())
    [made] = deliveries(connection)
    assert (headers["webhook-id"], json.loads(body)["data"]["employee_id"]) == (made["webhook_id"], 7)
    assert headers["host"].startswith("crm.internal:")
    assert (made["status"], made["status_code"]) == ("DONE", 204)
    assert relay(database) == {}


def test_a_bad_secret_fails_alone(database: Database, connection: Connection, receiver: Receiver) -> None:
    """If the secret of a subscriber was damaged in the database, the others still get their events."""
    subscribe(database, "damaged", p_url=receiver.url, p_allow_private=True)
    subscribe(database, p_url=receiver.url, p_allow_private=True)
    connection.execute("update auth_sync_subscribers set secret = 'x' where name = 'damaged'")
    write_entry(connection, 7)
    assert relay(database) == {"done": 1, "retried": 1}
    assert sorted(str(each["error"]) for each in deliveries(connection)) == ["None", "bad_secret"]


@pytest.mark.parametrize("status", [302, 307, 500])
def test_a_redirect_is_a_failure(database: Database, connection: Connection, receiver: Receiver, status: int) -> None:
    """A redirect is not followed, and is retried as any other failure."""
    receiver.status = status
    subscribe(database, p_url=receiver.url, p_allow_private=True)
    write_entry(connection, 7)
    assert relay(database) == {"retried": 1}
    assert len(receiver.requests) == 1
    assert deliveries(connection)[0]["error"] == f"status_{status}"


def test_a_public_name_with_a_private_address_is_refused(database: Database, connection: Connection) -> None:
    """The address is checked that the connection would go to, whatever name the URL has."""
    subscribe(database, p_url="https://crm.example.com/hook")
    write_entry(connection, 7)
    assert relay(database) == {"retried": 1}
    assert deliveries(connection)[0]["error"] == "private_address"


def test_the_setting_is_needed_at_each_attempt(database: Database, connection: Connection, receiver: Receiver) -> None:
    """Without the setting, a subscriber that was allowed a private address gets nothing."""
    subscribe(database, p_url=receiver.url, p_allow_private=True)
    write_entry(connection, 7)
    assert relay(database, private_addresses=False) == {"retried": 1}
    assert receiver.requests == []


async def of_silence(port: int) -> str | None:
    target = Target(f"http://crm.internal:{port}/", (Secret.parse(SECRET),), allow_private=True)
    return (await send(target, "evt_1", {}, now=now(), resolve=resolve, timeout=0.05)).error


def test_a_silent_server_is_left(serve: Serve) -> None:
    """An attempt ends at its time limit."""
    assert completed(of_silence(serve(silent))) == "timed_out"


def test_a_silent_name_server_is_left() -> None:
    """An attempt ends at its time limit, also while the system's resolver still waits for an answer."""
    target = Target("https://crm.example.com/", (Secret.parse(SECRET),))
    may_answer = threading.Event()
    answers = []

    def blocked(host: str, port: int) -> Sequence[str]:
        answers.append(may_answer.wait(20))
        return ["127.0.0.1"]

    try:
        answer = completed(send(target, "evt_1", {}, now=now(), resolve=blocked, timeout=0.05))
        assert (answer.error, answers) == ("timed_out", [])
    finally:
        may_answer.set()


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",  # noqa: S104 (no server listens there)
            "224.0.0.1",
        ),
        *("240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1"),
        *("64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:4136:e378::", "::127.0.0.1"),
        *("64:ff9b:1:7f00:0:100:101:101", "fec0::1", "5f00::1", "::ffff:0:127.0.0.1"),
    ],
)
def test_an_address_that_is_not_public(address: str) -> None:
    """Private, loopback, link-local, reserved and multicast addresses are not public, in no form."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_a_public_address(address: str) -> None:
    """Addresses of the internet are public."""
    assert is_public(address)


@pytest.mark.parametrize(
    "url", ["http://crm.example.com", "ftp://x.example", "https://", "https://u:p@x.example", "https://[::1", "x"]
)
def test_a_bad_url_is_refused(database: Database, url: str) -> None:
    """A subscriber must have an https URL without a user. The refusal does not repeat the URL."""
    with pytest.raises(NotPossible, match="bad_url"):
        registry.create(database, "crm", url, who="cli:ann")


def test_a_private_subscriber_needs_the_setting(database: Database) -> None:
    """A subscriber at a private address cannot be created while the setting is off."""
    with pytest.raises(NotPossible, match="private_addresses_off"):
        registry.create(database, "crm", "http://10.0.0.1/", who="cli:ann", allow_private=True)


def test_a_test_event_is_sent_at_once(database: Database, receiver: Receiver) -> None:
    """The test event is signed with the secret of the subscriber."""
    secret = registry.create(database, "crm", receiver.url, who="cli:ann", allow_private=True, private_addresses=True)
    answer = registry.try_out(database, "crm", who="cli:ann", private_addresses=True, now=now(), resolve=resolve)
    [(headers, body)] = receiver.requests
    verify([Secret.parse(secret)], headers, body, now=now())
    assert (answer.error, json.loads(body)["type"]) == (None, "subscriber.test")


def test_a_caller_may_have_an_event_loop() -> None:
    """A coroutine is completed in a thread of its own, so that an event loop in the caller's thread does not matter."""

    async def one() -> int:
        return 1

    async def caller() -> int:
        return completed(one())

    assert completed(caller()) == 1
