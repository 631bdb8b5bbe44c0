"""The server and its signals: what is accepted is answered, and what is killed is not half done."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from uuid import UUID, uuid5

import httpx
import psycopg
import pytest
from psycopg import sql

from tests.acceptance.conftest import (
    Connection,
    Post,
    StartServer,
    Traffic,
    accepted_connections,
    children_of,
    deliver,
    has_waiting_calls,
    refused,
    settings_for,
    wait_for,
)
from tests.auth_traffic import CONFIRMED, JANE, delete, insert, update
from tests.ports import free_port
from webhook_service import serving


def hire(connection: Connection, count: int) -> None:
    """Employees 1 to `count`, with the e-mail addresses of `lives`."""
    connection.execute(
        "insert into employees (employee_id, email) select n, 'user' || n || '@example.com'"
        " from generate_series(1, %s) as n",
        [count],
    )


def user_id(number: int) -> UUID:
    return uuid5(JANE, str(number))


def lives(count: int, seed: int = 0) -> list[Post]:
    """Users 1 to `count`, three events each: sign-up, confirmation, then a new name, or for every third the end."""
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


def assert_nothing_is_half_done(connection: Connection, posts: list[Post], count: int) -> None:
    """Each event is in the ledger once and done; employees are as after `lives`; states and employees agree."""
    ledger = connection.execute("select event_id, status from integration_sync_log where direction = 'inbound'")
    assert sorted((row["event_id"], row["status"]) for row in ledger) == sorted((p.event_id, "SUCCESS") for p in posts)
    employees = connection.execute(
        "select employee_id, auth_user_id, orphaned_auth_user_id, last_name from employees order by employee_id"
    ).fetchall()
    assert [tuple(row.values()) for row in employees] == [
        (n, None, user_id(n), None) if n % 3 == 0 else (n, user_id(n), None, f"Name {n}") for n in range(1, count + 1)
    ]
    disagreeing = connection.execute(
        "select e.employee_id from employees e full join auth_user_state s using (employee_id)"
        " where case when s.deleted_at is null then e.auth_user_id else e.orphaned_auth_user_id end"
        " is distinct from s.auth_user_id"
    ).fetchall()
    assert disagreeing == []


def test_requests_in_flight_at_sigterm_are_answered(
    start_server: StartServer, connection: Connection, database_url: str
) -> None:
    """All that was accepted before a SIGTERM gets its 200, more than there are threads; then the server ends with 0."""
    server = start_server(WEB_CONCURRENCY="1")
    hire(connection, 40)
    posts = [
        Post(f"evt-{n}", insert(user_id(n), email=f"user{n}@example.com", email_confirmed_at=CONFIRMED))
        for n in range(1, 41)
    ]
    with psycopg.connect(database_url) as other:
        other.execute("select from employees for update")
        traffic = Traffic(server.url, posts)
        wait_for("all connections accepted", lambda: accepted_connections(server.url) == len(posts))
        wait_for("two calls at work", lambda: has_waiting_calls(connection, 2))
        server.signal(signal.SIGTERM)
        wait_for("the signal has arrived", lambda: "Handling signal: term" in server.log())
    answers = traffic.answers()
    assert [(a.status, a.outcome) for a in answers] == [(200, "linked")] * len(posts)
    assert server.process.wait(20) == 0


@pytest.mark.parametrize("keep_alive", [False, True], ids=["a connection each", "kept alive"])
def test_what_is_recorded_at_sigterm_is_answered(
    start_server: StartServer, connection: Connection, keep_alive: bool
) -> None:
    """A SIGTERM in the middle of traffic leaves no event in the ledger whose sender was not told, and ends with 0."""
    server = start_server()
    hire(connection, 80)
    traffic = Traffic(server.url, lives(80), keep_alive=keep_alive)
    traffic.after(30)
    server.signal(signal.SIGTERM)
    answers = traffic.answers()
    assert server.process.wait(25) == 0
    recorded = {row["event_id"] for row in connection.execute("select event_id from integration_sync_log")}
    assert recorded == {answer.event_id for answer in answers if answer.status == 200}


def test_a_killed_worker_leaves_nothing_half_done(start_server: StartServer, connection: Connection) -> None:
    """After a SIGKILL of a worker in the middle of traffic, the same deliveries again bring everything to its end."""
    server = start_server()
    hire(connection, 60)
    seed = random.randrange(10**6)
    posts = lives(60, seed)
    traffic = Traffic(server.url, posts)
    traffic.after(seed % 120 + 1)
    os.kill(server.workers()[seed % 2], signal.SIGKILL)
    traffic.answers()
    again = deliver(server.url, posts)
    assert refused(again) == [], f"seed {seed}"
    assert_nothing_is_half_done(connection, posts, 60)


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_killed_server_leaves_nothing_half_done(
    start_server: StartServer, connection: Connection, attempt: int
) -> None:
    """After a SIGKILL of all processes in the middle of traffic, another server ends what this one began."""
    server = start_server()
    hire(connection, 60)
    seed = random.randrange(10**6)
    posts = lives(60, seed)
    traffic = Traffic(server.url, posts)
    traffic.after(seed % 120 + 1)
    server.kill_everything()
    traffic.answers()
    again = deliver(start_server().url, posts)
    assert refused(again) == [], f"seed {seed}"
    assert_nothing_is_half_done(connection, posts, 60)


def test_workers_do_not_outlive_their_master(start_server: StartServer) -> None:
    """Workers of a master that was killed end by themselves, so that no half server goes on unseen."""
    server = start_server()
    workers = server.workers()
    server.signal(signal.SIGKILL)
    wait_for("all workers gone", lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


@pytest.mark.parametrize("keep_alive", [False, True], ids=["a connection each", "kept alive"])
def test_a_rolling_restart_loses_nothing(start_server: StartServer, connection: Connection, keep_alive: bool) -> None:
    """While SIGHUP replaces all workers under load, every delivery is answered with a 2xx."""
    server = start_server()
    hire(connection, 150)
    old = server.workers()
    traffic = Traffic(server.url, lives(150), keep_alive=keep_alive, at_once=16)
    traffic.after(10)
    server.signal(signal.SIGHUP)
    answers = traffic.answers()
    wait_for("the old workers are gone", lambda: not set(old) & set(children_of(server.process.pid)))
    assert refused(answers) == []


def set_reachable(postgres: str, database_url: str, reachable: bool) -> None:
    """Lets a database accept connections or not; if not, those that are there are cut."""
    name = database_url.split("/")[3].split("?")[0]
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(
            sql.SQL("alter database {} allow_connections {}").format(sql.Identifier(name), sql.Literal(reachable))
        )
        if not reachable:
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])


def ledger_of(database_url: str) -> set[str]:
    with psycopg.connect(database_url) as connection:
        return {row[0] for row in connection.execute("select event_id from integration_sync_log")}


def test_without_its_database_it_refuses_and_records_nothing(
    start_server: StartServer, postgres: str, database_url: str
) -> None:
    """While the database is gone, each delivery gets a 503 with Retry-After; once it is back, the same ones succeed."""
    server = start_server()
    posts = lives(20)
    assert refused(deliver(server.url, posts[:30])) == []
    set_reachable(postgres, database_url, False)
    answers = deliver(server.url, posts[30:])
    set_reachable(postgres, database_url, True)
    assert {(answer.status, answer.headers.get("Retry-After")) for answer in answers} == {(503, "5")}
    assert ledger_of(database_url) == {post.event_id for post in posts[:30]}
    wait_for("the same deliveries succeed", lambda: refused(deliver(server.url, posts[30:])) == [])
    assert ledger_of(database_url) == {post.event_id for post in posts}


def test_without_its_database_a_refusal_is_in_time(start_server: StartServer, postgres: str, database_url: str) -> None:
    """While the database is gone, even 200 deliveries at once are refused before their sender gives up after 5 s."""
    server = start_server()
    set_reachable(postgres, database_url, False)
    began = time.monotonic()
    deliver(server.url, lives(67)[:200], at_once=200)
    assert time.monotonic() - began < 5


def test_it_is_alive_without_its_database(start_server: StartServer, postgres: str, database_url: str) -> None:
    """While the database is gone and 200 deliveries ask for it, the probe for life is answered within its second."""
    server = start_server()
    set_reachable(postgres, database_url, False)
    traffic = Traffic(server.url, lives(67)[:200], at_once=200)
    wait_for("connections accepted", lambda: accepted_connections(server.url) > 64)
    alive = httpx.get(f"{server.url}/healthz", timeout=1)
    traffic.answers()
    assert alive.status_code == 200


def test_it_is_not_ready_without_its_database(start_server: StartServer, postgres: str, database_url: str) -> None:
    """While the database is gone, the server says that it is not ready, and that the database is why."""
    server = start_server()
    set_reachable(postgres, database_url, False)
    assert httpx.get(f"{server.url}/healthz").status_code == 200
    ready = httpx.get(f"{server.url}/readyz", timeout=10)
    assert ready.status_code == 503
    assert ready.json()["checks"]["database"] != "ok"
    set_reachable(postgres, database_url, True)
    wait_for("ready again", lambda: httpx.get(f"{server.url}/readyz", timeout=10).is_success)


def test_it_is_back_as_soon_as_its_database_is(start_server: StartServer, postgres: str, database_url: str) -> None:
    """However long the database was gone, the first delivery after it is back succeeds."""
    server = start_server(WEB_CONCURRENCY="1")
    posts = lives(2)
    set_reachable(postgres, database_url, False)
    while_gone = [answer.status for post in posts[:3] for answer in deliver(server.url, [post])]
    set_reachable(postgres, database_url, True)
    assert while_gone == [503, 503, 503]
    assert refused(deliver(server.url, posts)) == []


def test_connections_that_were_cut_cost_no_delivery(
    start_server: StartServer, connection: Connection, database_url: str
) -> None:
    """Connections that the database cut while nothing was under way (a failover, a restart) are replaced unnoticed."""
    server = start_server()
    posts = lives(20)
    assert refused(deliver(server.url, posts[:30])) == []
    connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    assert refused(deliver(server.url, posts[30:])) == []


@pytest.mark.parametrize("variable", ["DATABASE_URL", "WEBHOOK_SECRETS", "ADMIN_API_KEY"])
def test_a_missing_setting_ends_the_start(database_url: str, variable: str) -> None:
    """Without a setting that it needs, the server does not start and names the variable."""
    environment = settings_for(database_url) | {"HOST": "127.0.0.1", "PORT": str(free_port())}
    del environment[variable]
    done = subprocess.run(serving.COMMAND, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert variable in done.stdout + done.stderr


def test_each_delivery_is_one_line_of_json(start_server: StartServer, connection: Connection) -> None:
    """The log is lines of JSON; one for each delivery: what it was, what became of it, how long it took."""
    server = start_server()
    hire(connection, 1)
    post = Post("evt-1", insert(user_id(1), email="user1@example.com", email_confirmed_at=CONFIRMED))
    deliver(server.url, [post])
    deliver(server.url, [post])
    httpx.post(f"{server.url}/webhook/auth", json=post.payload)
    lines = [line for line in server.log_lines() if line["message"] == "delivery"]
    named = [{name: line.get(name) for name in ("event_id", "operation", "outcome", "status")} for line in lines]
    accepted = {"event_id": "evt-1", "operation": "INSERT", "status": "SUCCESS"}
    assert named[:2] == [accepted | {"outcome": "linked"}, accepted | {"outcome": "duplicate"}]
    assert [line["http_status"] for line in lines] == [200, 200, 401]
    assert all(line["ms"] > 0 for line in lines)
    assert "user1@example.com" not in server.log()
