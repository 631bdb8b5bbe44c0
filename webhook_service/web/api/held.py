"""The admin API for the bans that are held. It needs `Authorization: Bearer <ADMIN_API_KEY>`."""

from flask import Blueprint, Response, jsonify, request
from marshmallow import RAISE, Schema, fields, validate

from webhook_service.ledger.fields import Whole
from webhook_service.ledger.queries import MAX_BIGINT
from webhook_service.outbound import held
from webhook_service.outbound.held import Reason
from webhook_service.web import Wiring
from webhook_service.web.api import idempotency
from webhook_service.web.api.body import json_body
from webhook_service.web.api.events import Replay, loaded, require_admin

MAX_PEOPLE = 100
REASON = validate.OneOf([str(reason) for reason in Reason])


class OfReason(Schema):
    """The query of GET /admin/api/held."""

    class Meta:
        unknown = RAISE

    reason = fields.String(load_default=None, allow_none=False, validate=REASON)


class Decision(Replay):
    """The body of POST /admin/api/held/release and /discard. `newest_id` is from GET /admin/api/held."""

    newest_id = Whole(required=True, validate=validate.Range(1, MAX_BIGINT))
    reason = fields.String(load_default=str(Reason.MASS_DEACTIVATION), validate=REASON)


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("held_api", __name__, url_prefix="/admin/api/held")
    database = wiring.database
    require_admin(views, wiring)
    idempotency.repeat_answers(views, database)

    @views.get("")
    def page() -> Response:
        return jsonify(held.held(database, MAX_PEOPLE, loaded(OfReason(), request.args)["reason"]))

    @views.post("/release")
    def release() -> Response:
        decision = loaded(Decision(), json_body())
        done = held.release(database, decision["requested_by"], decision["newest_id"], decision["reason"])
        return jsonify(count=done)

    @views.post("/discard")
    def discard() -> Response:
        decision = loaded(Decision(), json_body())
        done = held.discard(database, decision["requested_by"], decision["newest_id"], decision["reason"])
        return jsonify(count=done)

    return views
