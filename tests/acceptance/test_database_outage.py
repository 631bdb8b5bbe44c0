"""During an outage of its database, the server refuses deliveries before their sender times out. No event is lost."""

import time

import httpx
import psycopg
from psycopg import sql

from tests.acceptance.conftest import StartServer, Traffic, deliver, refused, wait_for
from tests.acceptance.lives import lives
from tests.employees import Connection


def set_reachable(postgres: str, database_url: str, reachable: bool) -> None:
    """Let a database accept connections, or refuse new ones and close the open ones."""
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
    """During an outage, each delivery gets a 503 with Retry-After. After it, the same deliveries succeed."""
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
    """During an outage, 200 concurrent deliveries are refused before their sender times out after 5 s."""
    server = start_server()
    set_reachable(postgres, database_url, False)
    began = time.monotonic()
    deliver(server.url, lives(67)[:200], at_once=200)
    assert time.monotonic() - began < 5


def test_it_is_alive_without_its_database(start_server: StartServer, postgres: str, database_url: str) -> None:
    """During an outage with 200 deliveries, the liveness probe is answered within 1 s, its time limit."""
    server = start_server()
    set_reachable(postgres, database_url, False)
    traffic = Traffic(server.url, lives(67)[:200], at_once=200)
    alive = httpx.get(f"{server.url}/healthz", timeout=1)
    traffic.answers()
    assert alive.status_code == 200


def test_it_is_not_ready_without_its_database(start_server: StartServer, postgres: str, database_url: str) -> None:
    """During an outage, the readiness probe answers 503 and names the database."""
    server = start_server()
    set_reachable(postgres, database_url, False)
    assert httpx.get(f"{server.url}/healthz").status_code == 200
    ready = httpx.get(f"{server.url}/readyz", timeout=10)
    assert ready.status_code == 503
    assert ready.json()["checks"]["database"] != "ok"
    set_reachable(postgres, database_url, True)
    wait_for("ready again", lambda: httpx.get(f"{server.url}/readyz", timeout=10).is_success)


def test_it_is_back_as_soon_as_its_database_is(start_server: StartServer, postgres: str, database_url: str) -> None:
    """The first delivery after an outage succeeds."""
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
    """Idle connections that the database closed (a failover, a restart) are replaced without a failed delivery."""
    server = start_server()
    posts = lives(20)
    assert refused(deliver(server.url, posts[:30])) == []
    connection.execute(  # waits until they are closed
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    assert refused(deliver(server.url, posts[30:])) == []
