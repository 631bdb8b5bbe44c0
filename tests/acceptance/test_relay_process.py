"""The relay as a process that is woken, stopped and killed, during an outage of its database, and beside the server."""

import os
import signal
import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.acceptance.command import Run
from tests.acceptance.conftest import StartServer, has_waiting_calls, wait_for
from tests.acceptance.relaying import is_listening, relay_process, statuses
from tests.auth_stand_in import Auth
from tests.debian_postgres import Cluster
from tests.employees import Connection, employee, hire
from tests.integration.captured import auth_of, end_leases, relay_all
from webhook_service.db import migrate
from webhook_service.db.embedded import create_auth_schema
from webhook_service.db.wakeup import Wakeup
from webhook_service.ports import Database

MAIL = "jane@example.com"
LONG = 600.0
"""Seconds; longer than any test."""
DONE = ("SUCCESS", 1, "relay")

END_WAITING = """
    select pg_terminate_backend(pid, 10000) from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock'
"""
"""Ends the calls of a killed client. Otherwise a quick PostgreSQL would carry them out."""


@pytest.fixture
def jane(connection: Connection) -> int:
    return hire(connection, MAIL)


@pytest.fixture
def known(database: Database, auth: Auth, jane: int) -> UUID:
    """Jane's auth user, whose event is applied, so that a test can lock its state."""
    user = auth.admin_create(MAIL)
    relay_all(database)
    return user


def name_of(connection: Connection, employee_id: int) -> Any:
    return employee(connection, employee_id)["first_name"]


def test_a_commit_ends_the_wait(database_url: str, connection: Connection, auth: Auth) -> None:
    """A change of auth.users that is not posted wakes a relay, which would have waited for ten minutes."""
    wakeup = Wakeup(database_url)
    wakeup.wait(LONG)  # the first one only begins to listen
    waiting = threading.Thread(target=wakeup.wait, args=[LONG], daemon=True)
    waiting.start()
    auth.sign_up(MAIL)
    waiting.join(20)
    assert not waiting.is_alive()
    wakeup.close()


def test_an_event_between_two_waits_ends_the_next_one(database_url: str, connection: Connection, auth: Auth) -> None:
    """An event that arrives while a relay works ends its next wait."""
    wakeup = Wakeup(database_url)
    wakeup.wait(LONG)
    auth.sign_up(MAIL)
    waiting = threading.Thread(target=wakeup.wait, args=[LONG], daemon=True)
    waiting.start()
    waiting.join(20)
    assert not waiting.is_alive()
    wakeup.close()


def test_it_listens_and_applies(
    database_url: str, tmp_path: Path, connection: Connection, auth: Auth, jane: int
) -> None:
    """The process waits by LISTEN, and applies a change of auth.users."""
    with relay_process(database_url, tmp_path):
        wait_for("a listener", lambda: is_listening(connection))
        auth.admin_create(MAIL, user_metadata={"first_name": "Jane"})
        wait_for("Jane is linked", lambda: name_of(connection, jane) == "Jane")
    assert statuses(connection) == [DONE]


@pytest.mark.campaign
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_it_stops_in_order(
    database_url: str, tmp_path: Path, connection: Connection, auth: Auth, known: UUID, number: signal.Signals
) -> None:
    """A relay that is signalled while it works finishes its work, leaves no lease behind, and ends with 0."""
    with relay_process(database_url, tmp_path) as relay:
        wait_for("a listener", lambda: is_listening(connection))
        with psycopg.connect(database_url) as other:
            other.execute("lock table auth_user_state in exclusive mode")
            auth.update_metadata(known, {"first_name": "Jane"})
            wait_for("the relay is at work", lambda: has_waiting_calls(connection))
            relay.process.send_signal(number)
        assert relay.process.wait(20) == 0
        assert relay.messages()[-1] == "relay stopped"
    assert connection.execute("select from integration_sync_log where lease is not null").fetchall() == []
    assert statuses(connection) == [DONE, DONE]


@pytest.mark.campaign
def test_a_killed_relay_is_followed(
    database_url: str, tmp_path: Path, connection: Connection, auth: Auth, known: UUID, jane: int
) -> None:
    """When a relay is killed after it has claimed an event, another one applies it once, after the end of the lease."""
    with relay_process(database_url, tmp_path, "first") as first, psycopg.connect(database_url) as other:
        wait_for("a listener", lambda: is_listening(connection))
        other.execute("lock table auth_user_state in exclusive mode")
        auth.update_metadata(known, {"first_name": "Jane"})
        wait_for("the relay is at work", lambda: has_waiting_calls(connection))
        first.process.kill()
        first.process.wait()
        connection.execute(END_WAITING)
    leased = connection.execute("select status from integration_sync_log where leased_until > now()").fetchall()
    assert leased == [{"status": "PENDING"}]
    end_leases(connection)
    with relay_process(database_url, tmp_path, "second"):
        wait_for("it is applied", lambda: name_of(connection, jane) == "Jane")
    assert statuses(connection) == [DONE, DONE]


@pytest.mark.campaign
def test_it_survives_its_database(tmp_path: Path, supabase_cluster: Cluster, supabase_database_url: str) -> None:
    """A relay goes on and listens again after PostgreSQL was killed and restarted."""
    with psycopg.connect(supabase_database_url, autocommit=True) as connection:
        create_auth_schema(connection)
    migrate.migrate(supabase_database_url)
    with relay_process(supabase_database_url, tmp_path) as relay:
        with psycopg.connect(supabase_database_url, autocommit=True, row_factory=dict_row) as connection:
            jane = hire(connection, MAIL)
            wait_for("a listener", lambda: is_listening(connection))
        supabase_cluster.kill()
        wait_for("it has noticed", lambda: relay.messages()[-1] == "relay pass failed")
        supabase_cluster.start()
        with (
            psycopg.connect(supabase_database_url, autocommit=True, row_factory=dict_row) as connection,
            auth_of(supabase_database_url) as auth,
        ):
            auth.admin_create(MAIL, user_metadata={"first_name": "Jane"})
            wait_for("Jane is linked", lambda: name_of(connection, jane) == "Jane", seconds=60)
            wait_for("it listens again", lambda: is_listening(connection), seconds=60)
        assert relay.process.poll() is None


@pytest.mark.campaign
def test_the_server_relays_beside_serving(
    start_server: StartServer, connection: Connection, auth: Auth, jane: int
) -> None:
    """`serve` relays without another process. A worker that replaces a killed one relays, too."""
    server = start_server(WEB_CONCURRENCY="1")
    auth.admin_create(MAIL, user_metadata={"first_name": "Jane"})
    wait_for("Jane is linked", lambda: name_of(connection, jane) == "Jane")
    [worker] = server.workers()
    os.kill(worker, signal.SIGKILL)
    [user] = connection.execute("select id from auth.users").fetchall()
    auth.update_metadata(user["id"], {"first_name": "Ann"})
    wait_for("Jane is Ann", lambda: name_of(connection, jane) == "Ann", seconds=60)
    assert statuses(connection) == [DONE, DONE]


def test_the_server_does_not_relay_where_that_is_off(
    start_server: StartServer, connection: Connection, auth: Auth, jane: int
) -> None:
    """With RELAY=off, the server applies no pending event and registers no relay."""
    auth.admin_create(MAIL)
    server = start_server(RELAY="off")
    server.signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    assert [line["message"] for line in server.log_lines() if line["message"].startswith("relay")] == []
    assert connection.execute("select from auth_sync_relays").fetchall() == []
    assert statuses(connection) == [("PENDING", 0, "capture")]


def test_once_applies_what_is_due_and_ends(run: Run, connection: Connection, auth: Auth, jane: int) -> None:
    """`relay --once`, as a cron job runs it, applies the due events and ends."""
    user = auth.admin_create(MAIL)
    assert run("relay", "--once")[:2] == (0, "1 events were due, and 0 actions.\n")
    assert employee(connection, jane)["auth_user_id"] == user
    assert run("relay", "--once")[:2] == (0, "0 events were due, and 0 actions.\n")
