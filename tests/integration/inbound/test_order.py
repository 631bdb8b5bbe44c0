"""A user's events give the same employee in every order and with duplicates."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.auth_traffic import EPOCH
from tests.employees import Connection
from webhook_service.events import AuthEvent, AuthUser, Operation, Work
from webhook_service.inbound.handlers import decide
from webhook_service.inbound.processing import process_batch
from webhook_service.policy import Policy
from webhook_service.ports import Database

MATCHES, MATCHES_TOO, UNUSED, UNUSED_TOO = "Jane.Doe", "jane.doe", "jane", "j.doe"
"""Local parts of addresses. The first two are the employee's and differ in case. The others belong to no employee."""

SELECT = """
select employee_number, lower(btrim(email)) as email, first_name, last_name,
       auth_user_id is not null as linked, orphaned_at, orphaned_auth_user_id is not null as was_linked
  from employees where employee_number = any(%s)
"""


@dataclass(frozen=True)
class Change:
    """The values of one event. Addresses and numbers are unique to each replica of the history."""

    local_part: str | None
    confirmed: bool
    number: str | None
    names: dict[str, str]
    anonymous: bool
    banned: bool


changes = st.builds(
    Change,
    local_part=st.sampled_from([MATCHES, MATCHES_TOO, UNUSED, UNUSED_TOO, None]),
    confirmed=st.booleans(),
    number=st.sampled_from([None, None, None, "right", "wrong"]),
    names=st.dictionaries(st.sampled_from(["first_name", "last_name"]), st.sampled_from(["Ann", "Bea", "Cay"])),
    anonymous=st.sampled_from([False, False, False, True]),
    banned=st.booleans(),
)
endings = st.sampled_from([(), ("soft",), ("hard",), ("soft", "soft"), ("soft", "hard")])


@st.composite
def histories(draw: st.DrawFn, longest: int) -> list[Change | str]:
    """Draw up to `longest` events of one user in the order of their versions. A deletion is the last, as in Auth."""
    ending = draw(endings)
    living = draw(st.lists(changes, min_size=1, max_size=longest - len(ending)))
    return [*living, *ending]


def events_of(history: Sequence[Change | str], replica: str, user_id: UUID) -> list[AuthEvent]:
    return [
        AuthEvent(
            f"{replica}-{version}",
            Operation.DELETE if change == "hard" else Operation.UPDATE,
            version,
            user_of(change, replica, user_id),
        )
        for version, change in enumerate(history, start=1)
    ]


def user_of(change: Change | str, replica: str, user_id: UUID) -> AuthUser:
    if isinstance(change, str):
        return AuthUser(user_id, deleted_at=EPOCH)
    return AuthUser(
        user_id,
        email=change.local_part and f"{change.local_part}@{replica}.example.com",
        email_confirmed=change.local_part is not None and change.confirmed,
        employee_number=change.number and f"{change.number}-{replica}",
        is_anonymous=change.anonymous,
        banned_until=EPOCH + timedelta(days=1) if change.banned else None,
        names=change.names,
    )


def ends_as(
    database: Database,
    connection: Connection,
    history: Sequence[Change | str],
    orders: Sequence[Sequence[int]],
    together: int = 1,
) -> list[dict[str, Any]]:
    """Deliver the history in each of these orders to a separate user and employee, and return the final employees.

    All orders run side by side. Each batch has the next `together` events of each order.
    """
    replicas = [f"r{uuid4().hex[:12]}" for _ in orders]
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into employees (email, employee_number, first_name) values (%s, %s, 'Employee')",
            [(f" {MATCHES}@{replica}.example.com", f"right-{replica}") for replica in replicas],
        )
    streams: list[list[Work]] = []
    for replica, order in zip(replicas, orders, strict=True):
        events = events_of(history, replica, uuid4())
        streams.append([decide(events[position], Policy()) for position in order])
    for step in range(0, max(map(len, streams)), together):
        works = [work for stream in streams for work in stream[step : step + together]]
        for start in range(0, len(works), 400):
            process_batch(database, works[start : start + 400], Policy())
    rows = connection.execute(SELECT, [[f"right-{replica}" for replica in replicas]]).fetchall()
    by_number = {row.pop("employee_number"): row for row in rows}
    ends = []
    for replica in replicas:
        row = by_number[f"right-{replica}"]
        row["email"] = row["email"].replace(replica, "replica")
        ends.append(row)
    return ends


def check(database: Database, connection: Connection, history: list[Change | str], orders: list[list[int]]) -> None:
    as_sent = list(range(len(history)))
    expected, *ends = ends_as(database, connection, history, [as_sent, *orders])
    for order, end in zip(orders, ends, strict=True):
        assert end == expected, f"order {order}"


# The examples of a test share its database, so each has its own users and employees.
shared_database = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.mark.campaign
@given(history=histories(longest=4))
@settings(shared_database, max_examples=40)
def test_every_permutation_of_a_history_gives_the_same_employee(
    database: Database, connection: Connection, history: list[Change | str]
) -> None:
    """In every order of arrival the employee is the same as in the order in which the events were sent."""
    check(database, connection, history, [list(order) for order in permutations(range(len(history)))])


@pytest.mark.campaign
@given(history=histories(longest=6).filter(lambda history: len(history) > 4))
@settings(shared_database, max_examples=4)
def test_every_permutation_of_six_events_gives_the_same_employee(
    database: Database, connection: Connection, history: list[Change | str]
) -> None:
    """Histories of six events, the longest that can be tried in every order, always give the same employee."""
    check(database, connection, history, [list(order) for order in permutations(range(len(history)))])


@pytest.mark.campaign
@given(history=histories(longest=6), seed=st.integers(0, 2**32))
@settings(shared_database, max_examples=40)
def test_duplicates_in_any_order_change_nothing(
    database: Database, connection: Connection, history: list[Change | str], seed: int
) -> None:
    """Events that are shuffled and delivered up to three times give the same employee."""
    generator = random.Random(seed)
    orders = []
    for _ in range(20):
        order = [position for position in range(len(history)) for _ in range(generator.randint(1, 3))]
        generator.shuffle(order)
        orders.append(order)
    check(database, connection, history, orders)


@pytest.mark.campaign
@given(history=histories(longest=6), seed=st.integers(0, 2**32), together=st.integers(2, 6))
@settings(shared_database, max_examples=30)
def test_events_that_share_a_batch_give_the_same_employee(
    database: Database, connection: Connection, history: list[Change | str], seed: int, together: int
) -> None:
    """If one batch has several events of one user, older versions are applied first."""
    generator = random.Random(seed)
    orders = [generator.sample(range(len(history)), len(history)) for _ in range(20)]
    [expected] = ends_as(database, connection, history, [range(len(history))])
    for order, end in zip(orders, ends_as(database, connection, history, orders, together), strict=True):
        assert end == expected, f"order {order}, {together} together"


def test_an_overtaken_event_still_links_by_the_address_it_proved(database: Database, connection: Connection) -> None:
    """A late event links the employee with its e-mail, although a newer event has another one, which is copied."""
    proved = Change(MATCHES, confirmed=True, number=None, names={}, anonymous=False, banned=False)
    moved = replace(proved, local_part=UNUSED)
    in_order, late = ends_as(database, connection, [proved, moved], [[0, 1], [1, 0]])
    assert (late["linked"], late["email"]) == (True, "jane@replica.example.com")
    assert late == in_order


def test_an_event_overtaken_by_more_than_an_hour_does_not_link(database: Database, connection: Connection) -> None:
    """An event that was overtaken more than an hour ago does not link, because its e-mail may have another owner."""
    connection.execute("insert into employees (email) values ('jane@example.com')")
    user = AuthUser(uuid4(), email="elsewhere@example.com", email_confirmed=True)
    process_batch(database, [decide(AuthEvent("newer", Operation.UPDATE, 2, user), Policy())], Policy())
    connection.execute("update integration_sync_log set created_at = now() - interval '61 minutes'")
    process_batch(database, [decide(AuthEvent("newest", Operation.UPDATE, 3, user), Policy())], Policy())
    older = AuthEvent("older", Operation.UPDATE, 1, replace(user, email="jane@example.com"))
    assert process_batch(database, [decide(older, Policy())], Policy())[0].outcome == "stale"
