"""The route GET /metrics for Prometheus. Like the probes, it needs no key, because it shows only counts and ages."""

from flask import Blueprint, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from webhook_service.db.deadline import Deadline
from webhook_service.errors import ServiceError
from webhook_service.events import Json
from webhook_service.web import Wiring

PATIENCE_SECONDS = 1.5
"""The longest wait of a scrape for the database. The service answers every scrape within two seconds."""

MAX_CALLS = 2
"""The largest number of calls that wait for a database that does not respond. It limits the connections of scrapes."""


def blueprint(wiring: Wiring) -> Blueprint:
    metrics = Blueprint("metrics", __name__)
    deadline = Deadline(MAX_CALLS, PATIENCE_SECONDS)

    def numbers() -> Json:
        try:
            return deadline.run(wiring.database.call, "auth_sync_metrics_v1")
        except ServiceError:
            return None

    @metrics.get("/metrics")
    def scrape() -> Response:
        """Return all metrics. If the database is unavailable, its numbers are missing."""
        return Response(wiring.metrics.exposed(numbers()), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    return metrics
