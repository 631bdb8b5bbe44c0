"""The people of a chaos run, and their random actions."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from tests.auth_stand_in import Auth

FIRST = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn")
LAST = ("Adams", "Brown", "Clark", "Davis", "Evans", "Frank")
Row = dict[str, Any]


@dataclass(slots=True)
class Person:
    """A person who signs up once and changes between a few addresses that no other person has."""

    addresses: tuple[str, ...]
    user: UUID = field(default_factory=uuid4)
    hired: set[str] = field(default_factory=set)
    """Addresses with an employee."""
    left: set[str] = field(default_factory=set)
    """Addresses that the user had before. If an employee was hired with one of them now, the result would depend on
    the moment of the hire.
    """


def newcomer(number: int, dice: random.Random) -> Person:
    return Person(tuple(f"person-{number}-{i}@example.com" for i in range(dice.randint(1, 3))))


def random_name(dice: random.Random) -> dict[str, Any]:
    """Return a random name, as a user's metadata and as columns of employees."""
    return {"first_name": dice.choice(FIRST), "last_name": dice.choice(LAST)}


def sign_up(auth: Auth, person: Person, dice: random.Random) -> None:
    """Sign up in a random way."""
    email = person.addresses[0]
    ways: tuple[Callable[[], object], ...] = (
        lambda: auth.sign_up(email, user_metadata=random_name(dice), id=person.user),
        lambda: auth.sign_up(email, user_metadata=random_name(dice), auto_confirm=True, id=person.user),
        lambda: auth.admin_create(email, user_metadata=random_name(dice), id=person.user),
        lambda: auth.sso_sign_up(email, user_metadata=random_name(dice), id=person.user),
        lambda: auth.anonymous(id=person.user),
    )
    dice.choices(ways, (6, 4, 4, 2, 1))[0]()


def act(auth: Auth, person: Person, row: Row, dice: random.Random) -> None:
    """Perform a random action that is possible for a user with this row."""
    actions: list[tuple[int, Callable[[], object]]] = [(1, lambda: auth.hard_delete(person.user))]
    if row["deleted_at"] is None:
        actions += [
            (1, lambda: auth.soft_delete(person.user)),
            (1, lambda: auth.sign_in(person.user)),
            (1, lambda: auth.refresh(person.user)),
            (1, lambda: auth.ban(person.user, datetime.now(UTC) + timedelta(days=dice.randint(1, 900)))),
            (1, lambda: auth.unban(person.user)),
        ]
        if not row["is_anonymous"]:
            actions += [
                (5, lambda: auth.update_metadata(person.user, random_name(dice))),
                (2, lambda: auth.sso_sign_in(person.user, user_metadata=random_name(dice))),
                (3, lambda: change_email(auth, person, row, dice)),
            ]
            if row["email_confirmed_at"] is None:
                actions.append((12, lambda: auth.confirm(person.user)))
    weights, things = zip(*actions, strict=True)
    dice.choices(things, weights)[0]()


def change_email(auth: Auth, person: Person, row: Row, dice: random.Random) -> None:
    """Change to another of the person's addresses. The user changes and confirms it, or an admin changes it."""
    others = [address for address in person.addresses if address != row["email"]]
    if not others:
        return
    person.left.add(row["email"])
    change = auth.change_email if row["email_confirmed_at"] is not None else auth.admin_change_email
    dice.choice((change, auth.admin_change_email))(person.user, dice.choice(others))


def vacancy(person: Person, row: Row | None, dice: random.Random) -> str | None:
    """Return an address with which an employee may be hired now, or None. See `Person.left`."""
    if row is not None and row["deleted_at"] is not None:
        return None
    free = [a for a in person.addresses if a not in person.hired and a not in person.left]
    return dice.choice(free) if free else None
