"""Many concurrent deliveries to several processes."""

import random
import signal
from collections import Counter
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.acceptance.conftest import Post, Server, StartServer, deliver, deliver_until_accepted, refused
from tests.acceptance.lives import lives, user_id
from tests.auth_traffic import CONFIRMED, delete, insert, update
from tests.employees import Connection

FAR_AWAY = "2126-01-01T00:00:00+00:00"


def confirmed(email: str, **columns: Any) -> dict[str, Any]:
    return {"email": email, "email_confirmed_at": CONFIRMED} | columns


def named(person: str, *payloads: dict[str, Any]) -> list[Post]:
    return [Post(f"{person}-{order}", payload) for order, payload in enumerate(payloads)]


def mixed_traffic(seed: int) -> list[Post]:
    """200 deliveries: 30 lives of three, 10 bans of two, 10 quarrels of four, 10 inheritances of four, 5 x 2 shared."""
    posts = lives(30, seed)
    for n in range(10):
        ban, first, second, giver, heir = (user_id(kind + n) for kind in (100, 200, 300, 400, 500))
        banned = confirmed(f"ban{n}@example.com")
        posts += named(f"ban{n}", insert(ban, at=1, **banned), update(ban, at=2, **banned, banned_until=FAR_AWAY))
        wanted = confirmed(f"quarrel{n}@example.com")
        posts += named(f"first{n}", insert(first, at=1, **wanted), update(first, at=2, **wanted))
        posts += named(f"second{n}", insert(second, at=1, **wanted), delete(second, at=2))
        left, moved = confirmed(f"heir{n}@example.com"), confirmed(f"moved{n}@example.com")
        posts += named(f"giver{n}", insert(giver, at=1, **left), update(giver, at=2, **moved), delete(giver, at=2))
        posts += named(f"heir{n}", insert(heir, at=3, **moved))
        if n < 5:
            shared = confirmed(f"shared{n}@example.com")
            user = user_id(600 + n)
            posts += named(f"shared{n}", insert(user, at=1, **shared), update(user, at=2, **shared))
    random.Random(seed).shuffle(posts)
    return posts


def hire_everybody(connection: Connection) -> None:
    addresses = [f"user{n}" for n in range(1, 31)]
    addresses += [f"{kind}{n}" for kind in ("ban", "quarrel", "heir") for n in range(10)]
    addresses += [f"shared{n}" for n in range(5) for _ in range(2)]
    with connection.cursor() as cursor:
        cursor.executemany("insert into employees (email) values (%s)", [(f"{a}@example.com",) for a in addresses])


def links(connection: Connection, kind: str) -> list[UUID | None]:
    """The logins of the employees of this kind, in the order of hiring."""
    rows = connection.execute(
        "select auth_user_id from employees where email ~ %s order by employee_id", [f"^{kind}[0-9]+@"]
    )
    return [row["auth_user_id"] for row in rows]


def disagreements(connection: Connection) -> list[dict[str, Any]]:
    """Employees whose login is deleted or differs from its state, and live users who have lost their employee."""
    return connection.execute(
        "select e.employee_id, e.auth_user_id, s.auth_user_id as known, s.employee_id as known_employee"
        "  from employees e full join auth_user_state s on s.auth_user_id = e.auth_user_id"
        " where (e.auth_user_id is not null or (s.auth_user_id is not null and s.deleted_at is null))"
        "   and (s.deleted_at is not null or e.employee_id is distinct from s.employee_id)"
    ).fetchall()


def deadlocks(postgres: str, database_url: str) -> int:
    """The number of deadlocks, once the server has ended: a backend reports at its end."""
    with psycopg.connect(postgres) as admin:
        name = database_url.split("/")[3].split("?")[0]
        row = admin.execute("select deadlocks from pg_stat_database where datname = %s", [name]).fetchone()
    assert row is not None
    return int(row[0])


def stop(server: Server) -> None:
    server.signal(signal.SIGTERM)
    server.process.wait(30)


def test_64_identical_deliveries_are_one_event(start_server: StartServer, connection: Connection) -> None:
    """One of 64 identical concurrent deliveries to two servers is applied, and the others are duplicates.

    A busy server may answer 503 instead of waiting for the transaction that applies the event.
    """
    urls = start_server().url, start_server().url
    connection.execute("insert into employees (email) values ('user1@example.com')")
    post = Post("evt-1", insert(user_id(1), **confirmed("user1@example.com")))
    answers = deliver(urls, [post] * 64)
    outcomes = Counter((a.status, a.outcome) for a in answers)
    assert outcomes.pop((200, "linked")) == 1
    assert outcomes.keys() <= {(200, "duplicate"), (503, "database_conflict")}


@pytest.mark.campaign
def test_200_mixed_deliveries_at_once(
    start_server: StartServer, connection: Connection, postgres: str, database_url: str
) -> None:
    """Two servers of three workers accept 200 concurrent deliveries without a deadlock, and the rows are right."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 (pytest shows it where the test fails)
    # Without relays, which would retry the failed events meanwhile.
    servers = [start_server(WEB_CONCURRENCY="3", RELAY="off") for _ in range(2)]
    hire_everybody(connection)
    posts = mixed_traffic(seed)
    answers = deliver_until_accepted([server.url for server in servers], posts, at_once=200)
    for server in servers:
        stop(server)
    assert refused(answers) == []
    assert deadlocks(postgres, database_url) == 0
    # Without the links that an employee's new e-mail made for a user who waited for it: they were not delivered.
    ledger = connection.execute(
        "select status from integration_sync_log where direction = 'inbound' and event_id not like 'employee-%'"
    )
    assert Counter(row["status"] for row in ledger) == Counter(answer.document["status"] for answer in answers)
    assert {a.outcome for a in answers if a.document["status"] == "FAILED"} <= {"ambiguous", "already_linked"}
    assert links(connection, "user") == [None if n % 3 == 0 else user_id(n) for n in range(1, 31)]
    assert links(connection, "ban") == [user_id(100 + n) for n in range(10)]
    assert links(connection, "shared") == [None] * 10
    assert disagreements(connection) == []
