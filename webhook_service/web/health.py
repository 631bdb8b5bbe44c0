"""GET /healthz and /readyz, for probes."""

from http import HTTPStatus

from flask import Blueprint, Response, jsonify

from webhook_service.db import migrate
from webhook_service.errors import ServiceError
from webhook_service.web import Wiring


def blueprint(wiring: Wiring) -> Blueprint:
    health = Blueprint("health", __name__)
    wanted = migrate.newest()

    @health.get("/healthz")
    def alive() -> Response:
        """Alive: asks nobody."""
        return jsonify(status="alive")

    @health.get("/readyz")
    def ready() -> tuple[Response, HTTPStatus]:
        """Ready: the database answers and has our migrations. Says by name what is not."""
        checks = {"database": "ok", "migrations": "ok"}
        try:
            found = migrate.newest_in(wiring.database)
            if found < wanted:
                checks["migrations"] = f"at {found}, needs {wanted}: run `webhook-service migrate`"
        except ServiceError as error:
            checks = {"database": error.detail, "migrations": "unknown"}
        is_ready = all(check == "ok" for check in checks.values())
        status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        return jsonify(status="ready" if is_ready else "not ready", checks=checks), status

    return health
