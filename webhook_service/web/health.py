"""The routes GET /healthz and GET /readyz for probes."""

from http import HTTPStatus

from flask import Blueprint, Response, jsonify

from webhook_service.db import migrate
from webhook_service.db.deadline import timed_out
from webhook_service.errors import ServiceError
from webhook_service.events import Json
from webhook_service.ledger import comparison
from webhook_service.web import Answer, Wiring
from webhook_service.web.shared_check import SharedCheck
from webhook_service.wording.counts import relay_silence

ALIVE_PATH = "/healthz"
READY_SECONDS = 3.0
"""The deadline of /readyz."""

RUN_RELAY = "run `webhook-service relay`, or `webhook-service serve` without RELAY=off"
NEVER_RAN = f"no relay has ever run: {RUN_RELAY}"
SILENT = f"no relay has run for {{age}}: {RUN_RELAY}"
READ_ONLY = "The database is read-only: its disk is full, or it is a replica."

Readiness = tuple[dict[str, str], dict[str, Json]]
"""The checks of /readyz by name, each "ok" or a problem, and the other members of its response."""


def blueprint(wiring: Wiring) -> Blueprint:
    health = Blueprint("health", __name__)
    wanted = migrate.wanted()
    checks = SharedCheck(lambda: readiness(wiring, wanted), READY_SECONDS)

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
        try:
            found, reported = checks.result()
        except TimeoutError:
            found, reported = {"database": timed_out().detail, "migrations": "unknown"}, {}
        is_ready = all(check == "ok" for check in found.values())
        status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        return jsonify(status="ready" if is_ready else "not ready", checks=found, **reported), status

    return health


def readiness(wiring: Wiring, wanted: migrate.Wanted) -> Readiness:
    """Query the database. Return the checks, and the other members of the response of /readyz."""
    try:
        if (gap := migrate.gap(wiring.database, wanted)) is not None:
            return {"database": "ok", "migrations": f"{gap}: run `webhook-service migrate`"}, {}
        facts = wiring.database.call("auth_sync_readiness_v1")
    except ServiceError as error:
        return {"database": error.detail, "migrations": "unknown"}, {}
    database = READ_ONLY if facts.get("is_read_only") else "ok"
    return {"database": database, "migrations": "ok"}, relay_and_backlog(facts) | relay_finding(
        facts
    ) | comparison_finding(facts)


def alive() -> Answer:
    """Return the response of /healthz, which proves only that the process runs."""
    body = b'{"status": "alive"}\n'
    return Answer(HTTPStatus.OK, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))], body)


def relay_finding(facts: Json) -> dict[str, Json]:
    """Return {"relay": what to do} if no relay has run recently.

    It does not change the status, because the service can process deliveries without a relay.
    """
    silence = relay_silence(facts["relay_last_run_seconds"], never=NEVER_RAN, silent=SILENT)
    return {} if silence is None else {"relay": silence}


def comparison_finding(facts: Json) -> dict[str, Json]:
    """Return {"comparison": what to do} if auth users and employees were never compared, or not recently.

    It does not change the status, because the service processes deliveries all the same.
    """
    says = comparison.problem(facts["comparison"])
    return {} if says is None else {"comparison": f"{says}: run `{comparison.COMMAND}`"}


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
