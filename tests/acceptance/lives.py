"""Users with a whole life of events each, and the employees that they are linked with."""

import random
from uuid import UUID, uuid5

from tests.acceptance.conftest import (
    Post,
)
from tests.auth_traffic import CONFIRMED, JANE, delete, insert, update
from tests.employees import Connection


def hire_users(connection: Connection, count: int) -> None:
    """Insert employees 1 to `count`, with the e-mail addresses of `lives`."""
    connection.execute(
        "insert into employees (employee_id, email) select n, 'user' || n || '@example.com'"
        " from generate_series(1, %s) as n",
        [count],
    )


def user_id(number: int) -> UUID:
    return uuid5(JANE, str(number))


def lives(count: int, seed: int = 0) -> list[Post]:
    """Three events for each of users 1 to `count`, shuffled: sign-up, confirmation, and a new name or a deletion."""
    posts: list[Post] = []
    for number in range(1, count + 1):
        user, email = user_id(number), f"user{number}@example.com"
        confirmed = {"email": email, "email_confirmed_at": CONFIRMED}
        named = confirmed | {"raw_user_meta_data": {"last_name": f"Name {number}"}}
        last = delete(user, at=2) if number % 3 == 0 else update(user, at=3, **named)
        events = (insert(user, at=1, email=email), update(user, at=2, **confirmed), last)
        posts += [Post(f"user{number}-{order}", event) for order, event in enumerate(events)]
    random.Random(seed).shuffle(posts)
    return posts
