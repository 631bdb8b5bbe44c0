"""The server and its signals: accepted requests are answered, and a kill leaves nothing half done."""

import os
import random
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.command import settings_for
from tests.acceptance.conftest import (
    Post,
    StartServer,
    Traffic,
    accepted_connections,
    children_of,
    deliver_until_accepted,
    refused,
    wait_for,
)
from tests.acceptance.lives import hire_users, lives, user_id
from tests.acceptance.raw_http import (
    connect_many,
    connected,
    head_of,
    send,
    signed_request,
    statuses,
    unread_bytes,
    until_closed,
)
from tests.auth_traffic import CONFIRMED, insert
from tests.employees import Connection
from tests.ports import free_port
from webhook_service.server import process as server_process
from webhook_service.server.worker import GRACE_SECONDS

pytestmark = pytest.mark.campaign

AT_WORK = "select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"


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


def test_requests_in_flight_at_sigterm_are_answered(start_server: StartServer, connection: Connection) -> None:
    """All requests that were accepted before a SIGTERM get their 200, although they outnumber the threads.

    Then the server ends with 0.
    """
    server = start_server(WEB_CONCURRENCY="1")
    hire_users(connection, 40)
    posts = [
        Post(f"evt-{n}", insert(user_id(n), email=f"user{n}@example.com", email_confirmed_at=CONFIRMED))
        for n in range(1, 41)
    ]
    connection.execute("""
        create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(0.5); return null; end';
        create trigger slow before update on employees for each statement execute function slow()
    """)
    traffic = Traffic(server.url, posts)
    wait_for("all connections accepted", lambda: accepted_connections(server.url) + traffic.answered() >= len(posts))
    wait_for("a call at work", lambda: connection.execute(AT_WORK).rowcount > 0)
    server.signal(signal.SIGTERM)
    wait_for("the signal has arrived", lambda: "Handling signal: term" in server.log())
    answers = traffic.answers()
    assert [(a.status, a.outcome) for a in answers] == [(200, "linked")] * len(posts)
    assert server.process.wait(20) == 0


@pytest.mark.parametrize("keep_alive", [False, True], ids=["a connection each", "kept alive"])
def test_events_that_are_recorded_at_sigterm_are_answered(
    start_server: StartServer, connection: Connection, keep_alive: bool
) -> None:
    """After a SIGTERM in traffic, the sender of each recorded event has its answer, and the server ends with 0."""
    server = start_server()
    hire_users(connection, 80)
    traffic = Traffic(server.url, lives(80), keep_alive=keep_alive)
    traffic.after(30)
    server.signal(signal.SIGTERM)
    answers = traffic.answers()
    assert server.process.wait(25) == 0
    recorded = {row["event_id"] for row in connection.execute("select event_id from integration_sync_log")}
    assert recorded == {answer.event_id for answer in answers if answer.status == 200}


def begun_traffic(url: str, connection: Connection) -> tuple[int, list[Post], Traffic]:
    """Traffic of 60 lives at a random point in its middle. The seed chooses the lives and the point."""
    hire_users(connection, 60)
    seed = random.randrange(10**6)
    posts = lives(60, seed)
    traffic = Traffic(url, posts)
    traffic.after(seed % 120 + 1)
    return seed, posts, traffic


def test_a_killed_worker_leaves_nothing_half_done(start_server: StartServer, connection: Connection) -> None:
    """After a SIGKILL of a worker in the middle of traffic, the same deliveries again bring everything to its end."""
    server = start_server()
    seed, posts, traffic = begun_traffic(server.url, connection)
    os.kill(server.workers()[seed % 2], signal.SIGKILL)
    traffic.answers()
    again = deliver_until_accepted(server.url, posts)
    assert refused(again) == [], f"seed {seed}"
    assert_nothing_is_half_done(connection, posts, 60)


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_killed_server_leaves_nothing_half_done(
    start_server: StartServer, connection: Connection, attempt: int
) -> None:
    """After a SIGKILL of all processes in the middle of traffic, another server ends what this one began."""
    server = start_server()
    seed, posts, traffic = begun_traffic(server.url, connection)
    server.kill_everything()
    traffic.answers()
    again = deliver_until_accepted(start_server().url, posts)
    assert refused(again) == [], f"seed {seed}"
    assert_nothing_is_half_done(connection, posts, 60)


def test_a_sigterm_while_workers_start_ends_the_server(database_url: str, tmp_path: Path) -> None:
    """A worker that gets a SIGTERM before it has loaded the application ends without a SIGKILL."""
    environment = settings_for(database_url) | {
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "WEB_CONCURRENCY": "1",
        "GUNICORN_CMD_ARGS": "--worker-class=tests.acceptance.signalled_early.SignalledEarly --graceful-timeout=600",
    }
    log_file = tmp_path / "server.log"
    with log_file.open("wb") as log, server_process.running(environment, log=log) as process:
        assert process.wait(20) == 0
    assert "Traceback" not in log_file.read_text("utf-8")


def test_what_is_posted_while_max_requests_ends_a_worker_is_answered(
    start_server: StartServer, connection: Connection
) -> None:
    """A worker that has answered as many requests as it may is replaced, and no delivery is lost by that."""
    server = start_server(WEB_CONCURRENCY="1", GUNICORN_CMD_ARGS="--max-requests=30")
    hire_users(connection, 20)
    [first] = server.workers()
    traffic = Traffic(server.url, lives(20), at_once=4)
    wait_for("the first worker is gone", lambda: first not in server.workers())
    assert refused(traffic.answers()) == []


def test_workers_do_not_outlive_their_master(start_server: StartServer) -> None:
    """Workers of a killed master end by themselves."""
    server = start_server()
    workers = server.workers()
    server.signal(signal.SIGKILL)
    wait_for("all workers gone", lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


@pytest.mark.parametrize("keep_alive", [False, True], ids=["a connection each", "kept alive"])
def test_a_rolling_restart_loses_nothing(start_server: StartServer, connection: Connection, keep_alive: bool) -> None:
    """While SIGHUP replaces all workers under load, every delivery is answered with a 2xx."""
    server = start_server()
    hire_users(connection, 150)
    old = server.workers()
    traffic = Traffic(server.url, lives(150), keep_alive=keep_alive, at_once=16)
    traffic.after(10)
    server.signal(signal.SIGHUP)
    answers = traffic.answers()
    wait_for("the old workers are gone", lambda: not set(old) & set(children_of(server.process.pid)))
    assert refused(answers) == []


HALF = {
    "a webhook's body": signed_request()[:-10],
    "a form's body": head_of("Content-Length: 100", target="POST /admin/login HTTP/1.1") + b"key=",
    "a chunked body": head_of("Transfer-Encoding: chunked") + b"5\r\nab",
    "no body yet": head_of("Content-Length: 100"),
    "a head": head_of()[:-2] + b"X-A: a",
    "nothing": b"",
}


@pytest.mark.parametrize("half", HALF.values(), ids=HALF)
def test_half_a_request_does_not_delay_the_end_of_the_server(start_server: StartServer, half: bytes) -> None:
    """At SIGTERM, a request that is only partly received ends within a second or two, as an idle connection does."""
    server = start_server(WEB_CONCURRENCY="1", RELAY="off")
    with ExitStack() as stack:
        clients = connect_many(server.url, half, 5, stack)
        wait_for("all is read", lambda: unread_bytes(server.url) == 0)
        begun = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.process.wait(GRACE_SECONDS) == 0
        took = time.monotonic() - begun
        assert took < 5, took  # two seconds, and more on a busy machine; the time limit of a body is ten
        assert {tuple(statuses(until_closed(client))) for client in clients} <= {(), (400,), (408,), (503,)}
    assert "Traceback" not in server.log()
    assert "SIGKILL" not in server.log()


def test_a_body_that_drips_does_not_delay_the_end_of_the_server(start_server: StartServer) -> None:
    """A client that sends one byte of its body now and then does not keep a stopping server either."""
    server = start_server(WEB_CONCURRENCY="1", RELAY="off")
    with connected(server.url) as client:
        send(client, head_of("Content-Length: 100000"))
        wait_for("it is read", lambda: unread_bytes(server.url) == 0)
        server.signal(signal.SIGTERM)
        begun = time.monotonic()

        def ended() -> bool:
            send(client, b"a")
            return server.process.poll() is not None

        wait_for("the end", ended)
        assert time.monotonic() - begun < 5


def test_a_client_that_does_not_read_does_not_keep_the_worker(start_server: StartServer) -> None:
    """At SIGTERM, a client that does not read is disconnected after a grace period, and the relay ends in order."""
    server = start_server(WEB_CONCURRENCY="1")
    host, port = "127.0.0.1", int(server.url.rpartition(":")[2])
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((host, port))
        client.sendall(b"GET /admin/api/docs HTTP/1.1\r\nHost: localhost\r\n\r\n" * 60)
        assert client.recv(15) == b"HTTP/1.1 200 OK"
        server.signal(signal.SIGTERM)
        assert server.process.wait(GRACE_SECONDS + 15) == 0
    assert '"message": "relay stopped"' in server.log()
    assert "SIGKILL" not in server.log()
