"""GET /healthz and /readyz."""

from flask.testing import FlaskClient

from tests.employees import Connection
from webhook_service.app import create_app
from webhook_service.db.direct import DirectDatabase
from webhook_service.settings import DirectConnection, Settings


def test_alive_asks_nobody(settings: Settings) -> None:
    """Alive also where the database is not."""
    client = create_app(settings, DirectDatabase("postgresql://127.0.0.1:1/none")).test_client()
    assert client.get("/healthz").get_json() == {"status": "alive"}


def test_ready_with_database_and_migrations(client: FlaskClient) -> None:
    """200, and each check by name."""
    response = client.get("/readyz")
    assert response.status_code == 200
    answer = response.get_json()
    assert (answer["status"], answer["checks"]) == ("ready", {"database": "ok", "migrations": "ok"})


def test_ready_tells_how_the_relay_does(client: FlaskClient, connection: Connection) -> None:
    """When a relay last ran and how long the oldest pending event has waited; null is never, none."""
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
    """503 where the database has never had the functions of this version, and the command that installs them."""
    connection.execute("update auth_sync_functions set digest = 'older'")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.get_json()["checks"]["migrations"].endswith(": run `webhook-service migrate`")


def test_not_ready_without_a_database(settings: Settings) -> None:
    """503, and the database is what is named."""
    client = create_app(settings, DirectDatabase("postgresql://127.0.0.1:1/none", call_timeout=0.5)).test_client()
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.get_json()["checks"]["database"] == "The database cannot be reached."


def test_not_ready_before_the_migrations(settings: Settings, empty_database_url: str) -> None:
    """503, and what to do."""
    database = DirectDatabase(DirectConnection(empty_database_url).url)
    response = create_app(settings, database).test_client().get("/readyz")
    assert response.status_code == 503
    assert "webhook-service migrate" in response.get_json()["checks"]["migrations"]
    database.close()
