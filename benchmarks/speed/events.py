"""The events of the load are rows of `auth.users` as a database webhook posts them. All people are fictitious."""

import hashlib
import itertools
import json
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from uuid import UUID, uuid4

from benchmarks.speed.database import BenchDatabase
from webhook_service.events import Json
from webhook_service.inbound.signature import Secret, parse_secrets, sign


class Mix(StrEnum):
    """The kind of events in a run."""

    UPDATES = "updates"
    """Each event gives one linked user a new first name, with outcome `synced`."""
    SIGN_UPS = "sign-ups"
    """Each event is a new user with the confirmed e-mail of an employee without a login, with outcome `linked`."""


@dataclass(frozen=True, slots=True)
class Event:
    event_id: str
    body: bytes


def user_id(number: int) -> UUID:
    """The id `md5(number::text)::uuid` of the seed."""
    return UUID(hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest())


def events(database: BenchDatabase, mix: Mix, count: int, name: str) -> list[Event]:
    """`count` events of distinct people with the first name `name`. The employees of sign-ups are inserted too."""
    if mix is Mix.UPDATES:
        return some_events(database.employees, count, name)
    database.execute(
        "insert into public.employees (email, first_name, last_name)"
        " select %s || n || '@example.com', 'First' || n, 'Last' || n from generate_series(1, %s) as n",
        [f"hire-{name}-", count],
    )
    return [event(mix, uuid4(), f"hire-{name}-{n}@example.com", name) for n in range(1, count + 1)]


def some_events(employees: int, count: int, name: str) -> list[Event]:
    """Updates of `count` distinct users among the first `employees`."""
    numbers = random.sample(range(1, employees + 1), count)
    return [event(Mix.UPDATES, user_id(n), f"person{n}@example.com", name) for n in numbers]


TRANSACTIONS = itertools.count(1)
"""The transaction in an event id. A captured event's id has the form time, transaction, user."""


def event(mix: Mix, id: UUID, email: str, name: str) -> Event:
    event_id = f"{time.time_ns() // 1000}-{next(TRANSACTIONS)}-{id}"
    return Event(event_id, json.dumps(payload(mix, id, email, name, datetime.now(UTC))).encode())


def payload(mix: Mix, id: UUID, email: str, name: str, now: datetime) -> Json:
    record = row(id, email, name, now)
    if mix is Mix.SIGN_UPS:
        return {"type": "INSERT", "table": "users", "record": record, "schema": "auth", "old_record": None}
    before = row(id, email, "First", datetime(2026, 1, 1, tzinfo=UTC))
    return {"type": "UPDATE", "table": "users", "record": record, "schema": "auth", "old_record": before}


def row(id: UUID, email: str, name: str, updated_at: datetime) -> Json:
    """The columns that have values. An event of two rows has 1.3 kB with these columns, and 2.7 kB with all columns."""
    confirmed = "2026-01-01T09:18:32.789773+00:00"
    return {
        "id": str(id),
        "aud": "authenticated",
        "role": "authenticated",
        "email": email,
        "created_at": confirmed,
        "deleted_at": None,
        "updated_at": updated_at.isoformat(),
        "banned_until": None,
        "is_anonymous": False,
        "raw_app_meta_data": {"provider": "email", "providers": ["email"]},
        "email_confirmed_at": confirmed,
        "raw_user_meta_data": {"first_name": name, "last_name": f"Last{email[6:12]}", "email_verified": True},
        "encrypted_password": "$2a$10$" + "invented" * 6 + "pass.",
    }


def requests(sent: Sequence[Event], secret: Secret, port: int) -> Iterator[bytes]:
    """Each event as the bytes of a signed HTTP request. They are signed now, and must be sent within the tolerance."""
    now = datetime.now(UTC)
    for event in sent:
        headers = sign(secret, event.event_id, event.body, now=now)
        lines = [
            "POST /webhook/auth HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Content-Type: application/json",
            f"Content-Length: {len(event.body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        yield "\r\n".join(lines).encode() + b"\r\n\r\n" + event.body


def write(file: Path, messages: Iterable[bytes]) -> None:
    """Write the requests, each after a line with its length in bytes."""
    with file.open("wb") as out:
        for message in messages:
            out.write(b"%d\n" % len(message))
            out.write(message)


def first_secret(environment: dict[str, str]) -> Secret:
    return parse_secrets(environment["WEBHOOK_SECRETS"])[0]
