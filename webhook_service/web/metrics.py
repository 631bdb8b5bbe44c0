"""GET /metrics, for Prometheus. It needs no key, like the probes, because it holds only counts and ages."""

from flask import Blueprint, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from webhook_service.db.deadline import Deadline
from webhook_service.errors import ServiceError
from webhook_service.events import Json
from webhook_service.web import Wiring

PATIENCE_SECONDS = 1.5
"""How long a scrape waits for the database. Every scrape is answered within two seconds."""

MAX_CALLS = 2
"""The number of calls that may wait for a silent database. More scrapes do not take more of its connections."""


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
        """Answer with all metrics, or without the database's numbers if the database is unavailable."""
        return Response(wiring.metrics.exposed(numbers()), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    return metrics
