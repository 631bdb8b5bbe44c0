"""The part of the admin API for directories: their tokens, and the release of an employee from its directory."""

from http import HTTPStatus

from flask import Blueprint, Response, abort, jsonify
from marshmallow import fields, validate

from webhook_service.ledger import audit
from webhook_service.ledger.queries import MAX_BIGINT
from webhook_service.scim import clients, managers
from webhook_service.web import Wiring
from webhook_service.web.api import idempotency
from webhook_service.web.api.body import json_body
from webhook_service.web.api.events import Replay, loaded, require_admin
from webhook_service.web.api.people import person_of


class NewToken(Replay):
    """The body of POST /admin/api/directories/tokens."""

    name = fields.String(
        required=True,
        validate=validate.Regexp(rf"{clients.NAME.pattern}\Z"),
        metadata={"pattern": f"^{clients.NAME.pattern}$"},
    )


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("directories_api", __name__, url_prefix="/admin/api")
    database = wiring.database
    require_admin(views, wiring)
    idempotency.repeat_answers(views, database)

    # The database audits the acts on tokens in their own transactions.
    @views.get("/directories/tokens")
    def tokens() -> Response:
        return jsonify(tokens=clients.tokens(database))

    @views.post("/directories/tokens")
    def create() -> tuple[Response, HTTPStatus]:
        """Create a token. Only this response has it."""
        options = loaded(NewToken(), json_body())
        made = clients.create_token(database, options["name"], requested_by=options["requested_by"])
        response = jsonify(token_id=made.token_id, name=made.client.name, token=made.token, token_was_shown=False)
        response.headers["Cache-Control"] = "no-store"
        return response, HTTPStatus.CREATED

    @views.post("/directories/tokens/<int:token_id>/revoke")
    def revoke(token_id: int) -> Response:
        who = loaded(Replay(), json_body())["requested_by"]
        if token_id > MAX_BIGINT:
            abort(HTTPStatus.NOT_FOUND)
        return jsonify(count=clients.revoke(database, token_id=token_id, requested_by=who))

    @views.post("/employees/<int:employee_id>/release")
    def release(employee_id: int) -> Response:
        """Release an employee from the directory that manages it."""
        who = loaded(Replay(), json_body())["requested_by"]
        person_of(database, employee_id)
        with audit.attempt(database, who, "release an employee from a directory", f"employee:{employee_id}") as act:
            act.outcome = name = managers.release(database, employee_id)
        return jsonify(employee_id=employee_id, directory=name)

    return views
