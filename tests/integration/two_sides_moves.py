"""Sequences of changes on both sides and of the service's steps, in random order or concurrent."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

from tests.integration.two_sides import Sides
from tests.integration.two_sides_changes import chosen
from tests.integration.two_sides_unsteady import Killed
from tests.webhook_events import posted
from webhook_service.errors import Unavailable
from webhook_service.inbound.handlers import decide
from webhook_service.inbound.processing import process_batch
from webhook_service.ledger.relay import run_once
from webhook_service.ledger.replay import replay_event

STEPS = 120
RELAYS = 2
NEWEST = """
select max(id) from integration_sync_log where direction = 'outbound'
 group by auth_user_id, operation = 'update_auth_email'
"""
AGAIN = """
update integration_sync_log
   set status = 'PENDING', outcome = null, error_message = null, completed_at = null, next_attempt_at = now()
 where id = %s
"""


def live(there: Sides, steps: int = STEPS) -> None:
    """Make random changes and moves, one after the other."""
    with there.unsteady():
        for _ in range(steps):
            move = chosen(there.dice, MOVES)
            there.say(move.__name__)
            try:
                move(there)
            except Killed:
                there.tally.crashes += 1


def live_beside_relays(there: Sides, steps: int = STEPS) -> None:
    """Make random changes and deliveries while relays run without a pause."""
    over = threading.Event()
    dead = ["dead"]
    relays = [threading.Thread(target=relay, args=[there, over, dead]) for _ in range(RELAYS)]
    there.runs_relays = True
    with there.unsteady():
        for each in relays:
            each.start()
        try:
            for _ in range(steps):
                move = chosen(there.dice, OUTER_MOVES)
                with suppress(Killed, Unavailable):  # the caller would retry, or a relay does it
                    move(there)
                if there.dice.random() < 0.3:
                    there.time_passes(dead)
        finally:
            over.set()
            for each in relays:
                each.join()
            there.runs_relays = False


def relay(there: Sides, over: threading.Event, dead: list[str]) -> None:
    """Run a relay until it is killed, and then start the next relay."""
    name = f"relay-{uuid4()}"
    while not over.is_set():
        try:
            run_once(there.database, there.policy, name=name, limit=5)
            there.accounts.run_once(name)
        except (Killed, Unavailable):
            there.tally.crashes += 1
            dead.append(name)
            name = f"relay-{uuid4()}"


def relay_events(there: Sides) -> None:
    run_once(there.database, there.policy, name="relay", limit=there.dice.choice([1, 2, 200]))


def deliver(there: Sides) -> None:
    """Deliver a pending event, or deliver an applied event again."""
    condition = "status = 'PENDING'" if there.dice.random() < 0.7 else "true"
    if event := one_of(there, f"direction = 'inbound' and event_id !~ '^(employee|former-key)-' and {condition}"):
        work = decide(posted(event), there.policy)
        process_batch(there.database, [work], there.policy)


def replay(there: Sides) -> None:
    if event := one_of(there, "direction = 'inbound'"):
        replay_event(there.database, there.policy, event["event_id"], requested_by="test")


def perform_now(there: Sides) -> None:
    """Perform an action at once, as if an admin waited for it."""
    if action := one_of(there, "direction = 'outbound' and status <> 'SUCCESS'"):
        there.accounts.perform_now(action["event_id"], "admin")


def perform_again(there: Sides) -> None:
    """Make an action due again that succeeded or needs attention, unless a newer action of its kind overrules it."""
    if action := one_of(there, f"direction = 'outbound' and lease is null and id in ({NEWEST})"):
        there.tally.again += 1
        there.connection.execute(AGAIN, [action["id"]])


def stall(there: Sides) -> None:
    """Let a relay claim some events and actions, and then die."""
    there.tally.crashes += 1
    there.database.call("auth_sync_claim_v1", p_relay="dead", p_limit=2, p_lease_seconds=30)
    rate = there.accounts.rate
    there.database.call("auth_sync_claim_actions_v1", p_relay="dead", p_limit=2, p_lease_seconds=90, p_rate=rate)


def one_of(there: Sides, condition: str) -> dict[str, Any] | None:
    query = f"select *, request_data::text as body from integration_sync_log where {condition} order by id"  # noqa: S608
    found = there.connection.execute(query.encode()).fetchall()
    return there.dice.choice(found) if found else None


Moves = list[tuple[int, Callable[[Sides], object]]]

MOVES: Moves = [
    (8, Sides.change),
    (3, relay_events),
    (3, deliver),
    (1, replay),
    (6, Sides.perform),
    (1, perform_now),
    (1, perform_again),
    (1, stall),
    (2, Sides.time_passes),
]
OUTER_MOVES: Moves = [(8, Sides.change), (3, deliver), (1, replay), (1, stall)]
