"""The routes GET /healthz and GET /readyz for probes."""

from http import HTTPStatus

from flask import Blueprint, Response, jsonify

from webhook_service.db import migrate
from webhook_service.errors import ServiceError
from webhook_service.events import Json
from webhook_service.ledger.wording import relay_silence
from webhook_service.web import Answer, Wiring

ALIVE_PATH = "/healthz"
READ_ONLY = "The database is read-only: its disk is full, or it is a replica."


def blueprint(wiring: Wiring) -> Blueprint:
    health = Blueprint("health", __name__)
    wanted = migrate.wanted()

    @health.get(ALIVE_PATH)
    def answer_alive() -> Response:
        answer = alive()
        return Response(answer.body, answer.status, list(answer.headers))

    @health.get("/readyz")
    def ready() -> tuple[Response, HTTPStatus]:
        """Answer 200 if the database responds and has all migrations, and otherwise 503 with the failed check.

        The response also has the ages of the relay's last pass and of events, the failing loops, the number of held
        bans, and the problems of the privileges on employees. They do not change the status, because the service can
        process deliveries all the same.
        """
        checks = {"database": "ok", "migrations": "ok"}
        reported: dict[str, Json] = {}
        try:
            gap = migrate.gap(wiring.database, wanted)
            if gap is not None:
                checks["migrations"] = f"{gap}: run `webhook-service migrate`"
            else:
                facts = wiring.database.call("auth_sync_readiness_v1")
                reported = relay_and_backlog(facts) | relay_finding(facts)
                if facts.get("is_read_only"):
                    checks["database"] = READ_ONLY
        except ServiceError as error:
            checks = {"database": error.detail, "migrations": "unknown"}
        is_ready = all(check == "ok" for check in checks.values())
        status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        return jsonify(status="ready" if is_ready else "not ready", checks=checks, **reported), status

    return health


def alive() -> Answer:
    """Return the response of /healthz, which proves only that the process runs."""
    body = b'{"status": "alive"}\n'
    return Answer(HTTPStatus.OK, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))], body)


def relay_finding(facts: Json) -> dict[str, Json]:
    """Return {"relay": what to do} if no relay has run recently.

    It does not change the status, because the service can process deliveries without a relay.
    """
    silence = relay_silence(facts["relay_last_run_seconds"])
    if silence is None:
        return {}
    return {"relay": f"no relay {silence}: run `webhook-service relay`, or `webhook-service serve` without RELAY=off"}


def relay_and_backlog(facts: Json) -> dict[str, Json]:
    """Return the seconds since a relay's last pass, since the last event, and since the oldest pending event.

    A value is None if there is no such pass or event. `failing_loops` has each failing loop, its time and its reason.
    `held_bans` is the number of bans that wait for an admin. `open_employees` names the problems of the privileges on
    employees, without the roles and policies, because anybody may read this response.
    """
    names = ("relay_last_run_seconds", "oldest_pending_seconds", "last_event_seconds")
    ages = {name: None if facts[name] is None else round(facts[name], 1) for name in names}
    problems = sorted({each["problem"] for each in facts["open_employees"]})
    return ages | {name: facts[name] for name in ("failing_loops", "held_bans")} | {"open_employees": problems}
