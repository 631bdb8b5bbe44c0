"""GET /healthz and /readyz."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from flask.testing import FlaskClient

from tests.employees import Connection
from tests.integration.doctoring import examined
from webhook_service.app import create_app
from webhook_service.db.deadline import timed_out
from webhook_service.db.direct import DirectDatabase
from webhook_service.doctor.findings import Level
from webhook_service.errors import Unavailable
from webhook_service.events import Json
from webhook_service.settings import DirectConnection, Settings
from webhook_service.web.health import READY_SECONDS


def test_alive_needs_no_database(settings: Settings) -> None:
    """/healthz answers 200 even if the database is unavailable."""
    client = create_app(settings, DirectDatabase("postgresql://127.0.0.1:1/none")).test_client()
    assert client.get("/healthz").get_json() == {"status": "alive"}


def test_ready_with_database_and_migrations(client: FlaskClient) -> None:
    """With a migrated database, /readyz answers 200 and names each check."""
    response = client.get("/readyz")
    assert response.status_code == 200
    answer = response.get_json()
    assert (answer["status"], answer["checks"]) == ("ready", {"database": "ok", "migrations": "ok"})


def test_ready_reports_the_relay(client: FlaskClient, connection: Connection) -> None:
    """/readyz reports when a relay last ran, and the ages of the oldest pending event and the newest event.

    A value is null if no relay has run, no event is pending, or there is no event.
    """
    relay = ("relay_last_run_seconds", "oldest_pending_seconds", "last_event_seconds")
    assert [client.get("/readyz").get_json()[name] for name in relay] == [None, None, None]
    connection.execute(
        "insert into integration_sync_log (event_id, direction, operation, via, created_at)"
        " values ('waits', 'inbound', 'UPDATE', 'capture', now() - interval '1 hour')"
    )
    connection.execute("insert into auth_sync_relays (relay, last_run_at) values ('r', now() - interval '1 minute')")
    reported = [client.get("/readyz").get_json()[name] for name in relay]
    assert [seconds // 60 for seconds in reported] == [1, 60, 60]


def test_not_ready_with_functions_of_an_older_version(client: FlaskClient, connection: Connection) -> None:
    """/readyz answers 503, with the command to run, if the database never had this version's functions."""
    connection.execute("update auth_sync_functions set digest = 'older'")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.get_json()["checks"]["migrations"].endswith(": run `webhook-service migrate`")


def test_not_ready_without_a_database(settings: Settings) -> None:
    """/readyz answers 503 and names the database if the database is unavailable."""
    client = create_app(settings, DirectDatabase("postgresql://127.0.0.1:1/none", call_timeout=0.5)).test_client()
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.get_json()["checks"]["database"] == "The database cannot be reached."


class SlowDatabase:
    """A database that counts its calls, and answers none of them until `answers` is set."""

    round_trip = 0.0

    def __init__(self) -> None:
        self.calls = 0
        self.answers = Event()

    def call(self, function: str, **params: Json) -> Json:
        self.calls += 1
        assert self.answers.wait(60)
        raise Unavailable("database_unreachable", "The database cannot be reached.")

    async def call_soon(self, function: str, **params: Json) -> Json:
        return self.call(function, **params)

    def close(self) -> None:
        self.answers.set()


def test_readyz_in_parallel_on_a_slow_database_is_answered_at_a_deadline(settings: Settings) -> None:
    """Any number of concurrent /readyz make one call of the database, and get their 503 at its deadline.

    Later requests get it at once while the call is still under way. /healthz does not wait.
    """
    database = SlowDatabase()
    app = create_app(settings, database)

    def ask(number: int) -> tuple[int, str]:
        response = app.test_client().get("/readyz")
        return response.status_code, response.get_json()["checks"]["database"]

    with ThreadPoolExecutor(30) as threads:
        under_way = [threads.submit(ask, n) for n in range(30)]
        assert app.test_client().get("/healthz").status_code == 200
        assert not under_way[-1].done()
        assert {future.result(READY_SECONDS * 4) for future in under_way} == {(503, timed_out().detail)}
        started = time.monotonic()
        assert {ask(n) for n in range(30)} == {(503, timed_out().detail)}
        assert time.monotonic() - started < READY_SECONDS
        assert database.calls == 1
        database.close()
    wait_until = time.monotonic() + 20
    while ask(0)[1] != "The database cannot be reached.":
        assert time.monotonic() < wait_until
    assert database.calls > 1


def test_not_ready_before_the_migrations(settings: Settings, empty_database_url: str) -> None:
    """Before the migrations, /readyz answers 503 with the command to run."""
    database = DirectDatabase(DirectConnection(empty_database_url).url)
    response = create_app(settings, database).test_client().get("/readyz")
    assert response.status_code == 503
    assert "webhook-service migrate" in response.get_json()["checks"]["migrations"]
    database.close()


def test_a_missing_relay_is_not_fatal(client: FlaskClient, connection: Connection) -> None:
    """If no relay has run for two minutes, /readyz says which command to run, and still answers 200."""
    assert "no relay has ever run" in client.get("/readyz").get_json()["relay"]
    connection.execute("insert into auth_sync_relays (relay, last_run_at) values ('r', now() - interval '5 minutes')")
    response = client.get("/readyz")
    assert (response.status_code, "has run for 5 min" in response.get_json()["relay"]) == (200, True)
    connection.execute("update auth_sync_relays set last_run_at = now()")
    assert "relay" not in client.get("/readyz").get_json()


def test_a_read_only_database_is_named(settings: Settings, database_url: str, connection: Connection) -> None:
    """If the database is read-only because its disk is full, /readyz answers 503 and says so."""
    connection.execute(
        "do $$ begin execute format('alter database %I set default_transaction_read_only = on',"
        " current_database()); end $$"
    )
    database = DirectDatabase(database_url)
    response = create_app(settings, database).test_client().get("/readyz")
    assert response.status_code == 503
    assert "read-only: its disk is full" in response.get_json()["checks"]["database"]
    finding = next(each for each in examined(database, compare=True) if each.check == "database")
    assert (finding.level, "its disk is full" in finding.says) == (Level.WRONG, True)
    database.close()
