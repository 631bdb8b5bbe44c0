"""GET /healthz and /readyz."""

from flask.testing import FlaskClient

from tests.employees import Connection
from webhook_service.app import create_app
from webhook_service.db.direct import DirectDatabase
from webhook_service.settings import DirectConnection, Settings


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


def test_not_ready_before_the_migrations(settings: Settings, empty_database_url: str) -> None:
    """Before the migrations, /readyz answers 503 with the command to run."""
    database = DirectDatabase(DirectConnection(empty_database_url).url)
    response = create_app(settings, database).test_client().get("/readyz")
    assert response.status_code == 503
    assert "webhook-service migrate" in response.get_json()["checks"]["migrations"]
    database.close()
