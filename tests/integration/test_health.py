"""GET /healthz and /readyz."""

from flask.testing import FlaskClient

from webhook_service.app import create_app
from webhook_service.config import DirectConnection, Settings
from webhook_service.db.direct import DirectDatabase


def test_alive_asks_nobody(settings: Settings) -> None:
    """Alive also where the database is not."""
    client = create_app(settings, DirectDatabase("postgresql://127.0.0.1:1/none")).test_client()
    assert client.get("/healthz").get_json() == {"status": "alive"}


def test_ready_with_database_and_migrations(client: FlaskClient) -> None:
    """200, and each check by name."""
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.get_json() == {"status": "ready", "checks": {"database": "ok", "migrations": "ok"}}


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
