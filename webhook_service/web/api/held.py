"""The admin API for the bans that are held. It needs `Authorization: Bearer <ADMIN_API_KEY>`."""

from flask import Blueprint, Response, jsonify

from webhook_service.outbound import held
from webhook_service.web import Wiring
from webhook_service.web.api.events import Replay, json_body, loaded, require_admin

MAX_PEOPLE = 100


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("held_api", __name__, url_prefix="/admin/api/held")
    database = wiring.database
    require_admin(views, wiring)

    @views.get("")
    def page() -> Response:
        return jsonify(held.held(database, MAX_PEOPLE))

    @views.post("/release")
    def release() -> Response:
        requested_by = loaded(Replay(), json_body())["requested_by"]
        return jsonify(count=held.release(database, requested_by))

    @views.post("/discard")
    def discard() -> Response:
        requested_by = loaded(Replay(), json_body())["requested_by"]
        return jsonify(count=held.discard(database, requested_by))

    return views
