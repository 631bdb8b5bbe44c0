"""A relay process is killed while it sends an event to a subscriber, and another one takes over."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import wait_for
from tests.acceptance.relaying import activity, relay_process
from tests.employees import Connection
from tests.integration.subscribers.feeding import deliveries, subscribe, write_entry
from tests.integration.subscribers.receiving import Receiver, serving
from tests.kept_databases import session_of
from webhook_service.ports import Database

pytestmark = pytest.mark.campaign

PRIVATE = {"EVENT_PRIVATE_ADDRESSES": "on"}
SETTLING = "query like '%auth_sync_settle_delivery_v1%' and wait_event_type = 'Lock'"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving() as server:
        server.may_answer.clear()
        yield server


@pytest.mark.parametrize("answered", [False, True], ids=["before the answer", "before the settle"])
def test_a_killed_relay_is_followed(
    database_url: str, tmp_path: Path, connection: Connection, database: Database, receiver: Receiver, answered: bool
) -> None:
    """If a relay is killed after it has sent an event, another one sends the event again and then the later ones.

    The event has the same webhook-id, no event is lost, and each employee's events arrive in their order.
    """
    subscribe(database, p_url=f"http://127.0.0.1:{receiver.server_address[1]}/", p_allow_private=True)
    for employee in (1, 1, 2, 1):
        write_entry(connection, employee)
    with relay_process(database_url, tmp_path, "first", **PRIVATE) as first, session_of(database_url) as holder:
        wait_for("the first events to arrive", lambda: len(receiver.requests) == 2)
        if answered:
            holder.execute("begin")
            holder.execute("select from auth_sync_deliveries for update")
            receiver.may_answer.set()
            wait_for("the relay to settle both", lambda: len(activity(connection, SETTLING)) == 2)
        first.process.kill()
        first.process.wait()
        for each in activity(connection, SETTLING):  # the killed process's last statements must not end either
            connection.execute("select pg_terminate_backend(%s, 5000)", [each["pid"]])
    receiver.may_answer.set()
    assert {each["status"] for each in deliveries(connection)} == {"PENDING"}

    connection.execute("update auth_sync_deliveries set leased_until = now() where leased_until is not null")
    with relay_process(database_url, tmp_path, "second", **PRIVATE):
        wait_for("all to be done", lambda: {each["status"] for each in deliveries(connection)} == {"DONE"})
    arrived = [json.loads(body)["data"]["event_id"] for _, body in receiver.requests]
    assert [each for each in arrived if each != "event-3"] == ["event-1", "event-1", "event-2", "event-4"]
    assert arrived.count("event-3") == 2
    assert len(set(zip(arrived, receiver.ids(), strict=True))) == len(set(receiver.ids())) == 4
