"""Captured events have the result of the order of commits, in whatever order they arrive.

In some histories, a user's e-mail changes to the e-mails of several employees. Only the first of these employees may be
linked.
"""

import random
from collections.abc import Sequence
from itertools import permutations

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.auth_stand_in import Auth
from tests.employees import Connection
from tests.integration.captured import deliver, relay_all
from tests.integration.wandering import captured_of, live
from tests.webhook_events import posted
from webhook_service.events import Work
from webhook_service.inbound.handlers import decide
from webhook_service.inbound.processing import process_batch
from webhook_service.ledger.relay import run_once
from webhook_service.policy import Policy
from webhook_service.ports import Database

HISTORIES = [
    ["new a!", "to b!", "to c!"],
    ["new d!", "to a!", "to b!"],
    ["new a", "to b", "confirm", "to c"],
    ["new a", "confirm", "to b", "name Ann"],
    ["new d", "to a", "confirm", "hard"],
    ["new c!", "to a!", "to b!", "ban"],
    ["new a!", "number", "to b!", "to d!"],
    ["new a", "confirm", "to b!", "name Ann", "soft"],
    ["new c!", "to d!", "to b!", "to a!", "hard"],
    ["new d!", "name Ann", "number", "to a!", "name Bea"],
]

living = st.sampled_from(
    [f"to {place}{mark}" for place in "abcd" for mark in ("", "!")]
    + ["confirm", "name Ann", "name Bea", "number", "ban"]
)
endings = st.sampled_from([[], [], ["soft"], ["hard"], ["soft", "hard"]])


@st.composite
def histories(draw: st.DrawFn, longest: int = 9) -> list[str]:
    """Draw a sign-up, some changes, and perhaps a deletion."""
    ending = draw(endings)
    beginning = draw(st.sampled_from([f"new {place}{mark}" for place in "abcd" for mark in ("", "!")]))
    return [beginning, *draw(st.lists(living, min_size=1, max_size=longest - 1 - len(ending))), *ending]


def deliver_side_by_side(database: Database, streams: Sequence[Sequence[Work]]) -> None:
    """Deliver the first event of each stream, then the second. The streams do not depend on each other."""
    for step in range(max(map(len, streams))):
        works = [stream[step] for stream in streams if step < len(stream)]
        for start in range(0, len(works), 64):
            process_batch(database, works[start : start + 64], Policy())


@pytest.mark.campaign
@pytest.mark.parametrize("history", HISTORIES, ids=", ".join)
def test_every_order_has_the_result_of_the_order_of_commits(
    database: Database, connection: Connection, auth: Auth, history: list[str]
) -> None:
    """The webhook gives the same employees for every order of the captured events."""
    orders = list(permutations(range(len(history))))
    replicas = live(connection, auth, history, len(orders))
    streams = []
    for order, events in zip(orders, captured_of(connection, replicas), strict=True):
        assert len(events) == len(history)
        works = [decide(posted(event), Policy()) for event in events]
        streams.append([works[position] for position in order])
    deliver_side_by_side(database, streams)
    expected = replicas[0].end(connection)
    wrong = [order for order, replica in zip(orders, replicas, strict=True) if replica.end(connection) != expected]
    assert wrong == []


@pytest.mark.parametrize("history", HISTORIES, ids=", ".join)
def test_the_relay_has_the_result_of_webhooks_in_order(
    client: FlaskClient, database: Database, connection: Connection, auth: Auth, history: list[str]
) -> None:
    """Events that only the relay applies have the same result as events that webhooks deliver in order."""
    by_webhook, by_relay = live(connection, auth, history, 2)
    for event in captured_of(connection, [by_webhook])[0]:
        assert deliver(client, event).status_code == 200
    relay_all(database)
    assert by_relay.end(connection) == by_webhook.end(connection)


# The examples of a test share its database, so each has its own users and employees.
@pytest.mark.campaign
@given(history=histories(), seed=st.integers(0, 2**32))
@example(history=["new a", "to b", "confirm", "to c", "to a!"], seed=1)
@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
def test_duplicates_losses_and_a_relay_in_between_change_nothing(
    client: FlaskClient, database: Database, connection: Connection, auth: Auth, history: list[str], seed: int
) -> None:
    """Lost, duplicated and shuffled webhooks do not change the result, even while a relay applies events."""
    dice = random.Random(seed)
    in_order, *others = live(connection, auth, history, 4)
    first, *streams = captured_of(connection, [in_order, *others])
    for event in first:
        assert deliver(client, event).status_code == 200
    arrivals = [event for stream in streams for event in stream for _ in range(dice.choice([0, 1, 1, 2, 3]))]
    dice.shuffle(arrivals)
    for event in arrivals:
        assert deliver(client, event).status_code == 200
        if dice.random() < 0.2:
            run_once(database, Policy(), name="relay", limit=dice.randint(1, 3))
    relay_all(database)
    expected = in_order.end(connection)
    assert [replica.end(connection) for replica in others] == [expected] * len(others)


@pytest.mark.campaign
@given(history=histories(), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
def test_batches_of_any_size_have_the_result_of_the_order_of_commits(
    database: Database, connection: Connection, auth: Auth, history: list[str], seed: int
) -> None:
    """Duplicated events of one user in random batches, as they occur under load, result in the same employees."""
    dice = random.Random(seed)
    in_order, *others = live(connection, auth, history, 6)
    first, *streams = [
        [decide(posted(event), Policy()) for event in events] for events in captured_of(connection, [in_order, *others])
    ]
    deliver_side_by_side(database, [first])
    works = [work for stream in streams for work in stream] * 2
    dice.shuffle(works)
    while works:
        size = dice.randint(1, 8)
        process_batch(database, works[:size], Policy())
        del works[:size]
    expected = in_order.end(connection)
    assert [replica.end(connection) for replica in others] == [expected] * len(others)
