"""Sample employees, and sample auth traffic as Supabase would post it. All people are made up."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

Row = dict[str, Any]

EMPLOYEES = (
    ("Jane", "Doe", "jane.doe@example.com", "E-1001", True),
    ("Bob", "Stone", "bob.stone@example.com", "E-1002", True),
    ("Carla", "Reyes", "Carla.Reyes@Example.com", "E-1003", True),
    ("Dan", "Fields", "dan.fields@example.com", "E-1004", False),
    ("Erin", "Vale", "erin.vale@example.com", "E-1005", True),
    ("Sam", "Hill", "office@example.com", "E-1006", True),
    ("Kim", "Lake", "office@example.com", "E-1007", True),
)
"""first name, last name, e-mail, employee number, is active"""


@dataclass(frozen=True, slots=True)
class Post:
    """One request, and what should come of it. `tampered` sends another body than was signed."""

    event_id: str
    says: str
    payload: Any
    expected: str
    tampered: bool = False


@dataclass(slots=True)
class Person:
    """An auth user as Auth writes it: each change sets `updated_at` and yields the payload of Supabase's webhook."""

    name: str
    clock: Iterator[datetime]
    row: Row = field(init=False)

    def __post_init__(self) -> None:
        self.row = auth_user(str(uuid5(NAMESPACE_DNS, f"{self.name}.example.com")))

    def change(self, operation: str, **columns: Any) -> Row:
        before = dict(self.row)
        if operation != "DELETE":
            moment = next(self.clock).isoformat()
            self.row |= columns | {"updated_at": moment, "created_at": self.row["created_at"] or moment}
        return {
            "type": operation,
            "schema": "auth",
            "table": "users",
            "record": None if operation == "DELETE" else dict(self.row),
            "old_record": None if operation == "INSERT" else before,
        }


def auth_user(user_id: str) -> Row:
    """A row of auth.users with all 35 columns; the secret ones hold what must never come out again."""
    empty = dict.fromkeys(
        ("email_change", "phone_change", "confirmation_token", "recovery_token", "email_change_token_new",
         "email_change_token_current", "phone_change_token", "reauthentication_token"), ""
    )  # fmt: skip
    absent = dict.fromkeys(
        ("email", "phone", "created_at", "updated_at", "deleted_at", "invited_at", "banned_until", "confirmed_at",
         "is_super_admin", "last_sign_in_at", "recovery_sent_at", "email_confirmed_at", "phone_confirmed_at",
         "confirmation_sent_at", "email_change_sent_at", "phone_change_sent_at", "reauthentication_sent_at")
    )  # fmt: skip
    return empty | absent | {
        "id": user_id,
        "instance_id": "00000000-0000-0000-0000-000000000000",
        "aud": "authenticated",
        "role": "authenticated",
        "is_sso_user": False,
        "is_anonymous": False,
        "email_change_confirm_status": 0,
        "encrypted_password": "$2a$10$demo.demo.demo.demo.demo.demo.demo.demo.demo.demo.dem",
        "raw_app_meta_data": {"provider": "email", "providers": ["email"]},
        "raw_user_meta_data": {},
    }  # fmt: skip


def traffic(start: datetime) -> list[Post]:
    """The demo's posts, in the order in which they are sent. Event ids are new with each start."""
    clock = (start + timedelta(milliseconds=n) for n in range(10_000))
    posts = [*a_life(clock), *departures(clock), *disorder(clock), *odd_ones(clock)]
    return [replace(post, event_id=f"demo-{start:%Y%m%d%H%M%S}-{post.event_id}") for post in posts]


def a_life(clock: Iterator[datetime]) -> list[Post]:
    jane = Person("jane", clock)
    now = next(clock).isoformat()
    signs_up = jane.change("INSERT", email="jane.doe@example.com")
    confirmed = Post("jane-2", "Jane confirms her e-mail", jane.change("UPDATE", email_confirmed_at=now), "linked")
    return [
        Post("jane-1", "Jane signs up", signs_up, "unconfirmed"),
        confirmed,
        replace(confirmed, says="the same delivery again", expected="duplicate"),
        Post("jane-3", "Jane changes her e-mail", jane.change("UPDATE", email="jane.smith@example.com"), "synced"),
        Post(
            "jane-4",
            "Jane changes her name",
            jane.change("UPDATE", raw_user_meta_data={"last_name": "Smith"}),
            "synced",
        ),
        Post("jane-5", "Jane is banned", jane.change("UPDATE", banned_until="2126-01-01T00:00:00+00:00"), "unchanged"),
    ]


def departures(clock: Iterator[datetime]) -> list[Post]:
    bob, carla = Person("bob", clock), Person("carla", clock)
    now = next(clock).isoformat()
    bob_hired = bob.change("INSERT", email="bob.stone@example.com", email_confirmed_at=now)
    carla_hired = carla.change("INSERT", email="carla.reyes@example.com", email_confirmed_at=now)
    carla_left = carla.change("UPDATE", email="uR8mB2cJ0pXk4T1vWq7yZ3nD5sF6gH9aL0eK2iO4uMs", deleted_at=now)
    return [
        Post("bob-1", "Bob is created, confirmed", bob_hired, "linked"),
        Post("bob-2", "Bob's auth user is deleted", bob.change("DELETE"), "orphaned"),
        Post("carla-1", "Carla is created, confirmed", carla_hired, "linked"),
        Post("carla-2", "Carla is soft-deleted", carla_left, "orphaned"),
    ]


def disorder(clock: Iterator[datetime]) -> list[Post]:
    erin = Person("erin", clock)
    now = next(clock).isoformat()
    name = {"first_name": "Erin", "last_name": "Vale"}
    older = erin.change("INSERT", email="erin.vale@example.com", email_confirmed_at=now, raw_user_meta_data=name)
    newer = erin.change("UPDATE", raw_user_meta_data=name | {"last_name": "Vale-Moss"})
    return [
        Post("erin-2", "Erin's newer event, first", newer, "linked"),
        Post("erin-1", "her older event, after it", older, "stale"),
    ]


def odd_ones(clock: Iterator[datetime]) -> list[Post]:
    dan, office, visitor, guest, forger = (
        Person(name, clock) for name in ("dan", "office", "visitor", "guest", "forger")
    )
    now = next(clock).isoformat()
    inactive = dan.change("INSERT", email="dan.fields@example.com", email_confirmed_at=now)
    shared = office.change("INSERT", email="office@example.com", email_confirmed_at=now)
    stranger = visitor.change("INSERT", email="visitor@example.org", email_confirmed_at=now)
    forged = forger.change("INSERT", email="jane.doe@example.com", email_confirmed_at=now)
    half = {"type": "UPDATE", "schema": "auth", "table": "users", "record": None}
    return [
        Post("dan-1", "Dan, inactive, confirms", inactive, "linked"),
        Post("office-1", "a shared address is confirmed", shared, "ambiguous"),
        Post("visitor-1", "a visitor confirms", stranger, "unmatched"),
        Post("guest-1", "an anonymous sign-in", guest.change("INSERT", is_anonymous=True), "ignored"),
        Post("forger-1", "a forged signature", forged, "wrong_signature", tampered=True),
        Post("half-1", "a bad payload", half, "invalid_payload"),
    ]


AFTERWARDS = {
    "E-1001": ("Jane", "Smith", "jane.smith@example.com", True, False),
    "E-1002": ("Bob", "Stone", "bob.stone@example.com", False, True),
    "E-1003": ("Carla", "Reyes", "Carla.Reyes@Example.com", False, True),
    "E-1004": ("Dan", "Fields", "dan.fields@example.com", True, False),
    "E-1005": ("Erin", "Vale-Moss", "erin.vale@example.com", True, False),
    "E-1006": ("Sam", "Hill", "office@example.com", False, False),
    "E-1007": ("Kim", "Lake", "office@example.com", False, False),
}
"""What employees must be in the end: first name, last name, e-mail, is linked, is an orphan."""


def body_of(payload: Any) -> bytes:
    """As pg_net sends it: `convert_to(body::text, 'UTF8')` of a jsonb."""
    return json.dumps(payload, ensure_ascii=False).encode()
