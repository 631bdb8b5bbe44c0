"""GET /metrics, for Prometheus: counts and ages, open to anybody like the probes."""

from flask import Blueprint, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from webhook_service.db.deadline import Deadline
from webhook_service.errors import ServiceError
from webhook_service.events import Json
from webhook_service.web import Wiring

PATIENCE = 1.5
"""Seconds for the database; a scrape is answered within two, whatever it does."""

AT_ONCE = 2
"""Calls that may wait for a silent database; more scrapes do not take more of its connections."""


def blueprint(wiring: Wiring) -> Blueprint:
    metrics = Blueprint("metrics", __name__)
    deadline = Deadline(AT_ONCE, PATIENCE)

    def numbers() -> Json:
        try:
            return deadline.run(wiring.database.call, "auth_sync_metrics_v1")
        except ServiceError:
            return None

    @metrics.get("/metrics")
    def scrape() -> Response:
        """What has been counted, also where the database is away."""
        return Response(wiring.metrics.exposed(numbers()), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    return metrics
